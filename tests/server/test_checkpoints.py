"""Covers `orchestrator/server/http/checkpoints.py`: what is kept of long runs, and for how long."""

from __future__ import annotations

import gc

from orchestrator.framing.base import DIALECTS, Forkable, Subscriber
from orchestrator.run.spec import RunSpec
from orchestrator.run.state import RunState
from orchestrator.server.http.checkpoints import CHECKPOINT_EVENTS, MOST_VIEWS, Checkpoints


def state() -> RunState:
    return RunState(RunSpec("run_1", "run_1", "hi", ()), 1)


def at(seq: int) -> Forkable:
    framing = DIALECTS["responses"].open(Subscriber("run_1"))
    assert isinstance(framing, Forkable)
    framing._at = seq  # type: ignore[attr-defined]
    return framing


def test_the_newest_before_a_cursor_is_found() -> None:
    kept, run = Checkpoints(), state()
    for seq in (10, 20, 30):
        kept.keep(run, "all", at(seq))
    found = [kept.before(run, "all", seq) for seq in (19, 20, 29, 31)]
    assert [each and each.seq for each in found] == [None, 20, 20, 30], "the oldest has made room"
    assert kept.before(run, "other", 31) is None


def test_a_further_one_is_due_after_so_many_events() -> None:
    kept, run = Checkpoints(), state()
    assert not kept.is_due(run, "all", CHECKPOINT_EVENTS - 1)
    assert kept.is_due(run, "all", CHECKPOINT_EVENTS)
    kept.keep(run, "all", at(CHECKPOINT_EVENTS))
    assert not kept.is_due(run, "all", CHECKPOINT_EVENTS + 1)


def test_it_goes_with_the_run_and_views_are_bounded() -> None:
    kept, run = Checkpoints(), state()
    for n in range(MOST_VIEWS + 1):
        kept.keep(run, n, at(5))
    assert kept.before(run, 0, 9) is None
    assert kept.before(run, 1, 9) is not None
    del run
    gc.collect()
    assert len(kept._kept) == 0
