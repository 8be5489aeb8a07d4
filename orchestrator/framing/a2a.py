"""A2A 1.0 updates: a run is a task, and an agent's attempt an artifact that grows."""

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
)
from ..events.base import Payload
from ..events.content import Content, Data, File
from ..events.encoding import encode_json
from ..events.run import RunDone
from .agent_stream import StreamedAgent, decoded
from .base import Subscriber
from .folded import FoldedFraming
from .payload_fields import approval_facts, ending_facts, plain

STATES = {
    "queued": "TASK_STATE_SUBMITTED",
    "running": "TASK_STATE_WORKING",
    "completed": "TASK_STATE_COMPLETED",
    "partial": "TASK_STATE_COMPLETED",
    "failed": "TASK_STATE_FAILED",
    "cancelled": "TASK_STATE_CANCELED",
}
INPUT_REQUIRED = "TASK_STATE_INPUT_REQUIRED"


class A2aFraming(FoldedFraming):
    """Frames of one `StreamResponse` each, in a JSON-RPC answer if the client speaks that.

    Who speaks for an agent stands in the `metadata` of the part.
    Options: `context_id`, `rpc_id` (present for JSON-RPC), `with_task`: a later reader first gets the whole task.
    """

    tells_speakers = True

    def __init__(self, subscriber: Subscriber) -> None:
        super().__init__(subscriber)
        self._context = str(self.options.get("context_id") or self.run_id)
        self._of = {"taskId": self.run_id, "contextId": self._context}
        self._before, self._after = b"data: ", b""
        if "rpc_id" in self.options:
            head = encode_json({"jsonrpc": "2.0", "id": self.options["rpc_id"]})[:-1]
            self._before, self._after = b'data: %b,"result":' % head, b"}"
        update = encode_json({**self._of, "status": {"state": "TASK_STATE_WORKING"}})[:-1]
        self._works = self._before + b'{"statusUpdate":%b,"metadata":' % update, b"}}" + self._after
        """What stands before and after what a working task tells: nearly every frame that is no text is one."""
        self._pieces: dict[str, list[tuple[str | None, bytearray]]] = {}
        """What each artifact says, by speakers one after the other, as JSON without its quotes."""
        self._about: dict[str, dict[str, Any]] = {}
        self._around: dict[str, tuple[bytes, bytes]] = {}
        """What stands before and after a piece, by its artifact; of reasoning by its agent, after a slash."""
        self._failures: list[Error] = []

    @property
    def size(self) -> int:
        return super().size + sum(len(text) for parts in self._pieces.values() for _, text in parts)

    def copy_from(self, other: Self) -> None:
        self._pieces = {
            artifact: [(speaker, bytearray(text)) for speaker, text in parts]
            for artifact, parts in other._pieces.items()
        }
        self._about, self._failures = dict(other._about), list(other._failures)

    # ── the fold ─────────────────────────────────────────────────────────────────────────────

    def started(self) -> list[bytes]:
        self._pieces.clear()
        self._about.clear()
        self._around.clear()
        task: dict[str, Any] = {"id": self.run_id, "contextId": self._context}
        task |= {"status": {"state": "TASK_STATE_SUBMITTED"}, "metadata": {"agent_count": len(self.voices)}}
        return [self._frame({"task": task}), self._working({"type": "started"})]

    def queued(self) -> list[bytes]:
        return [self._status(STATES["queued"], {"run_status": "queued"})]

    def reopen(self) -> list[bytes]:
        """Say first what the task is: a stream that begins with anything else is no task's to the client."""
        whole = self.task()
        if not self.options.get("with_task"):
            whole.pop("artifacts", None)
        return [self._frame({"task": whole})]

    def agent_started(self, voice: StreamedAgent) -> list[bytes]:
        about = {"type": "agent", "agent_id": voice.agent_id, "status": "running", "attempt": voice.attempt}
        return [self._working(about)]

    def opened(self, voice: StreamedAgent) -> list[bytes]:
        if voice.open == "reasoning":
            voice.head, voice.tail = self._around_thought(voice.agent_id)
            if voice.speaker is not None:
                voice.tail = b',"speaker":' + encode_json(voice.speaker) + voice.tail
            return []
        if voice.attempt_id not in self._about:
            about: dict[str, Any] = {"agent_id": voice.agent_id, "attempt": voice.attempt}
            if voice.stage:
                about["stage"] = voice.stage
            self._about[voice.attempt_id] = {"name": voice.title, "metadata": about}
        pieces = self._pieces.setdefault(voice.attempt_id, [])
        if not pieces or pieces[-1][0] != voice.speaker:
            pieces.append((voice.speaker, bytearray()))
        voice.kept = pieces[-1][1]
        voice.head, voice.tail = self._split(voice.attempt_id)
        if voice.speaker is not None:
            voice.tail = b',"metadata":' + encode_json({"speaker": voice.speaker}) + voice.tail
        return []

    def delta(self, voice: StreamedAgent, text: bytes) -> bytes:
        if voice.open == "reasoning":
            return voice.head + text + voice.tail
        is_first = not voice.kept and len(self._pieces[voice.attempt_id]) == 1
        voice.kept += text[1:-1]
        if not is_first:
            return voice.head + text + voice.tail
        first = voice.head.replace(b'"append":true', b'"append":false', 1)
        return first + text + voice.tail

    def _split(self, artifact: str) -> tuple[bytes, bytes]:
        """Return what comes before and after a piece's text; `append` stands before it."""
        known = self._around.get(artifact)
        if known is None:
            about = self._about[artifact]
            update = encode_json({**self._of, "append": True, "lastChunk": False})[:-1]
            artifact_update = encode_json({"artifactId": artifact, **about})[:-1]
            head = b'%b{"artifactUpdate":%b,"artifact":%b,"parts":[{"text":' % (
                self._before,
                update,
                artifact_update,
            )
            known = self._around[artifact] = head, b"}]}}}" + self._after
        return known

    def _around_thought(self, agent_id: str) -> tuple[bytes, bytes]:
        """Return what comes before and after a piece of reasoning."""
        known = self._around.get(f"/{agent_id}")
        if known is None:
            thought = {"type": "reasoning", "agent_id": agent_id, "text": ""}
            before, _, after = self._working(thought).rpartition(b'""')
            known = self._around[f"/{agent_id}"] = before, after
        return known

    def tool_called(self, voice: StreamedAgent, call: ToolCall) -> list[bytes]:
        about = {"type": "tool_call", "agent_id": voice.agent_id, "call_id": call.call_id, "name": call.name}
        return [self._working(about | {"arguments": call.arguments})]

    def tool_ended(self, voice: StreamedAgent, result: ToolResult) -> list[bytes]:
        about = {"type": "tool_result", "agent_id": voice.agent_id, "call_id": result.call_id}
        return [self._working(about | {"output": result.output, "is_error": result.is_error})]

    def approval_asked(self, voice: StreamedAgent, asked: ApprovalRequest) -> list[bytes]:
        return [self._working(_question(voice, asked))]

    def retried(self, voice: StreamedAgent, retry: Retry, void: list[str]) -> list[bytes]:
        self._pieces.pop(voice.attempt_id, None)
        about = {"type": "agent", "agent_id": voice.agent_id, "status": "retrying", "code": retry.code}
        return [self._working(about | {"void": [voice.attempt_id]})]

    def on_content(self, voice: StreamedAgent, name: str, said: Content) -> list[bytes]:
        if isinstance(said, Data | File):
            return [self._frame({"artifactUpdate": {**self._of, **_whole_artifact(voice, name, said)}})]
        about = {"type": said.TYPE, "agent_id": voice.agent_id, "id": name, **plain(said)}
        return [self._working(about)]

    def on_agent_event(self, voice: StreamedAgent, payload: Payload) -> list[bytes]:
        if isinstance(payload, Handoff):
            handed = {"type": "handoff", "agent_id": voice.agent_id, "to": payload.to}
            return [self._status("TASK_STATE_WORKING", handed)]
        if not isinstance(payload, Approval):
            return []
        about = {"type": "approval", "agent_id": voice.agent_id, **approval_facts(payload)}
        return [self._working(about)]

    def agent_ended(self, voice: StreamedAgent, ending: Done | Error | Cancelled) -> list[bytes]:
        blocks = []
        if voice.attempt_id in self._pieces:
            head, tail = self._split(voice.attempt_id)
            blocks.append(head.replace(b'"lastChunk":false', b'"lastChunk":true', 1) + b'""' + tail)
        words = None
        if isinstance(ending, Error):
            self._failures.append(ending)
            words = f"{voice.title}: {ending.message}"
        about = {"type": "agent", "agent_id": voice.agent_id, **ending_facts(ending)}
        ended = self._working(about) if words is None else self._status("TASK_STATE_WORKING", about, words)
        return [*blocks, ended]

    def ended(self, done: RunDone) -> list[bytes]:
        words = None
        if done.status == "failed":
            words = " ".join(dict.fromkeys(each.message for each in self._failures)) or "No agent answered."
        return [self._status(STATES[done.status], {"run_status": done.status}, words)]

    def pause(self) -> list[bytes]:
        asked = [_question(voice, each) for voice in self.voices.values() for each in voice.waiting.values()]
        words = " ".join(f"{each['agent_id']} asks to run {each['name']}: yes or no?" for each in asked)
        return [self._status(INPUT_REQUIRED, {"approvals": asked}, words)]

    # ── the whole ────────────────────────────────────────────────────────────────────────────

    def task(self) -> dict[str, Any]:
        """Return the task as it stands."""
        artifacts = [
            {
                "artifactId": artifact,
                **self._about[artifact],
                "parts": [
                    {"text": decoded(text)} | ({} if speaker is None else {"metadata": {"speaker": speaker}})
                    for speaker, text in parts
                ],
            }
            for artifact, parts in self._pieces.items()
        ]
        artifacts += [
            _whole_artifact(voice, name, said)["artifact"]
            for voice in self.voices.values()
            for name, said in voice.named_content()
            if isinstance(said, Data | File)
        ]
        run_status = "queued" if self.is_queued else self.status
        state = INPUT_REQUIRED if self.all_wait else STATES[run_status]
        return {
            "id": self.run_id,
            "contextId": self._context,
            "status": {"state": state},
            "artifacts": artifacts,
            "metadata": {"run_status": run_status, "agent_count": len(self.voices)},
        }

    def _working(self, about: dict[str, Any]) -> bytes:
        """Return the frame that tells what happened while the task goes on."""
        before, after = self._works
        return before + encode_json(about) + after

    def _status(self, state: str, about: dict[str, Any], words: str | None = None) -> bytes:
        status: dict[str, Any] = {"state": state}
        if words:
            status["message"] = {
                "messageId": f"{self.run_id}-{self._at}",
                "role": "ROLE_AGENT",
                "parts": [{"text": words}],
                **self._of,
            }
        return self._frame({"statusUpdate": {**self._of, "status": status, "metadata": about}})

    def _frame(self, value: dict[str, Any]) -> bytes:
        return self._before + encode_json(value) + self._after


def _whole_artifact(voice: StreamedAgent, name: str, said: Data | File) -> dict[str, Any]:
    """Return an artifact that comes at once: a file, or any JSON."""
    part: dict[str, Any] = (
        {"data": said.value}
        if isinstance(said, Data)
        else {
            "url": said.url,
            "filename": said.name,
            "mediaType": said.media_type,
        }
    )
    about = {"type": said.TYPE, "agent_id": voice.agent_id, "attempt": voice.attempt, **_called(said)}
    artifact = {"artifactId": name, "name": said.name, "parts": [part], "metadata": about}
    return {"append": False, "lastChunk": True, "artifact": artifact}


def _called(said: Data | File) -> dict[str, str]:
    """Return what the agent itself calls it, and who of it says so."""
    named = {"file_id": said.file_id} if isinstance(said, File) else {"data_id": said.data_id}
    return {key: value for key, value in {**named, "speaker": said.speaker}.items() if value is not None}


def _question(voice: StreamedAgent, asked: ApprovalRequest) -> dict[str, Any]:
    return {
        "type": "approval_request",
        "agent_id": voice.agent_id,
        "call_id": asked.call_id,
        "name": asked.name,
        "arguments": asked.arguments,
    }
