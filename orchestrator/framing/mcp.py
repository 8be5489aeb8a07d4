"""The answer to an MCP tool call: progress notifications while agents work, then the one result."""

from __future__ import annotations

from typing import Any, Self

from ..events.agent import Approval, ApprovalRequest, Cancelled, Done, Error, Retry, Status, ToolCall
from ..events.base import Payload
from ..events.content import Content, File, Progress, Source
from ..events.panel import PanelResult, PanelStage
from ..events.run import RunDone
from .agent_stream import StreamedAgent, decoded
from .base import Subscriber
from .folded import FoldedFraming
from .large_frames import says_much
from .payload_fields import data

FINAL = "final"
"""The stage of a panel whose text is the answer."""

_DECISION = {
    "type": "object",
    "properties": {
        "approve": {"type": "boolean", "title": "Approve"},
        "reason": {"type": "string", "title": "Reason", "description": "What the agent is told."},
    },
    "required": ["approve"],
}


class McpFraming(FoldedFraming):
    """JSON-RPC messages. The words themselves come whole with the result: a tool's caller has no use for pieces.

    Options: `rpc_id` of the call, and its `progress_token`, without which no progress is sent; `elicits`: the client
    can be asked, so that an approval becomes such a question; `stream`: what makes an id of this stream unlike those of
    the client's others; `primes`, the cursor before the first event, for a client that may come back with it.
    """

    pauses = False

    def __init__(self, subscriber: Subscriber) -> None:
        super().__init__(subscriber)
        self._token = self.options.get("progress_token")
        self._step = 0
        self._pieces: dict[str, bytearray] = {}
        """What each attempt said, as JSON without its quotes."""
        self._errors: dict[str, Error] = {}
        self._answer: str | None = None
        if (stream := self.options.get("stream")) is not None:
            self.id_prefix = f"{stream}/".encode()

    def opening(self, retry_ms: int) -> bytes:
        if (first := self.options.get("primes")) is None:
            return super().opening(retry_ms)
        return b"id: %b%b\nretry: %d\ndata: \n\n" % (self.id_prefix, str(first).encode(), retry_ms)

    @property
    def size(self) -> int:
        return super().size + sum(map(len, self._pieces.values()))

    def copy_from(self, other: Self) -> None:
        self._pieces = {attempt: bytearray(text) for attempt, text in other._pieces.items()}
        self._errors, self._answer, self._step = dict(other._errors), other._answer, other._step

    def delta(self, voice: StreamedAgent, text: bytes) -> bytes:
        if voice.open == "text":
            voice.kept += text[1:-1]
        return b""

    def agent_started(self, voice: StreamedAgent) -> list[bytes]:
        return self._progress(f"{voice.title} works" + (f" ({voice.stage})" if voice.stage else ""))

    def opened(self, voice: StreamedAgent) -> list[bytes]:
        if voice.open == "text":
            voice.kept = self._pieces.setdefault(voice.attempt_id, bytearray())
        return self._progress(f"{voice.title} {'answers' if voice.open == 'text' else 'thinks'}")

    def on_content(self, voice: StreamedAgent, name: str, said: Content) -> list[bytes]:
        if not isinstance(said, Progress):
            return []  # it comes with the result
        share = "" if said.fraction is None else f", {said.fraction:.0%}"
        steps = "" if said.step is None else f", {said.step}" + (f" of {said.steps}" if said.steps else "")
        return self._progress(f"{voice.title}: {said.label}{share}{steps}")

    def on_agent_event(self, voice: StreamedAgent, payload: Payload) -> list[bytes]:
        if isinstance(payload, Approval):
            why = f": {payload.reason}" if payload.reason else ""
            return self._progress(f"{voice.title} {'may go on' if payload.approve else 'was refused'}{why}")
        if not isinstance(payload, Status):
            return []
        return self._progress(
            f"{voice.title}: {payload.status}" + (f", {payload.detail}" if payload.detail else "")
        )

    def tool_called(self, voice: StreamedAgent, call: ToolCall) -> list[bytes]:
        return self._progress(f"{voice.title} runs {call.name}")

    def approval_asked(self, voice: StreamedAgent, asked: ApprovalRequest) -> list[bytes]:
        waits = self._progress(f"{voice.title} waits for an approval of {asked.name}")
        if not self.options.get("elicits"):
            return waits
        question = f"{voice.title} wants to run {asked.name}({asked.arguments}). May it?"
        params = {"message": question, "requestedSchema": _DECISION}
        named = f"{self.run_id}/{voice.agent_id}/{asked.call_id}"
        call = {"jsonrpc": "2.0", "id": named, "method": "elicitation/create", "params": params}
        return [*waits, data(call)]

    def retried(self, voice: StreamedAgent, retry: Retry, void: list[str]) -> list[bytes]:
        self._pieces.pop(voice.attempt_id, None)
        return self._progress(f"{voice.title} tries again: {retry.code}")

    def agent_ended(self, voice: StreamedAgent, ending: Done | Error | Cancelled) -> list[bytes]:
        if isinstance(ending, Error):
            self._errors[voice.agent_id] = ending
            return self._progress(f"{voice.title} failed: {ending.message}")
        self._errors.pop(voice.agent_id, None)
        return self._progress(f"{voice.title} {'is done' if isinstance(ending, Done) else 'was cancelled'}")

    def on_panel_event(self, payload: Payload) -> list[bytes]:
        if isinstance(payload, PanelStage):
            return self._progress(f"Stage: {payload.stage}")
        if isinstance(payload, PanelResult):
            self._answer = payload.answer
        return []

    def ended(self, done: RunDone) -> list[bytes]:
        lengths = map(len, self._pieces.values())
        value = {"jsonrpc": "2.0", "id": self.options.get("rpc_id"), "result": self.result()}
        return self.large.block(b"data: ", value, b"", is_large=says_much(self.voices.values(), lengths))

    def result(self) -> dict[str, Any]:
        """Return the tool's result: words for a model, and the same by agent for a program."""
        agents: dict[str, Any] = {}
        for voice in self.voices.values():
            agents[voice.agent_id] = {
                "status": voice.status,
                "text": self._text(voice),
                **voice.whole_content(),
            }
            if (error := self._errors.get(voice.agent_id)) is not None:
                agents[voice.agent_id] |= {"code": error.code, "message": error.message}
        structured = {"run_id": self.run_id, "status": self.status, "agents": agents}
        words = self._words()
        if self.panel is not None:
            structured["answer"] = words
        return {
            "content": [{"type": "text", "text": words}, *self._links()],
            "structuredContent": structured,
            "isError": self.status == "failed",
        }

    def _links(self) -> list[dict[str, Any]]:
        """Return the files that agents made and the pages that they cite, as links a model can follow."""
        found: list[dict[str, Any]] = []
        for said in (each for voice in self.voices.values() for each in voice.content.values()):
            match said:
                case File(url=url) if url[:5].lower() != "data:":
                    found.append(_link(url, said.name) | {"mimeType": said.media_type})
                case Source(url=str(url)):
                    found.append(_link(url, said.title or url))
        return found

    def _words(self) -> str:
        if self.status == "failed":
            return (
                " ".join(dict.fromkeys(each.message for each in self._errors.values()))
                or "No agent answered."
            )
        voices = list(self.voices.values())
        if self.panel is not None:
            last = [voice for voice in voices if voice.stage == FINAL and voice.status == "done"]
            if last:
                return self._text(last[-1])
            if self._answer is not None:
                return self._answer
        if len(voices) == 1:
            return self._text(voices[0])
        return "\n\n".join(f"{voice.title}:\n{self._text(voice) or self._why(voice)}" for voice in voices)

    def _why(self, voice: StreamedAgent) -> str:
        error = self._errors.get(voice.agent_id)
        return f"(failed: {error.message})" if error is not None else f"({voice.status})"

    def _text(self, voice: StreamedAgent) -> str:
        return decoded(self._pieces.get(voice.attempt_id, b""))

    def _progress(self, message: str) -> list[bytes]:
        # It may only rise, also for whoever comes back. An event makes one step; what stands after a gap may make more.
        self._step = max(self._step + 1, self._at)
        if self._token is None:
            return []
        params = {"progressToken": self._token, "progress": self._step, "message": message}
        return [data({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})]


def _link(url: str, name: str) -> dict[str, Any]:
    return {"type": "resource_link", "uri": url, "name": name}
