"""Translates the events of a run at another instance for the agent here. Does no I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import ERROR_CODES, AgentError
from ...events.agent import (
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
from ...events.base import PANEL, Payload
from ...events.content import Data, File, Progress, Source
from ...events.encoding import decode_payload
from ...events.panel import PanelResult, PanelStage
from ...sse_parser import ServerSentEvent
from ..base import Emission, Finish
from ..upstream.connections import decode_object

FINAL = "final"
"""The stage whose texts are a panel's answer."""
MAX_MESSAGE_CHARS = 500
_INVALID = "The other instance sent an event that it may not send."
_CALLS = (ToolCall, ToolResult, ApprovalRequest, Approval)
_SAID = (Token, Reasoning, Handoff, Progress, Data, Source, File)


class AttemptRestarted(Exception):
    """What was said is void, for the agent there begins again; *error* ends the attempt here."""

    def __init__(self, error: AgentError) -> None:
        super().__init__(error.message)
        self.error = error


class AgentReading:
    """Reads the events of a run that one agent answers.

    Args:
        agent_id: The agent there. memory: Goes into the `Finish`.

    Attributes:
        ended: Whether its answer is there.
    """

    def __init__(self, agent_id: str, memory: Any) -> None:
        self.ended = False
        self._agent_id = agent_id
        self._memory = memory
        self._said: list[str] = []
        self._failed: Error | None = None

    def feed(self, event: ServerSentEvent) -> list[Emission]:
        """Return what an event has the agent say.

        Raises:
            AgentError: The agent there failed. Voided: It begins again, after it has said something.
        """
        if event.event == "run.snapshot":
            return self._catch_up(decode_object(event.data, "The other instance"))
        if event.event == "run.done" and self._failed is not None:
            raise _failure(self._failed)
        payload = _payload(self._agent_id, event)
        if isinstance(payload, Retry):
            self._failed = None
            if self._said:
                raise AttemptRestarted(_again(payload))
            return [Status("retrying", payload.code)]
        if isinstance(payload, Done):
            return self._finish(payload.finish_reason, payload.usage, payload.output)
        if isinstance(payload, Cancelled):
            raise _failure(payload)
        if isinstance(payload, Error):
            self._failed = payload  # until it is known whether a retry follows
            return []
        if isinstance(payload, Token) and payload.parent is None:
            self._said.append(payload.text)
        if isinstance(payload, Status):
            return [Status(payload.status, payload.detail)]
        return [payload] if isinstance(payload, _SAID + _CALLS) else []

    def _finish(self, reason: str, usage: Usage | None, output: Any) -> list[Emission]:
        self.ended = True
        return [Finish(reason, usage, self._memory, output)]

    def _catch_up(self, snapshot: dict[str, Any]) -> list[Emission]:
        """Go on from a snapshot, which stands for events that the other instance has no more."""
        agents = snapshot.get("agents")
        agent = agents.get(self._agent_id) if isinstance(agents, dict) else None
        text = agent.get("text") if isinstance(agent, dict) else None
        said = "".join(self._said)
        if not isinstance(agent, dict) or not isinstance(text, str) or not text.startswith(said):
            raise AgentError(
                "upstream_invalid", "The other instance has lost a part of what its agent had said."
            )
        rest = text[len(said) :]
        found: list[Emission] = [rest] if rest else []
        self._said.append(rest)
        status = agent.get("status")
        if status == "done":
            try:
                usage = msgspec.convert(agent.get("usage"), Usage | None)
            except msgspec.ValidationError as exc:
                raise AgentError("upstream_invalid", _INVALID) from exc
            return [*found, *self._finish("stop", usage, agent.get("output", msgspec.UNSET))]
        if status in ("error", "cancelled"):
            raise _failed_by(agent.get("error"))
        return found


class PanelReading:
    """Reads the events of a panel's run: what is said in its stage `final`, or its result, is the answer.

    Args:
        panel: The panel's id there. memory: Goes into the `Finish`.

    Attributes:
        ended: Whether its answer is there.
    """

    def __init__(self, panel: str, memory: Any) -> None:
        self.ended = False
        self._panel = panel
        self._memory = memory
        self._stages: dict[str, str | None] = {}
        self._spoke = False
        self._usage: Usage | None = None
        self._result: PanelResult | None = None
        self._error: Error | None = None

    def feed(self, event: ServerSentEvent) -> list[Emission]:
        """Return what an event has the panel say.

        Raises:
            AgentError: It came to no result. Voided: Who has the last word begins again.
        """
        who, _, type_ = event.event.partition(".")
        if who == "run":
            return self._hear_run(event, type_)
        payload = _payload(PANEL if who == "panel" else who, event)
        if isinstance(payload, PanelStage):
            return [Status("panel", f"{payload.stage}: {', '.join(payload.agents)}")]
        if isinstance(payload, PanelResult):
            self._result = payload
            return []
        return self._hear_agent(who, payload)

    def _hear_agent(self, who: str, payload: Payload | None) -> list[Emission]:
        final = self._stages.get(who) == FINAL
        if isinstance(payload, Started):
            self._stages[who] = payload.stage
            if payload.stage == FINAL and self._spoke:
                raise AttemptRestarted(
                    AgentError("upstream_unavailable", "The panel's last word is being said anew.")
                )
        elif isinstance(payload, Retry) and final and self._spoke:
            raise AttemptRestarted(_again(payload))
        elif isinstance(payload, Done):
            if payload.usage is not None:
                self._usage = payload.usage if self._usage is None else self._usage.plus(payload.usage)
            return [] if final else [Status("panel", f"{who} has answered")]
        elif isinstance(payload, Error):
            self._error = payload
            return [Status("panel", f"{who} has failed: {payload.code}")]
        elif isinstance(payload, _CALLS):
            # Two agents' calls may have one id, and by the agent's own the answer finds its way.
            return [msgspec.structs.replace(payload, call_id=f"{who}:{payload.call_id}")]
        elif isinstance(payload, Progress):
            return [_labelled(payload, who)]
        elif final and isinstance(payload, _SAID):
            self._spoke = self._spoke or (isinstance(payload, Token) and payload.parent is None)
            return [payload]
        return []

    def _hear_run(self, event: ServerSentEvent, type_: str) -> list[Emission]:
        if type_ == "gap":
            raise AgentError("upstream_invalid", "The other instance has lost a part of what its panel said.")
        if type_ != "done":
            return []
        result = self._result
        if result is None or result.status in ("failed", "cancelled"):
            if self._error is not None:
                raise _failure(self._error)
            raise AgentError("upstream_rejected", "The panel at the other instance came to no result.")
        self.ended = True
        panel_result = Data("panel.result", msgspec.to_builtins(result))
        answer: list[Emission] = [result.answer] if result.answer and not self._spoke else []
        return [*answer, panel_result, Finish("stop", self._usage, self._memory)]


def _payload(agent_id: str, event: ServerSentEvent) -> Payload | None:
    """Read an event of *agent_id*; None for another's, and for one of a newer version."""
    who, _, type_ = event.event.rpartition(".")
    if who != agent_id:
        return None
    try:
        return decode_payload(agent_id, type_, event.data.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as exc:
        raise AgentError("upstream_invalid", _INVALID) from exc


def _labelled(payload: Progress, agent_id: str) -> Progress:
    own = "" if payload.progress_id is None else f"/{payload.progress_id}"
    return msgspec.structs.replace(payload, progress_id=f"{agent_id}{own}", speaker=agent_id)


def _again(retry: Retry) -> AgentError:
    return AgentError(
        retry.code,
        "The agent at the other instance begins again.",
        retryable=True,
        retry_after=retry.delay_s,
    )


def _failure(ending: Error | Cancelled) -> AgentError:
    if isinstance(ending, Cancelled):
        return AgentError("upstream_rejected", "Somebody cancelled the agent at the other instance.")
    return AgentError(ending.code, ending.message[:MAX_MESSAGE_CHARS], retryable=ending.retryable)


def _failed_by(error: Any) -> AgentError:
    code = error.get("code") if isinstance(error, dict) else None
    return AgentError(
        code if code in ERROR_CODES else "upstream_rejected",
        "The agent at the other instance failed.",
        retryable=isinstance(error, dict) and error.get("retryable") is True,
    )
