"""Blind runs: who speaks is hidden until somebody has voted. Owns what is hidden, and where the truth is kept.

What is logged is hidden from the start, so no way of reading a run can show it. The truth lies in the
run store, under names that no client can ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, Literal, TypeVar

import msgspec

from ..eventlog.run_store import RunStore
from ..events.agent import (
    Approval,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Handoff,
    Reasoning,
    Retry,
    Started,
    Status,
    Token,
    ToolCall,
    ToolResult,
    Usage,
)
from ..events.base import WAITS_FOR_WORKER, Payload
from ..events.content import Data, File, Progress, Source
from ..events.run import AgentAdded, AgentInfo, RunDone, RunMetrics, RunStarted
from ..events.snapshot import Revealed, RevealedAgent, Snapshot
from .content_state import ContentState

_SEALED, _VOTE = "sealed {}", "vote {}"
"""Conversations of the store that no request can name: a conversation's id holds no space."""

FOR_NOBODY: dict[str, Literal["tie", "both_bad"]] = {"=tie": "tie", "=both_bad": "both_bad"}
"""How a vote for nobody is kept: no agent can have such an id."""

HIDDEN = "hidden"
WHOLE, CUT = "stop", "length"
_CUT_WORDS = frozenset({"length", "max_tokens", "max_output_tokens"})
_PLAIN_STATUSES = frozenset({"queued", "thinking", "tool"})
_OF_THE_RUN = (RunStarted, AgentAdded)
"""Events of the run that come out of an agent's mailbox, with the names that `infos` gives."""

_P = TypeVar("_P", bound=Payload)


def neutral_id(place: int) -> str:
    """Return the id by which the agent at *place* takes part in a blind run."""
    return f"agent-{place + 1}"


class BlindNames:
    """The names in one blind run.

    Args:
        agents: Ids of the configured agents, in the order in which they are shown.
    """

    def __init__(self, run_id: str, agents: Sequence[str]) -> None:
        self._salt = run_id
        self._calls: dict[tuple[str, str], str] = {}
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

    def call_of(self, agent_id: str, call_id: str) -> str:
        """Return the call that a neutral id, as `cover` gave it, means; another id as it is."""
        return self._calls.get((agent_id, call_id), call_id)

    def cover(self, agent_id: str | None, payload: Payload) -> Payload | None:
        """Return *payload* of an agent without what tells it from another but what it says; None if it is withheld."""
        parent = getattr(payload, "parent", None)
        if agent_id is not None and isinstance(parent, str):
            # The id of a call, in its provider's own shape.
            payload = msgspec.structs.replace(payload, parent=self._neutral_call(agent_id, parent))
        match payload:
            case Done(finish_reason=reason):
                # Each provider has words of its own for the same end.
                plain = CUT if reason in _CUT_WORDS else WHOLE
                # What is structured shows by its keys whose it is; its words are in the text, too.
                return msgspec.structs.replace(
                    payload, usage=None, metrics=None, finish_reason=plain, output=msgspec.UNSET
                )
            case ToolCall(call_id=call_id):
                return msgspec.structs.replace(
                    payload, call_id=self._neutral_call(agent_id, call_id), name=HIDDEN, arguments="{}"
                )
            case ToolResult(call_id=call_id):
                return msgspec.structs.replace(
                    payload, call_id=self._neutral_call(agent_id, call_id), output=HIDDEN
                )
            case ApprovalRequest(call_id=call_id):
                # Its name and arguments stay: a person has to know what is to be approved.
                return msgspec.structs.replace(payload, call_id=self._neutral_call(agent_id, call_id))
            case Approval(call_id=call_id):
                return msgspec.structs.replace(
                    payload, call_id=self._neutral_call(agent_id, call_id), by=None
                )
            case Data() | Source() | File():
                return None
            case Progress(progress_id=bar):
                neutral = None if bar is None else self._neutral_call(None, f"{agent_id} {bar}")
                return Progress("", payload.fraction, payload.step, payload.steps, neutral)
            case Error(code=code):
                return msgspec.structs.replace(payload, message=f"The agent failed ({code}).", metrics=None)
            case Cancelled():
                return msgspec.structs.replace(payload, metrics=None)
            case Token(speaker=str()) | Reasoning(speaker=str()):
                return msgspec.structs.replace(payload, speaker=None)  # that it has several is a sign, too
            case Handoff():
                return Handoff(HIDDEN)
            case Status(status="queued", detail=detail) if detail == WAITS_FOR_WORKER:
                return Status("queued", WAITS_FOR_WORKER)  # says nothing of the agent
            case Status(status=status):
                return Status(status if status in _PLAIN_STATUSES else "working")
            case RunDone(metrics=metrics):
                # Of a run with one agent, the sums are that agent's.
                nothing = RunMetrics(
                    metrics.duration_ms, metrics.output_chars, None, None, metrics.retries, None
                )
                return msgspec.structs.replace(payload, metrics=nothing)
            case Token() | Reasoning() | Started() | Retry():
                return payload
            case _:
                # Whatever else an agent may come to say is withheld until somebody has thought of what it tells.
                return payload if agent_id is None or isinstance(payload, _OF_THE_RUN) else None

    def _neutral_call(self, agent_id: str | None, call_id: str) -> str:
        """Return an id of the same shape for all: a provider's own shows by its beginning and its length."""
        digest = sha256(f"{self._salt} {agent_id} {call_id}".encode("utf-8", "surrogatepass")).hexdigest()
        neutral = f"call_{digest[:16]}"
        if agent_id is not None:
            self._calls[agent_id, neutral] = call_id
        return neutral


class BlindRecords:
    """The truth about blind runs, and the votes. Raises LogUnavailable where the store does not answer."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def seal(
        self, run_id: str, agent_id: str, info: AgentInfo, terminal: Payload | None, content: ContentState
    ) -> None:
        """Keep who an agent of a blind run is and, once it has ended, how, and what was withheld of it."""
        truth = RevealedAgent(
            agent_id=agent_id,
            configured=info.agent_id,
            title=info.title,
            backend=info.backend,
            model=info.model,
            metrics=getattr(terminal, "metrics", None),
            usage=_usage(terminal),
            error=_error(terminal),
            progress=content.progress,
            output=content.output,
            data=content.data,
            sources=content.sources,
            files=content.files,
            variant=info.variant,
        )
        await self._store.add_turn(_SEALED.format(run_id), agent_id, msgspec.json.encode(truth), keep=1)

    async def vote(self, run_id: str, choice: str) -> None:
        """Keep a vote, for an agent or one of `FOR_NOBODY`; a later one replaces it."""
        await self._store.add_turn(_VOTE.format(run_id), "vote", choice.encode(), keep=1)

    async def take_back(self, run_id: str) -> None:
        """Forget the vote."""
        await self._store.forget_conversation(_VOTE.format(run_id))

    async def revealed(self, run_id: str, agents: Sequence[str]) -> Revealed | None:
        """Return who the agents of a run are; None before the first vote."""
        votes = await self._store.turns(_VOTE.format(run_id), "vote")
        if not votes or not votes[-1]:
            return None
        found: list[RevealedAgent] = []
        for agent_id in agents:
            for each in (await self._store.turns(_SEALED.format(run_id), agent_id))[-1:]:
                with suppress(msgspec.MsgspecError):  # of another release: the others are kept all the same
                    found.append(msgspec.json.decode(each, type=RevealedAgent))
        choice = votes[-1].decode()
        verdict = FOR_NOBODY.get(choice)
        return Revealed(choice, found) if verdict is None else Revealed(None, found, verdict)

    async def forget(self, run_id: str) -> None:
        """Forget what is kept of a run."""
        await self._store.forget_conversation(_VOTE.format(run_id))
        await self._store.forget_conversation(_SEALED.format(run_id))


def reveal(snapshot: Snapshot, revealed: Revealed | None) -> None:
    """Complete the snapshot of a blind run by what a vote has revealed, if there was one."""
    if revealed is None:
        return
    for agent in revealed.agents:
        state = snapshot.agents.get(agent.agent_id)
        if state is not None:
            state.progress, state.data, state.output = agent.progress, agent.data, agent.output
            state.sources, state.files = agent.sources, agent.files
    shown = [
        msgspec.structs.replace(agent, progress=[], data=[], sources=[], files=[], output=msgspec.UNSET)
        for agent in revealed.agents
    ]
    snapshot.revealed = Revealed(revealed.vote, shown, revealed.verdict)


def _usage(terminal: Payload | None) -> Usage | None:
    return terminal.usage if isinstance(terminal, Done) else None


def _error(terminal: Payload | None) -> dict[str, Any] | None:
    if not isinstance(terminal, Error):
        return None
    return {"code": terminal.code, "message": terminal.message, "error_id": terminal.error_id}
