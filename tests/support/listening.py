"""How a server of a test stops to listen without losing a connection on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from tests.support.patience import turns


class _HasDescriptor(Protocol):
    def fileno(self) -> int: ...


async def stop_accepting(sockets: Iterable[_HasDescriptor]) -> None:
    """Accept no more on listening *sockets*, and wait until what was accepted has reached its protocol.

    asyncio makes the transport of an accepted connection a turn of the loop later. When the listener is closed in
    between, that fails without a word and the socket stays open until the collector finds it: a warning, and so
    the failure of some later test. `test_listening.py` shows it.
    """
    loop = asyncio.get_running_loop()
    for each in sockets:
        loop.remove_reader(each.fileno())
    await turns(4)


async def stop_listening(server: asyncio.Server) -> None:
    """Close *server*, whose connections stay, after `stop_accepting`."""
    await stop_accepting(server.sockets)
    server.close()
