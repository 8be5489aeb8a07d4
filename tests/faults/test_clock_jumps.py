"""Somebody sets the machine's clock, hours ahead and back: nobody dies of it, nothing expires, `t` goes on.

The time of day is injected (`tests.workers.shifted`): setting the machine's own would hit everything else on it.
Redis has a clock of its own; what its jumps do is in `contract/test_runstore.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import ClientSession

from tests.workers.agents import held
from tests.workers.process import Process, worker

from .oracle import Account, agents_of, begin, judge, whole_run

HOUR = 3600


class Machine:
    """Two workers on one file, and the clock that both read."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._clock = folder / "clock"
        self.set_clock(0)

    def set_clock(self, ahead: float) -> None:
        written = self._clock.with_suffix(".new")
        written.write_text(str(ahead))
        os.replace(written, self._clock)

    async def worker(self) -> Process:
        log, clock = f"sqlite:///{self._folder}/log.db", {"CLOCK_FILE": str(self._clock)}
        return await self._stack.enter_async_context(worker(log, module="tests.workers.shifted", **clock))


async def still_there(http: ClientSession, url: str, account: Account) -> None:
    assert await whole_run(http, url, account.run_id) == account.seen


async def test_set_clock_ends_no_run_and_expires_nothing(http: ClientSession, tmp_path: Path) -> None:
    """Two hours ahead with a retention of one, then five back, while both workers' runs go on."""
    async with AsyncExitStack() as stack:
        machine = Machine(tmp_path, stack)
        one, two = await machine.worker(), await machine.worker()
        ended = await begin(http, one.url, "5")
        await ended.follow(http, one.url)
        accounts = [await begin(http, at.url, "420") for at in (one, two)]
        reading = [asyncio.create_task(account.follow(http, two.url)) for account in accounts]
        for ahead in (2 * HOUR, -3 * HOUR, 0):
            await asyncio.sleep(1.2)  # two rounds of the janitors' in each time
            machine.set_clock(ahead)
        await asyncio.gather(*reading)
        for account in accounts:
            judge(account.seen, links=420)
            assert account.seen[-1].data["t"] < HOUR * 1000, "the time of day is not in it"
        for account in (ended, *accounts):
            await still_there(http, one.url, account)


async def test_worker_lost_before_the_clock_was_set_back_is_noticed_in_time(
    http: ClientSession, tmp_path: Path
) -> None:
    """Its lease now ends in the far future; and the run that goes on elsewhere counts on from its last `t`."""
    async with AsyncExitStack() as stack:
        machine = Machine(tmp_path, stack)
        one, two = await machine.worker(), await machine.worker()
        account = await begin(http, one.url, held(200, tmp_path / "gate"), agents=["one", "again"])
        reading = asyncio.create_task(account.connect(http, one.url))
        await asyncio.sleep(0.3)
        await one.end(signal.SIGKILL)
        machine.set_clock(-3 * HOUR)
        await reading
        (tmp_path / "gate").touch()
        assert account.seen
        await account.follow(http, two.url)
        judge(account.seen, links=200, codes=("worker_lost",))
        assert agents_of(account.seen) == {"one": "error", "again": "done"}
