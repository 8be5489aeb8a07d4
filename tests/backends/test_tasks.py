"""Covers `orchestrator/backends/tasks.py`: work that a cancel of the caller must not tear apart."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.backends.tasks import cancelled_once, uninterrupted
from tests.support.patience import soon, turns


class Closing:
    """Work that takes a while to close once it is cancelled; notes how often it was."""

    def __init__(self) -> None:
        self.cancels = 0
        self.is_closed = False
        self.may_close = asyncio.Event()

    async def __call__(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancels += 1
            try:
                await self.may_close.wait()
            except asyncio.CancelledError:
                self.cancels += 1
                raise
            self.is_closed = True
            raise


async def test_only_the_first_cancel_reaches_the_work() -> None:
    """A second one within httpx's closing leaves the connection open and in the pool."""
    work = Closing()
    caller = asyncio.ensure_future(cancelled_once(work()))
    await turns()
    for _ in range(3):
        caller.cancel()
        await turns()
    assert (work.cancels, caller.done()) == (1, False)
    work.may_close.set()
    with pytest.raises(asyncio.CancelledError):
        await soon(caller)
    assert (work.cancels, work.is_closed) == (1, True)


async def test_what_the_work_returns_or_raises_is_the_callers() -> None:
    async def fails() -> None:
        raise ValueError("x")

    assert await cancelled_once(asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ValueError, match="x"):
        await cancelled_once(fails())
    with pytest.raises(ValueError, match="x"):
        await uninterrupted(fails(), 5)


async def test_cleaning_up_goes_on_to_its_end_although_the_caller_is_cancelled() -> None:
    goes_on, ended = asyncio.Event(), asyncio.Event()

    async def clean() -> None:
        await goes_on.wait()
        ended.set()

    caller = asyncio.ensure_future(uninterrupted(clean(), 60))
    await turns()
    caller.cancel()
    await turns()
    assert not caller.done()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await soon(caller)
    assert ended.is_set()


async def test_cleaning_up_that_does_not_end_is_cancelled_in_time() -> None:
    cancelled = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        await soon(uninterrupted(hangs(), 0.01))
    assert cancelled.is_set()
