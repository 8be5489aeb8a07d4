"""Covers `orchestrator/run/live_bytes.py`: what running runs keep in memory is counted and bounded over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.events import Data, Retry, Status, Token
from orchestrator.run.live_bytes import LiveBytes, RunBytes
from orchestrator.settings.limits import RunLimits
from orchestrator.telemetry.observer import Observer
from tests.support.patience import eventually
from tests.support.spine import read, start, supervised


def _runs(total: LiveBytes, *names: str) -> tuple[list[RunBytes], list[str]]:
    ended: list[str] = []
    runs = [total.of_run(name) for name in names]
    for run in runs:
        run.on_full = lambda name=run.run_id: ended.append(name)  # type: ignore[misc]
    return runs, ended


def test_the_run_that_holds_most_gives_way_and_not_the_one_that_came_last() -> None:
    sums: list[int] = []
    total = LiveBytes(100, sums.append)
    (large, small), ended = _runs(total, "large", "small")
    large.grow(70)
    small.grow(30)
    assert not ended
    small.grow(10)
    assert ended == ["large"]
    small.grow(50)
    assert ended == ["large"], "what is about to leave is not counted twice"
    large.release()
    large.release()
    assert sums[-1] == 90
    small.grow(20)
    assert ended == ["large", "small"]
    small.release()
    assert sums[-1] == 0


def test_what_is_kept_counts_and_a_failed_attempt_counts_no_more() -> None:
    run = LiveBytes(100, lambda _: None).of_run("run_1")
    for agent_id, payload, size, grown in (
        ("a", Token("x"), 5, 5), ("a", Data("rows", 1), 9, 9), ("b", Data("rows", 1), 7, 7),
        ("a", Status("thinking"), 80, 0), ("a", Retry(2, 0.0, "internal"), 90, -14),
        ("a", Retry(3, 0.0, "internal"), 90, 0),
    ):  # fmt: skip
        assert run.take(agent_id, payload, size) == grown


class _Sums(Observer):
    def __init__(self) -> None:
        self.sums = [0]

    def live_bytes(self, size: int) -> None:
        self.sums.append(size)


async def hoarder(request: AgentInput) -> AsyncGenerator[Emission, None]:
    for n in range(500):
        yield Data("rows", "x" * 10_000, data_id=str(n))
        await asyncio.sleep(0)
    await asyncio.Event().wait()


async def canary(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield "tick"
    await asyncio.Event().wait()


async def test_a_run_that_hoards_is_ended_beside_one_that_goes_on() -> None:
    observer = _Sums()
    scripts = {"hoarder": hoarder, "canary": canary}
    limits = RunLimits(max_live_bytes=200_000)
    async with supervised(scripts, limits=limits, observer=observer) as supervisor:
        other = await start(supervisor, agents=("canary",))
        events = await read(supervisor, await start(supervisor, agents=("hoarder",)))
        (error,) = [event for event in events if event.type == "error"]
        assert error.data["code"] == "output_limit"
        assert "--max-live-bytes" in error.data["message"]
        assert other.status == "running"
        assert 200_000 < max(observer.sums) < 1_000_000
        await eventually(lambda: observer.sums[-1] <= 10)
