"""What is kept of votes and verdicts, in the store that the run is in."""

from __future__ import annotations

import pytest

from orchestrator.eventlog import MemoryLog
from orchestrator.events import AgentInfo, Done, Score, Started, Token
from orchestrator.events.panel import Given, PanelInfo, PanelResult
from orchestrator.events.run import RunStarted
from orchestrator.run.ballots import (
    KEPT_PER_SHARD,
    SHARDS,
    Ballot,
    Ballots,
    RatedAgent,
    ballot_of_verdict,
    read,
)
from orchestrator.run.spec import GivenAnswer, RunSpec
from orchestrator.run.state import RunState


def ballot(run_id: str, by: str = "vote", winner: str = "a", at: int = 1) -> Ballot:
    return Ballot(run_id, "Tea?", at, by, [RatedAgent("a", "A"), RatedAgent("b", "B")], "win", winner)


async def kept(ballots: Ballots) -> list[tuple[str, str, str | None]]:
    return [(each.run_id, each.by, each.winner) for each in read(await ballots.all())]


async def test_a_later_one_of_the_same_kind_replaces_it_and_deletion_takes_all() -> None:
    ballots = Ballots(MemoryLog())
    await ballots.keep(ballot("run_1"))
    await ballots.keep(ballot("run_1", "judge", "b", at=2))
    await ballots.keep(ballot("run_1", winner="b", at=3))
    await ballots.keep(ballot("run_2", at=4))
    assert await kept(ballots) == [("run_1", "judge", "b"), ("run_1", "vote", "b"), ("run_2", "vote", "a")]
    await ballots.drop("run_1", by="vote")
    assert await kept(ballots) == [("run_1", "judge", "b"), ("run_2", "vote", "a")]
    await ballots.drop("run_1")
    await ballots.drop("run_9")
    assert await kept(ballots) == [("run_2", "vote", "a")]


async def test_how_much_is_kept_is_bounded() -> None:
    store = MemoryLog()
    shard = f"scores {0}"
    for n in range(KEPT_PER_SHARD + 5):
        await store.add_turn(shard, "ballots", b"{}" if n else b"broken", keep=KEPT_PER_SHARD)
    assert len(await Ballots(store).all()) == KEPT_PER_SHARD
    assert read(await Ballots(store).all()) == [], "what cannot be read is left out"
    assert SHARDS * KEPT_PER_SHARD < 20_000


def judged(
    method: str, status: str, winner: str | None, points: list[tuple[str, float]], of: str | None = None
) -> RunState:
    given = tuple(GivenAnswer(a, a.upper(), "done", "x", 1) for a in "ab") if of else ()
    state = RunState(RunSpec("run_1", "run_1", "Tea?", ("a", "b"), of=of, given=given), 1)
    info = PanelInfo(
        None, "P", method, ["a", "b"], "chair", [], of, [Given(a, a, 1, 1) for a in "ab"] if of else []
    )
    infos = [] if of else [AgentInfo(a, a.upper(), "function", None) for a in "ab"]
    state.fold(None, RunStarted("run_1", "run_1", infos, info), "e-1")
    for agent in () if of else "ab":
        for payload in (Started(1), Token("x"), Done("x", None, "stop", None, 1)):
            state.fold(agent, payload, "e-2")
    ranking = [Score(agent, value) for agent, value in points]
    state.fold("panel", PanelResult("P", method, status, winner, ranking, {}, []), "e-3")  # type: ignore[arg-type]
    return state


@pytest.mark.parametrize("of", [None, "run_0"])
def test_a_judges_verdict_is_a_ballot_also_over_answers_of_another_run(of: str | None) -> None:
    found = ballot_of_verdict(judged("judge", "decided", "a", [("a", 2), ("b", 0)], of), 7)
    assert found is not None
    assert (found.by, found.verdict, found.winner, found.points) == ("judge", "win", "a", [2.0, 0.0])
    assert [(each.agent_id, each.title) for each in found.agents] == [("a", "A"), ("b", "B")]
    tied = ballot_of_verdict(judged("rank", "tie", None, [("a", 1), ("b", 1)], of), 7)
    assert tied is not None
    assert tied.verdict == "tie"


@pytest.mark.parametrize(
    ("method", "status", "points"),
    [
        ("moderator", "decided", [("a", 1.0), ("b", 0.0)]),
        ("vote", "decided", [("a", 1.0), ("b", 0.0)]),
        ("judge", "undecided", [("a", 1.0), ("b", 0.0)]),
        ("judge", "failed", []),
        ("judge", "decided", [("a", 0.0)]),
        ("judge", "decided", [("a", 1.0), ("stranger", 0.0)]),
    ],
)
def test_what_compares_no_answers_is_none(method: str, status: str, points: list[tuple[str, float]]) -> None:
    assert ballot_of_verdict(judged(method, status, "a", points), 7) is None
