"""A reader's wait ends once: by news, by its time, or by a cancel; and leaves no timer behind."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.eventlog.waiting import until_woken, wake, wake_all


def reader() -> asyncio.Future[bool]:
    return asyncio.get_running_loop().create_future()


async def test_news_ends_the_wait() -> None:
    """The first of several that wake the same reader counts."""
    first, second = reader(), reader()
    waits = [asyncio.ensure_future(until_woken(each, 60)) for each in (first, second)]
    await asyncio.sleep(0)
    wake_all((first, second))
    wake(first, False)
    assert await asyncio.gather(*waits) == [True, True]


async def test_time_ends_the_wait() -> None:
    """The reader is told that there is nothing new."""
    assert await until_woken(reader(), 0) is False


async def test_a_cancelled_wait_leaves_no_timer() -> None:
    """A timer of each reader that went would wake the loop for as long as silence may last."""
    loop = asyncio.get_running_loop()
    gone = reader()
    wait = asyncio.ensure_future(until_woken(gone, 3600))
    await asyncio.sleep(0)
    timers = [timer for timer in loop._scheduled if timer._args[:1] == (gone,)]  # type: ignore[attr-defined]  # there is no other way
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    assert [timer.cancelled() for timer in timers] == [True]
    wake(gone)
