"""How a worker waits for work, without a store: wake-ups, a store that is unavailable, a call that was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from orchestrator.errors import LogUnavailable
from orchestrator.eventlog import work_taker
from orchestrator.eventlog.work_taker import WorkTaker
from tests.support.patience import eventually, soon, turns

NEVER_SECONDS = 1e6


class Listed(WorkTaker):
    """Takes what stands in `answers`, in order; None and an exception are answers too."""

    def __init__(self, answers: Sequence[str | Exception | None]) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[tuple[str, bool]] = []
        self.closed = False
        self.hold: asyncio.Event | None = None

    async def _try_take(self, worker: str, take: str, *, look_after: bool) -> str | None:
        self.asked.append((take, look_after))
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _is_closed(self) -> bool:
        return self.closed

    def offer(self, run_id: str) -> None:
        self.answers.append(run_id)
        self._offered.set()


async def test_an_offer_wakes_the_taker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_taker, "LOOK_AGAIN_SECONDS", NEVER_SECONDS)
    taker = Listed([])
    waiting = asyncio.ensure_future(taker.take_work("w"))
    await eventually(lambda: taker.asked)
    await turns()
    assert not waiting.done()
    taker.offer("run_1")
    assert await soon(waiting) == "run_1"


async def test_a_lost_wake_up_is_made_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_taker, "LOOK_AGAIN_SECONDS", 0.001)
    assert await soon(Listed([None, None, "run_1"]).take_work("w")) == "run_1"


async def test_an_unavailable_store_is_asked_again_and_a_closed_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work_taker, "LOOK_AGAIN_SECONDS", 0.001)
    taker = Listed([LogUnavailable("gone"), "run_1", LogUnavailable("gone")])
    assert await soon(taker.take_work("w")) == "run_1"
    taker.closed = True
    with pytest.raises(LogUnavailable):
        await soon(taker.take_work("w"))


async def test_what_a_cancelled_call_took_is_asked_for_by_the_same_word() -> None:
    taker = Listed(["run_1", "run_2"])
    taker.hold = asyncio.Event()
    waiting = asyncio.ensure_future(taker.take_work("w"))
    await eventually(lambda: taker.asked)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    taker.hold = None
    await soon(taker.take_work("w"))
    await soon(taker.take_work("w"))
    (cancelled, _), (again, _), (next_one, _) = taker.asked
    assert cancelled == again != next_one


async def test_dead_takers_are_looked_after_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each look, and again if the look failed."""
    monkeypatch.setattr(work_taker, "LOOK_AGAIN_SECONDS", 0.001)
    monkeypatch.setattr(work_taker, "LOOK_AFTER_SECONDS", NEVER_SECONDS)
    taker = Listed([LogUnavailable("gone"), None, None, "run_1"])
    taker._looked_after_at = -2 * NEVER_SECONDS
    await soon(taker.take_work("w"))
    assert [look_after for _, look_after in taker.asked] == [True, True, False, False]
