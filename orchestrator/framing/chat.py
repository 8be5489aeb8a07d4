"""The chunks of OpenAI's chat completions: one choice per agent, or a panel's last word in the only one."""

from __future__ import annotations

from typing import Any

import msgspec

from ..events.agent import Cancelled, Done, Error
from ..events.base import Payload
from ..events.encoding import encode_json
from ..events.panel import PanelResult
from ..events.run import RunDone
from .base import Subscriber
from .facts import data
from .fold import FoldedFraming
from .heard import HeardAgent

FINAL = "final"
"""The stage of a panel whose text is the answer."""

DONE = b"data: [DONE]"


class ChatFraming(FoldedFraming):
    """A stream of `chat.completion.chunk`; ends with ``[DONE]``.

    Options: `model` as it was asked for, `created` (seconds), `include_usage`.
    """

    pauses = False

    def __init__(self, subscriber: Subscriber) -> None:
        super().__init__(subscriber)
        self._frame = encode_json(
            {
                "id": chat_id(self.run_id),
                "object": "chat.completion.chunk",
                "created": self.options.get("created", 0),
                "model": self.options.get("model", "default"),
            }
        )[:-1]
        self._places: dict[str, int] = {}
        self._heard: dict[str, list[bytes]] = {}
        self._thoughts: dict[str, list[bytes]] = {}
        self._reasons: dict[str, str] = {}
        self._usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        self._failures: list[Error] = []
        self._has_answer = False
        self._is_closed = False

    def heartbeat(self) -> bytes:
        return self._chunk(0, b"{}") + b"\n\n"

    def closing(self) -> bytes:
        return b"" if self._is_closed else DONE + b"\n\n"

    # ── the fold ─────────────────────────────────────────────────────────────────────────────

    def started(self) -> list[bytes]:
        if self.panel is not None:
            return [self._chunk(0, b'{"role":"assistant","content":""}')]
        return [block for voice in self.voices.values() for block in self.joined(voice)]

    def joined(self, voice: HeardAgent) -> list[bytes]:
        place = self._place(voice)
        if self.panel is not None:
            return []
        first = encode_json({"role": "assistant", "content": "", "agent_id": voice.agent_id})
        return [self._chunk(place, first)]

    def opened(self, voice: HeardAgent) -> list[bytes]:
        is_text = voice.open == "text"
        voice.kept = (self._heard if is_text else self._thoughts).setdefault(voice.attempt_id, [])
        if self.panel is not None and voice.stage != FINAL:
            voice.head = b""  # told whole when it ends: several at once are unreadable word by word
            return []
        self._has_answer = self._has_answer or (is_text and self.panel is not None)
        place = 0 if self.panel is not None else self._place(voice)
        said = self._chunk(place, b'{"content":%b}' if is_text else b'{"reasoning_content":%b}')
        voice.head, _, voice.tail = said.partition(b"%b")
        return []

    def delta(self, voice: HeardAgent, text: bytes) -> bytes:
        voice.kept.append(text)
        return voice.head + text + voice.tail if voice.head else b""

    def agent_ended(self, voice: HeardAgent, ending: Done | Error | Cancelled) -> list[bytes]:
        reason = "stop"
        if isinstance(ending, Error):
            self._failures.append(ending)
            reason = "error"
        elif isinstance(ending, Done):
            reason = "length" if ending.finish_reason == "length" else "stop"
            if ending.usage is not None:
                self._usage["prompt_tokens"] += ending.usage.input_tokens
                self._usage["completion_tokens"] += ending.usage.output_tokens
                self._usage["total_tokens"] += ending.usage.input_tokens + ending.usage.output_tokens
        self._reasons[voice.agent_id] = reason
        if self.panel is None:
            return [self._chunk(self._place(voice), b"{}", reason)]
        said = self._text(self._heard, voice)
        if voice.stage == FINAL or not said:
            return []
        return [self._chunk(0, encode_json({"reasoning_content": f"{voice.title}:\n{said}\n\n"}))]

    def panel_said(self, payload: Payload) -> list[bytes]:
        if not isinstance(payload, PanelResult) or self._has_answer or payload.answer is None:
            return []
        self._has_answer = True
        self._heard["panel"] = [encode_json(payload.answer)]
        return [self._chunk(0, encode_json({"content": payload.answer}))]

    def ended(self, done: RunDone) -> list[bytes]:
        self._is_closed = True
        if done.status == "failed":
            return [data({"error": self.failure()}), DONE]
        blocks = [] if self.panel is None else [self._chunk(0, b"{}", "stop")]
        if self.options.get("include_usage"):
            blocks.append(b'data: %b,"choices":[],"usage":%b}' % (self._frame, encode_json(self._usage)))
        return [*blocks, DONE]

    # ── the whole ────────────────────────────────────────────────────────────────────────────

    def failure(self) -> dict[str, Any]:
        """Return why the whole run failed, in OpenAI's shape."""
        codes = {each.code for each in self._failures}
        message = " ".join(dict.fromkeys(each.message for each in self._failures)) or "No agent answered."
        return {
            "message": message,
            "type": "server_error",
            "param": None,
            "code": codes.pop() if len(codes) == 1 else "all_failed",
        }

    def completion(self) -> dict[str, Any]:
        """Return the run as one `chat.completion`."""
        head: dict[str, Any] = msgspec.json.decode(self._frame + b"}")
        return head | {"object": "chat.completion", "choices": self._choices(), "usage": self._usage}

    def _choices(self) -> list[dict[str, Any]]:
        if self.panel is not None:
            last = [
                voice for voice in self.voices.values() if voice.stage == FINAL and voice.status == "done"
            ]
            said = "".join(map(_decoded, self._heard.get("panel", ())))
            content = self._text(self._heard, last[-1]) if last else said
            members = [voice for voice in self.voices.values() if voice not in last]
            thoughts = "\n\n".join(
                f"{v.title}:\n{text}" for v in members if (text := self._text(self._heard, v))
            )
            return [_choice(0, content, thoughts, "stop", None)]
        return [
            _choice(
                self._place(voice),
                self._text(self._heard, voice),
                self._text(self._thoughts, voice),
                self._reasons.get(voice.agent_id, "stop"),
                voice.agent_id,
            )
            for voice in self.voices.values()
        ]

    def _text(self, pieces: dict[str, list[bytes]], voice: HeardAgent) -> str:
        return "".join(map(_decoded, pieces.get(voice.attempt_id, ())))

    def _place(self, voice: HeardAgent) -> int:
        return self._places.setdefault(voice.agent_id, len(self._places))

    def _chunk(self, place: int, delta: bytes, reason: str | None = None) -> bytes:
        ending = b"null" if reason is None else b'"%b"' % reason.encode()
        return b'data: %b,"choices":[{"index":%d,"delta":%b,"finish_reason":%b}]}' % (
            self._frame,
            place,
            delta,
            ending,
        )


def chat_id(run_id: str) -> str:
    """Return a run's id as chat completions call it."""
    return f"chatcmpl-{run_id.removeprefix('run_')}"


def _decoded(text: bytes) -> str:
    found: str = msgspec.json.decode(text)
    return found


def _choice(place: int, content: str, reasoning: str, reason: str, agent_id: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if reasoning:
        message["reasoning_content"] = reasoning
    if agent_id is not None:
        message["agent_id"] = agent_id
    return {"index": place, "message": message, "logprobs": None, "finish_reason": reason}
