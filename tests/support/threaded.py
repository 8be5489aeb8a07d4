"""Runs a server of a test on an event loop of its own, so that its tasks are not among the test's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

_T = TypeVar("_T")


@asynccontextmanager
async def in_thread(serve: Callable[[], AbstractAsyncContextManager[_T]]) -> AsyncIterator[_T]:
    """Enter what *serve* returns in a thread, and leave it there in the end."""
    entered: Future[_T] = Future()
    leave: list[Callable[[], object]] = []

    async def run() -> None:
        leaving, loop = asyncio.Event(), asyncio.get_running_loop()
        async with serve() as value:
            leave.append(lambda: loop.call_soon_threadsafe(leaving.set))
            entered.set_result(value)
            await leaving.wait()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as exc:
            if entered.done():
                raise
            entered.set_exception(exc)

    thread = threading.Thread(target=main, name="server")
    thread.start()
    try:
        yield await asyncio.wrap_future(entered)
    finally:
        for call in leave:
            call()
        await asyncio.to_thread(thread.join)
