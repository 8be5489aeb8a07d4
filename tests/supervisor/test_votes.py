"""Covers `orchestrator/supervisor/votes.py`: votes on the agents of a run, and who they turn out to be."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from orchestrator.backends.base import AgentInput
from orchestrator.errors import AgentError, Conflict, NotFound, Unavailable
from orchestrator.run.commands import AnyRun
from orchestrator.supervisor.supervisor import Supervisor
from orchestrator.supervisor.votes import Votes
from tests.support.spine import read, start, supervised


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "Yes."


async def fails(request: AgentInput) -> AsyncGenerator[str, None]:
    raise AgentError("upstream_rejected", "No.", retryable=False)
    yield ""


async def ended(supervisor: Supervisor, **keys: object) -> AnyRun:
    run = await start(supervisor, **keys)
    await read(supervisor, run)
    return run


async def test_a_plain_run_tells_who_all_are_and_may_be_voted_on_again() -> None:
    async with supervised({"a": answers, "b": fails}) as supervisor:
        run, votes = await ended(supervisor), Votes(supervisor.log)
        assert await votes.revealed(run) is None
        found = await votes.vote(run, "b")
        assert (found.vote, [each.configured for each in found.agents]) == ("b", ["a", "b"])
        assert found.agents[1].error is not None
        assert (await votes.vote(run, "a")).vote == "a"
        assert await votes.revealed(run) == await votes.vote(run, "a")


async def test_nobody_can_vote_for_whoever_takes_no_part() -> None:
    async with supervised({"a": answers}) as supervisor:
        run = await ended(supervisor)
        with pytest.raises(NotFound, match="'other'"):
            await Votes(supervisor.log).vote(run, "other")


async def test_a_blind_run_is_voted_on_once() -> None:
    """After the first vote the names are known, so a second one would not be blind."""
    async with supervised({"a": answers, "b": answers}) as supervisor:
        run, votes = await ended(supervisor, blind=True), Votes(supervisor.log)
        found = await votes.vote(run, "agent-2")
        assert {each.configured for each in found.agents} == {"a", "b"}
        with pytest.raises(Conflict, match="names are known"):
            await votes.vote(run, "agent-1")
        assert (await votes.revealed(run)) == found


async def test_a_blind_run_without_an_answer_cannot_be_voted_on() -> None:
    """Such a vote would be a way to read the names, and nothing else."""
    async with supervised({"a": fails}) as supervisor:
        run = await ended(supervisor, blind=True)
        with pytest.raises(Conflict, match="Nobody has answered"):
            await Votes(supervisor.log).vote(run, "agent-1")


async def test_a_vote_that_was_not_kept_is_no_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    async with supervised({"a": answers}) as supervisor:
        run, votes = await ended(supervisor), Votes(supervisor.log)

        async def keeps_nothing(*args: object, **keys: object) -> None:
            return None

        monkeypatch.setattr(supervisor.log, "add_turn", keeps_nothing)
        with pytest.raises(Unavailable, match="vote again"):
            await votes.vote(run, "a")
