"""What votes and verdicts come to, from ballots."""

from __future__ import annotations

from typing import Any

from orchestrator.eventlog import MemoryLog
from orchestrator.events.run import AgentVariant
from orchestrator.run.ballots import Ballot, Ballots, RatedAgent
from orchestrator.supervisor.scores import MAX_QUESTIONS, MAX_RATED, ScoreBoard, chosen, count


def ballot(n: int, winner: str | None = "a", *, agents: str = "ab", **keys: Any) -> Ballot:
    rated = [
        RatedAgent(each, each.upper(), duration_ms=100 * n, output_tokens=n, cost=0.5) for each in agents
    ]
    given: dict[str, Any] = {"by": "vote", "verdict": "win" if winner else "tie", "winner": winner, **keys}
    return Ballot(f"run_{n}", given.pop("question", "Tea?"), n, given.pop("by"), rated, **given)


def test_wins_losses_ties_and_what_answers_took_are_counted() -> None:
    scores = count(
        [ballot(1), ballot(2), ballot(3, "b"), ballot(4, None), ballot(5, None, verdict="both_bad")]
    )
    assert scores.compared == 5
    first, second = scores.agents
    assert (first.agent_id, first.compared, first.wins, first.losses, first.ties, first.both_bad) == (
        "a",
        5,
        2,
        1,
        1,
        1,
    )
    assert (second.agent_id, second.wins, second.losses) == ("b", 1, 2)
    assert (first.duration_ms, first.output_tokens, first.cost) == (300, 3, 0.5)
    assert first.rating is not None
    assert second.rating is not None
    assert first.rating > second.rating
    (question,) = scores.questions
    assert (question.question, question.compared, question.wins, question.ties, question.both_bad) == (
        "Tea?", 5, {"a": 2, "b": 1}, 1, 1,
    )  # fmt: skip


def test_a_panels_points_compare_whom_they_tell_apart() -> None:
    ranked = ballot(1, "a", agents="abc", by="rank", points=[4.0, 2.0, 0.0])
    assert list(ranked.pairs()) == [(0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0)]
    judged = ballot(2, "a", agents="abc", by="judge", points=[2.0, 0.0, 0.0])
    assert list(judged.pairs()) == [(0, 1, 1.0), (0, 2, 1.0)], "nobody compared the two that were not chosen"
    split = ballot(3, None, agents="abc", by="judge", points=[1.0, 1.0, 0.0])
    assert list(split.pairs()) == [(0, 1, 0.5), (0, 2, 1.0), (1, 2, 1.0)]
    assert [split.outcome(place) for place in range(3)] == ["tie", "tie", "loss"]
    assert [share for _, _, share in ballot(4, None, agents="abc", points=[0.0] * 3).pairs()] == [0.5] * 3


def test_two_variants_of_one_name_are_two() -> None:
    def voted(temperature: float) -> Ballot:
        hot = RatedAgent("hot", "Hot", AgentVariant("a", {"model_settings": {"temperature": temperature}}))
        return Ballot("run_1", "Tea?", 1, "vote", [RatedAgent("a", "A"), hot], "win", "hot")

    rows = count([voted(1.0), voted(1.2), voted(1.2)]).agents
    assert sorted((row.agent_id, row.wins) for row in rows) == [("a", 0), ("hot", 1), ("hot", 2)]


def test_what_clients_choose_is_bounded() -> None:
    many = [ballot(n, f"x{n}", agents="ab", question=f"q{n}") for n in range(MAX_QUESTIONS + 5)]
    named = [
        Ballot("run_x", "q", 1, "vote", [RatedAgent(f"a{n}", ""), RatedAgent(f"b{n}", "")], "win", f"a{n}")
        for n in range(MAX_RATED)
    ]
    scores = count([*many, *named])
    assert len(scores.questions) == MAX_QUESTIONS
    assert sum(row.rating is not None for row in scores.agents) == MAX_RATED
    assert scores.agents[-1].rating is None, "those without a rating stand last"


def test_a_choice_of_ballots() -> None:
    ballots = [ballot(1), ballot(2, by="judge", question="Coffee?")]
    assert [each.run_id for each in chosen(ballots, "judge", "")] == ["run_2"]
    assert [each.run_id for each in chosen(ballots, "", "TEA")] == ["run_1"]


async def test_what_is_kept_is_counted() -> None:
    store = MemoryLog()
    board = ScoreBoard(store)
    assert (await board.scores()).compared == 0
    await Ballots(store).keep(ballot(1))
    assert [each.run_id for each in await board.ballots()] == ["run_1"]
    assert (await board.scores(by="vote")).compared == 1
    assert (await board.scores(by="judge")).compared == 0
