"""Covers `orchestrator/server/http/dialects/fold_cache.py`: what is kept of long runs, and for how long."""

from __future__ import annotations

import gc

import pytest

from orchestrator.framing.base import DIALECTS, Forkable, Subscriber
from orchestrator.run.spec import RunSpec
from orchestrator.run.state import RunState
from orchestrator.server.http.dialects import fold_cache
from orchestrator.server.http.dialects.fold_cache import CHECKPOINT_EVENTS, MOST_VIEWS, PER_VIEW, Checkpoints


def state() -> RunState:
    return RunState(RunSpec("run_1", "run_1", "hi", ()), 1)


def at(seq: int, letters: int = 0) -> Forkable:
    framing = DIALECTS["responses"].open(Subscriber("run_1"))
    assert isinstance(framing, Forkable)
    framing.reach(seq)
    framing._pieces[0] = bytearray(letters)  # type: ignore[attr-defined]
    return framing


def found(kept: Checkpoints, run: RunState, *seqs: int) -> list[int | None]:
    return [each and each.seq for each in (kept.before(run, "all", seq) for seq in seqs)]


def test_the_newest_before_a_cursor_is_found() -> None:
    """Whoever kept them: readers of an earlier place come after those of a later one."""
    kept, run = Checkpoints(), state()
    for seq in (10, 30, 20):
        kept.keep(run, "all", at(seq))
    assert found(kept, run, 9, 19, 20, 29, 31) == [None, 10, 20, 20, 30]
    assert kept.before(run, "other", 31) is None


def test_a_further_one_is_due_after_so_many_events() -> None:
    kept, run = Checkpoints(), state()
    assert not kept.is_due(run, "all", CHECKPOINT_EVENTS - 1)
    assert kept.is_due(run, "all", CHECKPOINT_EVENTS)
    kept.keep(run, "all", at(5 * CHECKPOINT_EVENTS))
    assert not kept.is_due(run, "all", 5 * CHECKPOINT_EVENTS + 1)
    assert kept.is_due(run, "all", 3 * CHECKPOINT_EVENTS), "a later one is of no use to who stands here"


def test_of_too_many_every_second_goes_and_the_newest_stays() -> None:
    kept, run = Checkpoints(), state()
    for seq in range(1, PER_VIEW + 2):
        kept.keep(run, "all", at(seq))
    assert found(kept, run, PER_VIEW + 1, PER_VIEW, 2, 1) == [PER_VIEW + 1, PER_VIEW - 1, 1, 1]


def test_it_goes_with_the_run_and_views_are_bounded() -> None:
    kept, run = Checkpoints(), state()
    for n in range(MOST_VIEWS + 1):
        kept.keep(run, n, at(5))
    assert kept.before(run, 0, 9) is None
    assert kept.before(run, 1, 9) is not None
    del run
    gc.collect()
    assert len(kept._views) == 0


def test_all_together_take_no_more_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not asked for the longest makes room, of whichever run; one that is too large is not kept."""
    monkeypatch.setattr(fold_cache, "MOST_BYTES", 1_000)
    kept, runs = Checkpoints(), [state() for _ in range(3)]
    for run in runs[:2]:
        kept.keep(run, "all", at(5, letters=400))
    assert found(kept, runs[0], 5) == [5]
    kept.keep(runs[2], "all", at(5, letters=400))
    assert [found(kept, run, 5) for run in runs] == [[5], [None], [5]]
    kept.keep(runs[1], "all", at(5, letters=2_000))
    assert [found(kept, run, 5) for run in runs] == [[None], [None], [None]]


def test_what_readers_hold_in_common_goes_with_the_last_of_them() -> None:
    kept, run = Checkpoints(), state()
    one = kept.shared(run, "all")
    one.one(1, b"x")
    assert kept.shared(run, "all") is one
    assert kept.shared(run, "other") is not one
    del one
    gc.collect()
    assert kept.shared(run, "all").size == 0
