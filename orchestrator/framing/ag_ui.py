"""AG-UI events: each agent a subagent for clients of protocol 1.0, a step for older ones."""

from __future__ import annotations

from typing import Any, Self

from ..events.agent import (
    Approval,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Handoff,
    Retry,
    ToolCall,
    ToolResult,
    Usage,
)
from ..events.base import Payload
from ..events.content import Content
from ..events.encoding import encode_json
from ..events.run import RunDone
from .agent_stream import StreamedAgent
from .base import Subscriber
from .folded import FoldedFraming
from .payload_fields import approval_facts, data, ending_facts, plain

_TEXT = (
    b'data: {"type":"TEXT_MESSAGE_CONTENT","messageId":"%b"%b,"delta":',
    b'data: {"type":"TEXT_MESSAGE_START","messageId":"%b","role":"assistant","name":%b%b}',
    b'data: {"type":"TEXT_MESSAGE_END","messageId":"%b"%b}',
)
"""A part's frames, filled in instead of encoded: with reasoning and text by turns, each token opens one."""

_REASONING = (
    b'data: {"type":"REASONING_MESSAGE_CONTENT","messageId":"%b"%b,"delta":',
    b'data: {"type":"REASONING_START","messageId":"%b.span"%b}\n\n'
    b'data: {"type":"REASONING_MESSAGE_START","messageId":"%b","role":"reasoning"%b}',
    b'data: {"type":"REASONING_MESSAGE_END","messageId":"%b"%b}\n\n'
    b'data: {"type":"REASONING_END","messageId":"%b.span"%b}',
)

_TOOL_CALLED = (
    b'data: {"type":"TOOL_CALL_START","toolCallId":%b,"toolCallName":%b%b}',
    b'data: {"type":"TOOL_CALL_ARGS","toolCallId":%b,"delta":%b%b}',
    b'data: {"type":"TOOL_CALL_END","toolCallId":%b%b}',
)
_TOOL_ENDED = (
    b'data: {"type":"TOOL_CALL_RESULT","messageId":%b,"toolCallId":%b,"content":%b,"role":"tool"%b%b}'
)


class AgUiFraming(FoldedFraming):
    """Data-only frames. All that was begun is ended before `RUN_FINISHED`; an optional field is left out, never null.

    Who speaks for an agent is the `name` of the message and stands in its `metadata`, as that of reasoning does.
    Options: `thread_id`, `client_run_id` (the run as the client calls it), `subagents`: the client speaks 1.0.
    """

    tells_speakers = True

    def __init__(self, subscriber: Subscriber) -> None:
        super().__init__(subscriber)
        self._thread = str(self.options.get("thread_id") or self.run_id)
        self._run = str(self.options.get("client_run_id") or self.run_id)
        self._subagents = bool(self.options.get("subagents", True))
        self._begun: dict[str, str] = {}
        self._failures: list[Error] = []
        self._usages: list[dict[str, int]] = []

    def copy_from(self, other: Self) -> None:
        self._begun, self._failures = dict(other._begun), list(other._failures)
        self._usages = list(other._usages)

    # ── the fold ─────────────────────────────────────────────────────────────────────────────

    def started(self) -> list[bytes]:
        self._begun.clear()
        agents = [{"agent_id": voice.agent_id, "title": voice.title} for voice in self.voices.values()]
        about = {"run_id": self.run_id, "agents": agents}
        return [_event("RUN_STARTED", threadId=self._thread, runId=self._run, metadata=about)]

    def agent_started(self, voice: StreamedAgent) -> list[bytes]:
        closed = self._finish(voice, {"status": "superseded"})
        self._begun[voice.agent_id] = voice.attempt_id
        if self._subagents:
            started = _event(
                "SUBAGENT_STARTED",
                subagentRunId=voice.attempt_id,
                name=voice.agent_id,
                description=voice.title,
            )
        else:
            started = _event("STEP_STARTED", stepName=voice.agent_id)
        return [*closed, started]

    def reopen(self) -> list[bytes]:
        blocks = self.started()
        for voice in self.voices.values():
            if voice.status == "running":
                blocks += self.agent_started(voice)
            if voice.open:
                blocks += self.opened(voice)
        return blocks

    def opened(self, voice: StreamedAgent) -> list[bytes]:
        begun = [] if voice.agent_id in self._begun else self.agent_started(voice)
        part, owner = self._part(voice)
        speaks = b"" if voice.speaker is None else b',"metadata":%b' % encode_json({"speaker": voice.speaker})
        if voice.open == "text":
            head, start, _ = _TEXT
            opening = start % (part, encode_json(voice.speaker or voice.agent_id), owner + speaks)
        else:
            head, start, _ = _REASONING
            opening = start % (part, owner, part, owner + speaks)
        voice.head, voice.tail = head % (part, owner), b"}"
        return [*begun, opening]

    def closed(self, voice: StreamedAgent) -> list[bytes]:
        named = self._part(voice)
        return [_TEXT[2] % named if voice.open == "text" else _REASONING[2] % (*named, *named)]

    def tool_called(self, voice: StreamedAgent, call: ToolCall) -> list[bytes]:
        begun = [] if voice.agent_id in self._begun else self.agent_started(voice)
        tool, (_, owner) = encode_json(voice.call_name(call.call_id)), self._part(voice)
        start, args, end = _TOOL_CALLED
        given = [args % (tool, encode_json(call.arguments), owner)] if call.arguments else []
        return [*begun, start % (tool, encode_json(call.name), owner), *given, end % (tool, owner)]

    def tool_ended(self, voice: StreamedAgent, result: ToolResult) -> list[bytes]:
        tool = voice.call_name(result.call_id)
        known = result.call_id in voice.tools
        called = [] if known else self.tool_called(voice, ToolCall(result.call_id, "tool", "{}"))
        # AG-UI has no word for a tool that failed but in its messages, which are not sent.
        about = b',"metadata":{"is_error":true}' if result.is_error else b""
        named = encode_json(f"{tool}.result"), encode_json(tool), encode_json(str(result.output))
        return [*called, _TOOL_ENDED % (*named, about, self._part(voice)[1])]

    def approval_asked(self, voice: StreamedAgent, asked: ApprovalRequest) -> list[bytes]:
        if asked.call_id in voice.tools:
            return []
        return self.tool_called(voice, ToolCall(asked.call_id, asked.name, asked.arguments))

    def retried(self, voice: StreamedAgent, retry: Retry, void: list[str]) -> list[bytes]:
        about = {"agent_id": voice.agent_id, "status": "retrying", "code": retry.code, "void": void}
        event = _event("CUSTOM", name="agent_retry", value=about, **self._owner(voice))
        return [event, *self._finish(voice, {"status": "retrying", "code": retry.code})]

    def on_content(self, voice: StreamedAgent, name: str, said: Content) -> list[bytes]:
        about = {"agent_id": voice.agent_id, "id": name, **plain(said)}
        return [_event("CUSTOM", name=said.TYPE, value=about, **self._owner(voice))]

    def on_agent_event(self, voice: StreamedAgent, payload: Payload) -> list[bytes]:
        if isinstance(payload, Handoff):
            handed = {"agent_id": voice.agent_id, "to": payload.to}
            return [_event("CUSTOM", name="handoff", value=handed, **self._owner(voice))]
        if not isinstance(payload, Approval):
            return []
        about = {"agent_id": voice.agent_id, **approval_facts(payload)}
        return [_event("CUSTOM", name="approval", value=about, **self._owner(voice))]

    def agent_ended(self, voice: StreamedAgent, ending: Done | Error | Cancelled) -> list[bytes]:
        begun = [] if voice.agent_id in self._begun else self.agent_started(voice)
        facts = ending_facts(ending)
        if isinstance(ending, Done) and ending.usage is not None:
            self._usages.append(_counted(ending.usage))
        if isinstance(ending, Error):
            self._failures.append(ending)
            if self._subagents:
                owner = self._begun.pop(voice.agent_id, voice.attempt_id)
                return [
                    *begun,
                    _event("SUBAGENT_ERROR", subagentRunId=owner, message=ending.message, code=ending.code),
                ]
        about = {"agent_id": voice.agent_id, **facts}
        name = "agent_error" if isinstance(ending, Error) else "agent_done"
        events = [] if self._subagents else [_event("CUSTOM", name=name, value=about)]
        return [*begun, *events, *self._finish(voice, facts)]

    def ended(self, done: RunDone) -> list[bytes]:
        left = self._finish_all()
        if done.status == "failed":
            codes = {each.code for each in self._failures}
            words = " ".join(dict.fromkeys(each.message for each in self._failures)) or "No agent answered."
            code = codes.pop() if len(codes) == 1 else "all_failed"
            return [*left, _event("RUN_ERROR", message=words, code=code)]
        result = {"status": done.status, "agents": done.agents}
        counted = {"usage": self._usages} if self._usages else {}
        return [
            *left,
            _event(
                "RUN_FINISHED",
                threadId=self._thread,
                runId=self._run,
                outcome={"type": "success"},
                result=result,
                **counted,
            ),
        ]

    def pause(self) -> list[bytes]:
        interrupts = [
            {
                "id": f"{self.run_id}/{voice.agent_id}/{call_id}",
                "reason": "tool_call",
                "toolCallId": voice.call_name(call_id),
                "message": f"{voice.title} wants to run {asked.name}.",
            }
            for voice in self.voices.values()
            for call_id, asked in voice.waiting.items()
        ]
        left = [block for voice in self.voices.values() for block in self._close(voice)] + self._finish_all()
        outcome = {"type": "interrupt", "interrupts": interrupts}
        return [*left, _event("RUN_FINISHED", threadId=self._thread, runId=self._run, outcome=outcome)]

    def _finish_all(self) -> list[bytes]:
        voices = list(self.voices.values())
        return [block for voice in voices for block in self._finish(voice, {"status": voice.status})]

    def _finish(self, voice: StreamedAgent, result: dict[str, Any]) -> list[bytes]:
        """End an agent's subagent or step, if one is open."""
        owner = self._begun.pop(voice.agent_id, None)
        if owner is None:
            return []
        if self._subagents:
            return [_event("SUBAGENT_FINISHED", subagentRunId=owner, result=result)]
        return [_event("STEP_FINISHED", stepName=voice.agent_id)]

    def _part(self, voice: StreamedAgent) -> tuple[bytes, bytes]:
        """Return what the frames of the open part are filled with: names of the wire, which need no escape."""
        if not self._subagents:
            return voice.part_id.encode(), b""
        owner = self._begun.get(voice.agent_id, voice.attempt_id)
        return voice.part_id.encode(), b',"subagentRunId":"%b"' % owner.encode()

    def _owner(self, voice: StreamedAgent) -> dict[str, str]:
        return {"subagentRunId": self._begun.get(voice.agent_id, voice.attempt_id)} if self._subagents else {}


def _counted(usage: Usage) -> dict[str, int]:
    """Return an agent's usage in AG-UI's words: the last two are parts of the first two, as they are here."""
    counts = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "reasoningTokens": usage.reasoning_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _event(type_: str, **fields: Any) -> bytes:
    return data({"type": type_, **fields})
