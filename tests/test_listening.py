"""A connection that arrives as a server of a test stops to listen is closed with the others."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
from collections.abc import Callable, Coroutine

import pytest
from aiohttp import web

from tests.support.listening import listening
from tests.support.patience import turns
from tests.support.probe import ProblemServer

AT_TURNS = range(6)
"""How many turns of the loop after the client's connect the server closes: at 2 it is accepted, and no more."""


async def _close_a_service_after(count: int) -> None:
    server = ProblemServer(web.Application())
    await server.start_server()
    assert server.port is not None
    with socket.create_connection(("127.0.0.1", server.port)):
        await turns(count)
        await server.close()


async def _close_a_listener_after(count: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(serve) as port:
        client = socket.create_connection(("127.0.0.1", port))
        await turns(count)
    client.close()


@pytest.mark.parametrize("count", AT_TURNS)
@pytest.mark.parametrize("close_after", [_close_a_service_after, _close_a_listener_after])
def test_a_connection_on_the_way_is_closed(
    close_after: Callable[[int], Coroutine[None, None, None]], count: int
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # what others have left is not asked about here
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        asyncio.run(close_after(count))
        gc.collect()
    assert not [str(each.message) for each in seen]
