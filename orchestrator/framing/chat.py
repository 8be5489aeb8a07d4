"""The chunks of OpenAI's chat completions: one choice per agent, or a panel's last word in the only one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote

import msgspec

from ..events.agent import ApprovalRequest, Cancelled, Done, Error
from ..events.base import Payload
from ..events.content import Content, Progress, Source
from ..events.encoding import encode_json
from ..events.panel import PanelResult
from ..events.run import RunDone
from .agent_stream import CONTENT_KEYS, StreamedAgent, decoded
from .base import Subscriber
from .folded import FoldedFraming
from .payload_fields import citation, data, plain

FINAL = "final"
"""The stage of a panel whose text is the answer."""

DONE = b"data: [DONE]"


class ChatFraming(FoldedFraming):
    """A stream of `chat.completion.chunk`; ends with ``[DONE]``.

    Options: `model` as it was asked for, `created` (seconds), `include_usage`; `fresh`: what is skipped belongs to an
    earlier completion.
    """

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
        self._listed: dict[tuple[int, str], int] = {}
        """How many of each list of each choice were sent."""
        self._heard: dict[str, bytearray] = {}
        self._thoughts: dict[str, bytearray] = {}
        """What each attempt said, as JSON without its quotes."""
        self._reasons: dict[str, str] = {}
        self._usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        self._failures: list[Error] = []
        self._has_answer = False
        self._is_closed = False

    @property
    def size(self) -> int:
        return super().size + sum(map(len, (*self._heard.values(), *self._thoughts.values())))

    def copy_from(self, other: Self) -> None:
        self._places, self._listed = dict(other._places), dict(other._listed)
        self._heard = {name: bytearray(text) for name, text in other._heard.items()}
        self._thoughts = {name: bytearray(text) for name, text in other._thoughts.items()}
        self._reasons, self._usage = dict(other._reasons), dict(other._usage)
        self._failures = list(other._failures)
        self._has_answer, self._is_closed = other._has_answer, other._is_closed

    def heartbeat(self) -> bytes:
        return self._chunk(0, b"{}") + b"\n\n"

    def closing(self) -> bytes:
        return b"" if self._is_closed else DONE + b"\n\n"

    def resumed(self) -> bytes:
        if self.options.get("fresh"):
            self._heard.clear()
            self._thoughts.clear()
            for voice in self.voices.values():
                voice.open = ""
                voice.content.clear()
        return super().resumed()

    # ── the fold ─────────────────────────────────────────────────────────────────────────────

    def started(self) -> list[bytes]:
        if self.panel is not None:
            return [self._chunk(0, b'{"role":"assistant","content":""}')]
        return [block for voice in self.voices.values() for block in self.joined(voice)]

    def joined(self, voice: StreamedAgent) -> list[bytes]:
        place = self._place(voice)
        if self.panel is not None:
            return []
        first = encode_json({"role": "assistant", "content": "", "agent_id": voice.agent_id})
        return [self._chunk(place, first)]

    def opened(self, voice: StreamedAgent) -> list[bytes]:
        is_text = voice.open == "text"
        voice.kept = (self._heard if is_text else self._thoughts).setdefault(voice.attempt_id, bytearray())
        if self.panel is not None and voice.stage != FINAL:
            voice.head = b""  # sent whole when it ends: several at once are unreadable word by word
            return []
        self._has_answer = self._has_answer or (is_text and self.panel is not None)
        place = 0 if self.panel is not None else self._place(voice)
        said = self._chunk(place, b'{"content":%b}' if is_text else b'{"reasoning_content":%b}')
        voice.head, _, voice.tail = said.partition(b"%b")
        return []

    def delta(self, voice: StreamedAgent, text: bytes) -> bytes:
        voice.kept += text[1:-1]
        return voice.head + text + voice.tail if voice.head else b""

    def on_content(self, voice: StreamedAgent, name: str, said: Content) -> list[bytes]:
        if self.panel is not None and voice.stage != FINAL:
            return []
        if isinstance(said, Progress):
            return []  # this API has no place for how far a task is
        key, entry = CONTENT_KEYS[said.TYPE], plain(said)
        if isinstance(said, Source) and said.url is not None:
            key, entry = "annotations", _annotation(said)
        place = 0 if self.panel is not None else self._place(voice)
        # OpenAI's own clients put lists of deltas together by this number, and fail without it.
        index = self._listed[place, key] = self._listed.get((place, key), -1) + 1
        return [self._chunk(place, encode_json({key: [entry | {"index": index}]}))]

    def agent_ended(self, voice: StreamedAgent, ending: Done | Error | Cancelled) -> list[bytes]:
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

    def on_panel_event(self, payload: Payload) -> list[bytes]:
        if not isinstance(payload, PanelResult) or self._has_answer or payload.answer is None:
            return []
        self._has_answer = True
        self._heard["panel"] = bytearray(encode_json(payload.answer)[1:-1])
        return [self._chunk(0, encode_json({"content": payload.answer}))]

    def ended(self, done: RunDone) -> list[bytes]:
        self._is_closed = True
        if done.status == "failed":
            return [data({"error": self.failure()}), DONE]
        blocks = [] if self.panel is None else [self._chunk(0, b"{}", "stop")]
        if self.options.get("include_usage"):
            blocks.append(b'data: %b,"choices":[],"usage":%b}' % (self._frame, encode_json(self._usage)))
        return [*blocks, DONE]

    def pause(self) -> list[bytes]:
        """Ask in words, for this API has no others: the next user message answers, found by the ids in these."""
        self._is_closed = True
        blocks = []
        for voice in self.voices.values():
            for call_id, asked in voice.waiting.items():
                question = f"\n\n{approval_question(self.run_id, voice, call_id, asked)}"
                text = encode_json(question)
                said = self._heard.setdefault("panel" if self.panel else voice.attempt_id, bytearray())
                said += text[1:-1]
                place = 0 if self.panel is not None else self._place(voice)
                blocks.append(self._chunk(place, b'{"content":%b}' % text))
                blocks.append(self._chunk(place, b"{}", "stop"))
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
            said = decoded(self._heard.get("panel", b""))
            content = self._text(self._heard, last[-1]) if last else said
            members = [voice for voice in self.voices.values() if voice not in last]
            thoughts = "\n\n".join(
                f"{v.title}:\n{text}" for v in members if (text := self._text(self._heard, v))
            )
            return [_choice(0, content, thoughts, "stop", _beyond_text(last[-1]) if last else {})]
        return [
            _choice(
                self._place(voice),
                self._text(self._heard, voice),
                self._text(self._thoughts, voice),
                self._reasons.get(voice.agent_id, "stop"),
                {"agent_id": voice.agent_id, **_beyond_text(voice)},
            )
            for voice in self.voices.values()
        ]

    def _text(self, said: Mapping[str, bytearray], voice: StreamedAgent) -> str:
        return decoded(said.get(voice.attempt_id, b""))

    def _place(self, voice: StreamedAgent) -> int:
        return self._places.setdefault(voice.agent_id, len(self._places))

    def _chunk(self, place: int, delta: bytes, reason: str | None = None) -> bytes:
        ending = b"null" if reason is None else b'"%b"' % reason.encode()
        return b'data: %b,"choices":[{"index":%d,"delta":%b,"finish_reason":%b}]}' % (
            self._frame,
            place,
            delta,
            ending,
        )


def approval_question(run_id: str, voice: StreamedAgent, call_id: str, asked: ApprovalRequest) -> str:
    """Return the question whether a tool may be run; `read_chat_answers` of the server finds the id in it again."""
    named = f"{run_id}/{voice.agent_id}/{quote(call_id, safe='')}"
    return f"{voice.title} wants to run {asked.name}({asked.arguments}). Yes or no? [{named}]"


def chat_id(run_id: str) -> str:
    """Return a run's id as chat completions call it."""
    return f"chatcmpl-{run_id.removeprefix('run_')}"


def _beyond_text(voice: StreamedAgent) -> dict[str, Any]:
    """Return what a message has beside its text: pages that are cited in this API's words, all else in ours."""
    found = {key: content for key, content in voice.whole_content().items() if key != "progress"}
    sources = found.pop("sources", [])
    cited = [_annotation(each) for each in sources if each.url is not None]
    documents = [each for each in sources if each.url is None]
    return {
        **found,
        **({"annotations": cited} if cited else {}),
        **({"sources": documents} if documents else {}),
    }


def _annotation(source: Source) -> dict[str, Any]:
    return {"type": "url_citation", "url_citation": citation(source)}


def _choice(
    place: int, content: str, reasoning: str, reason: str, further: Mapping[str, Any]
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None, **further}
    if reasoning:
        message["reasoning_content"] = reasoning
    return {"index": place, "message": message, "logprobs": None, "finish_reason": reason}
