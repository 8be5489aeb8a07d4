"""Covers `orchestrator/supervisor/heartbeat.py`: this worker is seen to live, whatever else it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from orchestrator.backends.base import AgentInput
from orchestrator.eventlog import MemoryLog
from orchestrator.supervisor.heartbeat import Heartbeat
from orchestrator.telemetry.observer import Observer
from tests.support.patience import soon
from tests.support.spine import supervised


class Beats(Observer):
    def __init__(self) -> None:
        self.gaps: list[float] = []

    def beaten(self, seconds: float) -> None:
        self.gaps.append(seconds)


async def silent(request: AgentInput) -> AsyncGenerator[str, None]:
    yield ""
    await asyncio.Event().wait()


async def test_a_beat_holds_until_the_farewell() -> None:
    log, beats = MemoryLog(), Beats()
    heartbeat = Heartbeat(log, beats, worker="w")
    await heartbeat.beat()
    assert await log.living() == {"w"}
    assert len(beats.gaps) == 1
    await heartbeat.farewell()
    assert await log.living() == set()


async def test_no_other_duty_holds_a_beat_up() -> None:
    """A takeover, or a round of retention, that takes long must not let this worker's lease run out."""
    beaten, stuck = asyncio.Event(), asyncio.Event()

    class Stuck(MemoryLog):
        async def owners(self) -> dict[str, int]:
            stuck.set()
            await asyncio.Event().wait()
            return {}

        ended_runs = owners  # type: ignore[assignment]

        async def beat(self, worker: str, seconds: float) -> None:
            await super().beat(worker, seconds)
            if stuck.is_set():
                beaten.set()

    async with supervised({"a": silent}, log=Stuck()):
        await soon(beaten.wait())
