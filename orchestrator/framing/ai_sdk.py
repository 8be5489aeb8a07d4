"""The UI message stream of the AI SDK: one message per run, whose parts are each agent's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from ..events.agent import Approval, ApprovalRequest, Cancelled, Done, Error, Retry, ToolCall, ToolResult
from ..events.base import Payload
from ..events.content import Content, Data, File, Source
from ..events.encoding import encode_json
from ..events.panel import PanelResult, PanelStage
from ..events.run import RunDone
from .agent_stream import StreamedAgent
from .base import Subscriber
from .folded import FoldedFraming
from .payload_fields import approval_facts, data, ending_facts, plain, tool_input

DONE = b"data: [DONE]"

_TOOL_CALLED = (
    b'data: {"type":"tool-input-available","toolCallId":%b,"toolName":%b,"input":%b,"dynamic":true,'
    b'"providerExecuted":true,"providerMetadata":%b}'
)
"""Filled in, as whose a part is stands encoded."""

_OF_TOOL = b'"toolCallId":%b,"dynamic":true,%b,"providerExecuted":true}'
_TOOL_ENDED = b'data: {"type":"tool-output-available",' + _OF_TOOL % (b"%b", b'"output":%b')
_TOOL_FAILED = b'data: {"type":"tool-output-error",' + _OF_TOOL % (b"%b", b'"errorText":%b')


class AiSdkFraming(FoldedFraming):
    """Data-only frames, the last one ``[DONE]``. No steps: their end forgets every open part in `ai` 5 and 6.

    Options: `approvals`, whether to ask for them here (`ai` 5 knows no such frame); `labels`, whether each text
    begins with its agent's title, for pages that show nothing else.
    """

    headers: ClassVar[Mapping[str, str]] = {"x-vercel-ai-ui-message-stream": "v1"}

    def __init__(self, subscriber: Subscriber) -> None:
        super().__init__(subscriber)
        self.pauses = bool(self.options.get("approvals"))
        self._failures: list[str] = []
        self._is_closed = False
        self._speakers: dict[str, tuple[str, str | None, bytes]] = {}

    def copy_from(self, other: Self) -> None:
        self._failures, self._is_closed = list(other._failures), other._is_closed

    def closing(self) -> bytes:
        return b"" if self._is_closed else DONE + b"\n\n"

    # ── the fold ─────────────────────────────────────────────────────────────────────────────

    def started(self) -> list[bytes]:
        agents = [{"agent_id": voice.agent_id, "title": voice.title} for voice in self.voices.values()]
        about: dict[str, Any] = {"run_id": self.run_id, "agents": agents}
        if self.panel is not None:
            about["panel"] = self.panel.panel_id or self.panel.method
        return [data({"type": "start", "messageId": self.run_id, "messageMetadata": about})]

    def joined(self, voice: StreamedAgent) -> list[bytes]:
        return [self._agent(voice, status="queued")]

    def agent_started(self, voice: StreamedAgent) -> list[bytes]:
        return [self._agent(voice)]

    def opened(self, voice: StreamedAgent) -> list[bytes]:
        kind, part = voice.open, voice.part_id
        named = (kind.encode(), part.encode())
        start = b'data: {"type":"%b-start","id":"%b","providerMetadata":%b}' % (*named, self._said_by(voice))
        head = b'data: {"type":"%b-delta","id":"%b","delta":' % named
        voice.head, voice.tail = head, b"}"
        if kind == "text" and self.options.get("labels"):
            return [start, b"%b%b}" % (head, encode_json(f"**{voice.title}:** "))]
        return [start]

    def closed(self, voice: StreamedAgent) -> list[bytes]:
        return [b'data: {"type":"%b-end","id":"%b"}' % (voice.open.encode(), voice.part_id.encode())]

    def _said_by(self, voice: StreamedAgent) -> bytes:
        """Return whose a part is, encoded once per attempt: each part of it says the same."""
        known = self._speakers.get(voice.agent_id)
        if known is None or known[:2] != (voice.attempt_id, voice.stage):
            known = (voice.attempt_id, voice.stage, encode_json(_speaker(voice)))
            self._speakers[voice.agent_id] = known
        return known[2]

    def tool_called(self, voice: StreamedAgent, call: ToolCall) -> list[bytes]:
        tool = encode_json(voice.call_name(call.call_id))
        given = encode_json(call.name), encode_json(tool_input(call.arguments)), self._said_by(voice)
        return [_TOOL_CALLED % (tool, *given)]

    def tool_ended(self, voice: StreamedAgent, result: ToolResult) -> list[bytes]:
        called = []
        if result.call_id not in voice.tools:
            called = self.tool_called(voice, ToolCall(result.call_id, "tool", "{}"))
        tool = encode_json(voice.call_name(result.call_id))
        if result.is_error:
            return [*called, _TOOL_FAILED % (tool, encode_json(str(result.output)))]
        return [*called, _TOOL_ENDED % (tool, encode_json(result.output))]

    def approval_asked(self, voice: StreamedAgent, asked: ApprovalRequest) -> list[bytes]:
        blocks = []
        if asked.call_id not in voice.tools:
            blocks = self.tool_called(voice, ToolCall(asked.call_id, asked.name, asked.arguments))
        if self.pauses:
            tool = voice.call_name(asked.call_id)
            approval = f"{self.run_id}/{voice.agent_id}/{asked.call_id}"
            blocks.append(data({"type": "tool-approval-request", "approvalId": approval, "toolCallId": tool}))
        return [*blocks, self._agent(voice, status="waiting", call_id=asked.call_id)]

    def retried(self, voice: StreamedAgent, retry: Retry, void: list[str]) -> list[bytes]:
        return [self._agent(voice, code=retry.code, delay_s=retry.delay_s, void=void)]

    def agent_ended(self, voice: StreamedAgent, ending: Done | Error | Cancelled) -> list[bytes]:
        if isinstance(ending, Error):
            self._failures.append(ending.message)
        # A call without an outcome would stay open in the page, and one that was refused be answered again.
        left = [self._unfinished(voice, call_id) for call_id in voice.tools]
        return [*left, self._agent(voice, **ending_facts(ending))]

    def on_content(self, voice: StreamedAgent, name: str, said: Content) -> list[bytes]:
        speaker = {"providerMetadata": _speaker(voice)}
        match said:
            case Source(url=str(url)):
                title = {"title": said.title} if said.title is not None else {}
                return [data({"type": "source-url", "sourceId": name, "url": url, **title, **speaker})]
            case Source():
                about = {"sourceId": name, "mediaType": "text/plain", "title": said.title or said.document}
                return [data({"type": "source-document", **about, "filename": said.document, **speaker})]
            case File():
                file = {"url": said.url, "mediaType": said.media_type}
                return [data({"type": "file", **file, **speaker})]
            case Data():
                kind = "data-said"
            case _:
                kind = "data-progress"
        # The id is the agent's own too, for a data part cannot say whose it is in any other place than its data.
        return [data({"type": kind, "id": name, "data": {"agent_id": voice.agent_id, **plain(said)}})]

    def on_agent_event(self, voice: StreamedAgent, payload: Payload) -> list[bytes]:
        if not isinstance(payload, Approval):
            return []
        return [self._agent(voice, approval=approval_facts(payload))]

    def _unfinished(self, voice: StreamedAgent, call_id: str) -> bytes:
        tool = voice.call_name(call_id)
        if self.pauses and call_id in voice.asked:
            return data({"type": "tool-output-denied", "toolCallId": tool})
        return _TOOL_FAILED % (encode_json(tool), b'"The tool was not run."')

    def on_panel_event(self, payload: Payload) -> list[bytes]:
        match payload:
            case PanelStage(stage=stage):
                return [data({"type": "data-panel", "id": "panel", "data": {"stage": stage}})]
            case PanelResult():
                said = {
                    "status": payload.status,
                    "winner": payload.winner,
                    "answer": payload.answer,
                    "tally": payload.tally,
                }
                return [data({"type": "data-panel", "id": "panel", "data": said})]
        return []

    def ended(self, done: RunDone) -> list[bytes]:
        self._is_closed = True
        usage = {
            "inputTokens": done.metrics.input_tokens,
            "outputTokens": done.metrics.output_tokens,
        }
        about = {"status": done.status, "usage": usage}
        if done.status == "failed":
            words = " ".join(dict.fromkeys(self._failures)) or "No agent answered."
            return [
                data({"type": "message-metadata", "messageMetadata": about}),
                data({"type": "error", "errorText": words}),
                DONE,
            ]
        aborted = [data({"type": "abort"})] if done.status == "cancelled" else []
        return [*aborted, data({"type": "finish", "messageMetadata": about}), DONE]

    def pause(self) -> list[bytes]:
        self._is_closed = True
        return [data({"type": "finish", "messageMetadata": {"status": "waiting"}}), DONE]

    def _agent(self, voice: StreamedAgent, **more: Any) -> bytes:
        about = {
            "agent_id": voice.agent_id,
            "title": voice.title,
            "status": voice.status,
            "attempt": voice.attempt,
            **({"stage": voice.stage} if voice.stage else {}),
        }
        return data({"type": "data-agent", "id": voice.agent_id, "data": about | more})


def _speaker(voice: StreamedAgent) -> dict[str, Any]:
    """Say whose a part is, if every part can say it."""
    about = {"agent_id": voice.agent_id, "title": voice.title, "attempt": voice.attempt}
    return {"orchestrator": about | ({"stage": voice.stage} if voice.stage else {})}
