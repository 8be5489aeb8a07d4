"""How a reader waits at the end of a log, whatever the store. Owns no reader: each channel of a store has its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


async def until_woken(reader: asyncio.Future[bool], seconds: float) -> bool:
    """Wait until *reader* is woken; False after *seconds*. Cancelling is safe.

    With a timer, for `asyncio.timeout` costs several times as much, at each event of each reader.
    """
    expiry = reader.get_loop().call_later(seconds, wake, reader, False)
    try:
        return await reader
    finally:
        expiry.cancel()


def wake(reader: asyncio.Future[bool], woken: bool = True) -> None:
    """End a reader's wait, unless it has ended."""
    if not reader.done():
        reader.set_result(woken)


def wake_all(readers: Iterable[asyncio.Future[bool]]) -> None:
    """End the wait of each: there is something to read."""
    for reader in readers:
        wake(reader)
