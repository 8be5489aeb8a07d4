"""Covers `orchestrator/run/channels.py`: what is owed to the channel of all runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.errors import LogUnavailable
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.base import Cursor, Draft, Entry
from orchestrator.run import channels as channels_module
from orchestrator.run.channels import SYSTEM_CHANNEL, RunChannels


class UnsteadyLog(MemoryLog):
    refuses = False

    async def append(self, channel: str, drafts: Any, **options: Any) -> list[Entry]:
        if self.refuses:
            raise LogUnavailable("unavailable")
        await asyncio.sleep(0)
        return await super().append(channel, drafts, **options)


def milestone(n: int) -> Draft:
    return Draft(f"run_{n}", None, "started", b"{}")


async def told(log: MemoryLog) -> list[str]:
    bounds = await log.open(SYSTEM_CHANNEL)
    return [entry.run_id for entry in await log.read(SYSTEM_CHANNEL, Cursor(bounds.epoch, 0), most=99)]


async def test_what_was_refused_comes_later_once_and_in_its_order() -> None:
    log = UnsteadyLog()
    await log.start()
    channels = RunChannels(log)
    await channels.append_milestones([milestone(1)])
    log.refuses = True
    for n in (2, 3):
        await channels.append_milestones([milestone(n)])
    with pytest.raises(LogUnavailable):
        await channels.catch_up()
    log.refuses = False
    await channels.append_milestones([milestone(4)])
    # Two rounds at once, and one that comes meanwhile: nothing goes before what was first.
    await asyncio.gather(channels.catch_up(), channels.append_milestones([milestone(5)]))
    await channels.append_milestones([milestone(6)])
    assert await told(log) == [f"run_{n}" for n in range(1, 7)]


async def test_what_is_owed_is_bounded_and_the_newest_of_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels_module, "MOST_OWED", 3)
    log = UnsteadyLog()
    await log.start()
    channels = RunChannels(log)
    log.refuses = True
    for n in range(5):
        await channels.append_milestones([milestone(n)])
    log.refuses = False
    await channels.catch_up()
    assert await told(log) == ["run_2", "run_3", "run_4"]
