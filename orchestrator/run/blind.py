"""Blind runs: who speaks is hidden until somebody has voted. Owns what is hidden, and where the truth is kept.

What is logged is hidden from the start, so no way of reading a run can show it. The truth lies in the
run store, under names that no client can ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from ..eventlog.run_store import RunStore
from ..events.agent import Cancelled, Done, Error, Handoff, Reasoning, Status, Token, Usage
from ..events.base import Payload
from ..events.run import AgentInfo
from ..events.snapshot import Revealed, RevealedAgent

_SEALED, _VOTE = "sealed {}", "vote {}"
"""Conversations of the store that no request can name: a conversation's id holds no space."""

HIDDEN = "hidden"
_P = TypeVar("_P", bound=Payload)


def neutral_id(place: int) -> str:
    """Return the id by which the agent at *place* takes part in a blind run."""
    return f"agent-{place + 1}"


class BlindNames:
    """The names in one blind run.

    Args:
        agents: Ids of the configured agents, in the order in which they are shown.
    """

    def __init__(self, agents: Sequence[str]) -> None:
        self._configured = {neutral_id(place): agent_id for place, agent_id in enumerate(agents)}

    def configured(self, agent_id: str) -> str:
        """Return the configured agent behind a neutral id."""
        return self._configured[agent_id]

    def infos(self) -> list[AgentInfo]:
        """Describe those that take part as far as may be known."""
        return [
            AgentInfo(agent_id, f"Agent {place}", HIDDEN, None)
            for place, agent_id in enumerate(self._configured, start=1)
        ]

    def cover(self, payload: Payload) -> Payload:
        """Return *payload* without what tells one agent from another but what it says."""
        match payload:
            case Done():
                return msgspec.structs.replace(payload, usage=None, metrics=None)
            case Error(code=code):
                return msgspec.structs.replace(payload, message=f"The agent failed ({code}).", metrics=None)
            case Cancelled():
                return msgspec.structs.replace(payload, metrics=None)
            case Token(speaker=str()) | Reasoning(speaker=str()):
                return msgspec.structs.replace(payload, speaker=HIDDEN)
            case Handoff():
                return Handoff(HIDDEN)
            case Status(anchor=str()):
                return msgspec.structs.replace(payload, anchor=None)
            case _:
                return payload


class BlindRecords:
    """The truth about blind runs, and the votes. Raises LogUnavailable where the store does not answer."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def seal(self, run_id: str, agent_id: str, info: AgentInfo, terminal: Payload | None) -> None:
        """Keep who an agent of a blind run is and, once it has ended, how."""
        truth = RevealedAgent(
            agent_id=agent_id,
            configured=info.agent_id,
            title=info.title,
            backend=info.backend,
            model=info.model,
            metrics=getattr(terminal, "metrics", None),
            usage=_usage(terminal),
            error=_error(terminal),
        )
        await self._store.add_turn(_SEALED.format(run_id), agent_id, msgspec.json.encode(truth), keep=1)

    async def vote(self, run_id: str, agent_id: str) -> None:
        """Keep a vote; a later one replaces it."""
        await self._store.add_turn(_VOTE.format(run_id), "vote", agent_id.encode(), keep=1)

    async def revealed(self, run_id: str, agents: Sequence[str]) -> Revealed | None:
        """Return who the agents of a run are; None before the first vote."""
        votes = await self._store.turns(_VOTE.format(run_id), "vote")
        if not votes or not votes[-1]:
            return None
        found: list[RevealedAgent] = []
        for agent_id in agents:
            sealed = await self._store.turns(_SEALED.format(run_id), agent_id)
            found += [msgspec.json.decode(each, type=RevealedAgent) for each in sealed[-1:] if each]
        return Revealed(votes[-1].decode(), found)

    async def forget(self, run_id: str, agents: Sequence[str]) -> None:
        """Forget what is kept of a run: an empty turn takes its place until the store forgets that, too."""
        await self._store.add_turn(_VOTE.format(run_id), "vote", b"", keep=1)
        for agent_id in agents:
            await self._store.add_turn(_SEALED.format(run_id), agent_id, b"", keep=1)


def _usage(terminal: Payload | None) -> Usage | None:
    return terminal.usage if isinstance(terminal, Done) else None


def _error(terminal: Payload | None) -> dict[str, Any] | None:
    if not isinstance(terminal, Error):
        return None
    return {"code": terminal.code, "message": terminal.message, "error_id": terminal.error_id}
