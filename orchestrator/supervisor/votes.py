"""Votes on the agents of a run, and who they turn out to be. `run.blind` and `run.ballots` keep the records."""

from __future__ import annotations

import time
from typing import Literal

from ..errors import Conflict, NotFound, Unavailable
from ..eventlog.run_store import RunStore
from ..events.snapshot import Revealed, RevealedAgent
from ..run.ballots import VOTE, Ballots, ballot_of_vote
from ..run.blind import BlindRecords
from ..run.commands import AnyRun
from ..run.state import Participant


class Votes:
    """One vote for each run; a later one replaces it, except in a blind run."""

    def __init__(self, store: RunStore) -> None:
        self._records = BlindRecords(store)
        self._ballots = Ballots(store)

    async def vote(
        self, run: AnyRun, agent_id: str | None, verdict: Literal["tie", "both_bad"] = "tie"
    ) -> Revealed:
        """Keep a vote for an agent of a run, or with None for nobody, and say who all are.

        Args:
            verdict: Why it is for nobody.
        Raises:
            NotFound: The agent takes no part. Conflict: The run is blind, and nobody has answered yet, or its names
            are known by now. Unavailable: The vote was not kept. LogUnavailable.
        """
        if agent_id is not None and agent_id not in run.participants:
            raise NotFound(f"Agent {agent_id!r} takes no part in this run.")
        if run.spec.blind:
            if not any(participant.status == "done" for participant in run.participants.values()):
                raise Conflict("Nobody has answered yet; a vote would only reveal the names.")
            if await self.revealed(run) is not None:
                raise Conflict("The names are known; a vote would not be blind any more.")
        await self._records.vote(run.spec.run_id, f"={verdict}" if agent_id is None else agent_id)
        revealed = await self.revealed(run)
        if revealed is None:
            raise Unavailable("The vote was not kept; vote again.", retry_after=1)
        outcome = verdict if agent_id is None else "win"
        ballot = ballot_of_vote(run, revealed.agents, outcome, agent_id, int(time.time() * 1000))
        if ballot is not None:
            await self._ballots.keep(ballot)
        return revealed

    async def take_back(self, run: AnyRun) -> None:
        """Forget the vote on a run.

        Raises:
            Conflict: The run is blind, and its names are known by it. LogUnavailable.
        """
        if run.spec.blind and await self.revealed(run) is not None:
            raise Conflict("The vote has revealed the names, so it stands.")
        await self._records.take_back(run.spec.run_id)
        await self._ballots.drop(run.spec.run_id, by=VOTE)

    async def revealed(self, run: AnyRun) -> Revealed | None:
        """Say who the agents of a blind run are, and of any other; None before a vote. Raises LogUnavailable."""
        found = await self._records.revealed(run.spec.run_id, list(run.participants))
        if found is None or run.spec.blind:
            return found
        plain = [_plain(participant) for participant in run.participants.values()]
        return Revealed(found.vote, plain, found.verdict)


def _plain(participant: Participant) -> RevealedAgent:
    info = participant.info
    return RevealedAgent(
        info.agent_id,
        info.agent_id,
        info.title,
        info.backend,
        info.model,
        participant.metrics,
        participant.usage,
        participant.error,
        variant=info.variant,
    )
