"""Covers `orchestrator/supervisor/presence.py`: who watches which run, here and at other workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from orchestrator.errors import LimitReached
from orchestrator.eventlog import MemoryLog
from orchestrator.run.spec import RunSpec
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor import presence as attendance
from orchestrator.supervisor.presence import PUBLISH_AGAIN_SECONDS, Presence


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(attendance, "time", clock)
    return clock


@pytest.fixture
async def store() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


def presence(store: MemoryLog, *, worker: str | None = None, **limits: float) -> Presence:
    return Presence(store, RunLimits(**{"abandon_after_s": 10.0, **limits}), worker=worker)  # type: ignore[arg-type]


def spec(run_id: str = "run_1", on_disconnect: str = "cancel", channel: str = "room") -> RunSpec:
    return RunSpec(run_id, channel, "hi", ("a",), on_disconnect=on_disconnect)


async def test_a_run_is_abandoned_when_nobody_has_watched_it_for_long_enough(
    store: MemoryLog, clock: Clock
) -> None:
    present = presence(store)
    assert await present.abandoned([spec()]) == []
    clock.now += 9.9
    assert await present.abandoned([spec()]) == []
    clock.now += 0.1
    assert await present.abandoned([spec()]) == ["run_1"]


async def test_whoever_comes_back_in_time_begins_the_wait_anew(store: MemoryLog, clock: Clock) -> None:
    present = presence(store)
    await present.abandoned([spec()])
    clock.now += 9
    with present.watching("room", "run_1"):
        assert await present.abandoned([spec()]) == []
        clock.now += 100
        assert await present.abandoned([spec()]) == []
    assert await present.abandoned([spec()]) == []
    clock.now += 9
    assert await present.abandoned([spec()]) == []
    clock.now += 1
    assert await present.abandoned([spec()]) == ["run_1"]


async def test_who_watches_a_whole_channel_watches_its_runs(store: MemoryLog, clock: Clock) -> None:
    present = presence(store, abandon_after_s=0.0)
    with present.watching("room"):
        assert await present.abandoned([spec(), spec("run_2", channel="elsewhere")]) == ["run_2"]
    assert await present.abandoned([spec()]) == ["run_1"]


async def test_runs_that_go_on_without_anybody_are_never_abandoned(store: MemoryLog, clock: Clock) -> None:
    assert await presence(store, abandon_after_s=0.0).abandoned([spec(on_disconnect="continue")]) == []


async def test_a_run_that_ends_is_forgotten(store: MemoryLog, clock: Clock) -> None:
    """One that begins later under the same id has its own time."""
    present = presence(store)
    await present.abandoned([spec()])
    clock.now += 100
    assert await present.abandoned([]) == []
    assert await present.abandoned([spec()]) == []


async def test_subscribers_of_other_workers_count(store: MemoryLog, clock: Clock) -> None:
    here, there = presence(store, worker="w1", abandon_after_s=0.0), presence(store, worker="w2")
    await store.beat("w1", 1000)
    await store.beat("w2", 1000)
    with there.watching("room", "run_1"):
        await there.abandoned([])  # tells the others
        assert await here.abandoned([spec(), spec("run_2")]) == ["run_2"]
        await store.beat("w2", 0)
        assert await here.abandoned([spec()]) == ["run_1"], "the dead have no subscribers"
        await store.beat("w2", 1000)
    alone = presence(store, abandon_after_s=0.0)
    assert await alone.abandoned([spec()]) == ["run_1"], "a worker of its own asks nobody"
    await there.abandoned([])
    assert await here.abandoned([spec()]) == ["run_1"], "whoever left is heard of"


async def test_only_what_has_changed_is_said(store: MemoryLog, clock: Clock) -> None:
    """However many subscribers there are, a worker whose subscribers stay says nothing but now and then."""
    said: list[tuple[list[str], list[str]]] = []

    class Telling(MemoryLog):
        async def watch(self, worker: str, added: Sequence[str], removed: Sequence[str]) -> None:
            said.append((list(added), list(removed)))

    present = presence(Telling(), worker="w1")
    with present.watching("room", "run_1"):
        with present.watching("room", "run_2"):
            for _ in range(3):
                await present.abandoned([])
        await present.abandoned([])
        clock.now += PUBLISH_AGAIN_SECONDS + 1
        await present.abandoned([])
    assert said == [(["run_1", "run_2"], []), ([], ["run_2"]), (["run_1"], [])]


def test_there_is_a_limit_to_each_stream_and_whoever_leaves_makes_room() -> None:
    present = presence(MemoryLog(), max_subscribers=2)
    assert not present
    with present.watching("room", "run_1"), present.watching("room", "run_1"):
        with pytest.raises(LimitReached) as refused, present.watching("room", "run_1"):
            pass
        assert refused.value.retry_after == 5
        with present.watching("room"), present.watching("room", "run_2"):
            assert present
    with present.watching("room", "run_1"):
        pass
    assert not present
