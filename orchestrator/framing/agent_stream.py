"""One agent as one connection has heard it, and how a piece of its text is read. Knows no dialect and no run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from ..events.agent import Approval, ApprovalRequest, ToolCall
from ..events.base import Payload
from ..events.content import Content, Data, File, Progress, Source

Kind = Literal["", "text", "reasoning"]


FIRST_TURN = 1
"""Of an agent in a panel."""

CONTENT_KEYS = {"progress": "progress", "data": "data", "source": "sources", "file": "files"}
"""What a list of each is called if an agent stands as a whole: as in a snapshot."""


class _Said(msgspec.Struct):
    """What a frame takes of a piece of text; its JSON goes on as it is, for `encode_json` has escaped it."""

    text: msgspec.Raw
    speaker: str | None = None
    parent: str | None = None


_decode = msgspec.json.Decoder(_Said).decode
_EMPTY = b'""'


def said(data: bytes) -> tuple[bytes, str | None]:
    """Return a piece's text, as a JSON string, and who speaks if the agent said so; no text for an empty one.

    None for a nested agent's words, too: they are no part of the answer.
    """
    read = _decode(data)
    text = bytes(read.text)
    return b"" if read.parent is not None or text == _EMPTY else text, read.speaker


def quoted(text: bytearray | bytes) -> bytes:
    """Return a text that was kept without its quotes as a JSON string."""
    return b'"' + text + b'"'


def decoded(text: bytearray | bytes) -> str:
    """Return a text that was kept as JSON without its quotes."""
    found: str = msgspec.json.decode(quoted(text))
    return found


@dataclass(slots=True)
class StreamedAgent:
    """One agent as this connection has heard it.

    `open` is the kind of the part that grows, and `part` its number within the attempt; `waiting` are the calls
    that wait for somebody's answer, `tools` those that run; `turn` counts from 0 without a panel.
    """

    agent_id: str
    title: str
    status: str = "queued"
    turn: int = 0
    attempt: int = 1
    stage: str | None = None
    open: Kind = ""
    part: int = 0
    speaker: str | None = None
    """Who speaks in the open part, in a dialect that tells it."""
    waiting: dict[str, ApprovalRequest] = field(default_factory=dict)
    tools: dict[str, ToolCall] = field(default_factory=dict)
    head: bytes = b""
    tail: bytes = b""
    """What a dialect writes before and after each piece of the open part."""
    kept: bytearray = field(default_factory=bytearray)
    """Where a dialect keeps what the open part has said, as JSON without its quotes, if it has to tell the whole."""

    asked: set[str] = field(default_factory=set)
    """The calls of this attempt that an answer was asked for."""

    content: dict[tuple[str, ...], Content] = field(default_factory=dict)
    """The newest of each thing of this attempt that is neither text nor a tool."""
    output: Any = msgspec.UNSET
    """The structured answer, if it ended with one."""
    attempt_id: str = field(init=False)
    part_id: str = field(init=False)
    """What the attempt and the open part are called on the wire: made once, as each of their frames has it."""

    def __post_init__(self) -> None:
        self._name_parts()

    def begin(self, turn: int, attempt: int) -> None:
        """Forget what was of the attempt before."""
        self.turn, self.attempt, self.open, self.part = turn, attempt, "", 0
        self.asked.clear()
        self.content.clear()
        self.output = msgspec.UNSET
        self._name_parts()

    def begin_part(self, kind: Kind, speaker: str | None = None) -> None:
        """Let the next part grow."""
        self.open, self.speaker = kind, speaker
        self.part += 1
        self.part_id = f"{self.attempt_id}.{self.part}"

    def note_answer(self, payload: Payload) -> None:
        """Take in that a call was answered; after any event but an answer nothing waits."""
        if isinstance(payload, Approval):
            self.waiting.pop(payload.call_id, None)
        else:
            self.waiting.clear()

    @property
    def parts(self) -> list[str]:
        """What the parts of this attempt are called."""
        return [f"{self.attempt_id}.{part}" for part in range(1, self.part + 1)]

    def copied(self) -> StreamedAgent:
        """Return a copy that goes on by itself; what a dialect keeps of the open part is its own to copy."""
        return replace(
            self,
            waiting=dict(self.waiting),
            tools=dict(self.tools),
            kept=bytearray(),
            asked=set(self.asked),
            content=dict(self.content),
        )

    def call_name(self, call_id: str) -> str:
        """Return what a tool's call is called on the wire, alike in no two attempts: the next may say the same id."""
        is_first = self.attempt == 1 and self.turn <= FIRST_TURN
        return f"{self.agent_id if is_first else self.attempt_id}:{call_id}"

    def _name_parts(self) -> None:
        self.attempt_id = f"{self.agent_id}.{self.turn}.{self.attempt}"
        self.part_id = f"{self.attempt_id}.{self.part}"

    def keep(self, said: Content) -> str:
        """Take in what the agent said beyond text; return its name on the wire, which a later one replaces by."""
        key: tuple[str, ...]
        match said:
            case Progress(progress_id=name):
                key = ("progress", name or "")
            case Data(name=name, data_id=known):
                key = ("data", name, known if known is not None else f"{len(self.content)}")
            case Source(source_id=known):
                key = ("source", known)
            case File(file_id=known):
                key = ("file", known)
        self.content[key] = said
        return self._name(key)

    def named_content(self) -> list[tuple[str, Content]]:
        """Return what the agent said beyond text, each with its name on the wire."""
        return [(self._name(key), said) for key, said in self.content.items()]

    def _name(self, key: tuple[str, ...]) -> str:
        return ".".join((self.attempt_id, *key)).rstrip(".")

    def whole_content(self) -> dict[str, Any]:
        """Return what the agent said beyond text, by kind; kinds of which there is nothing are left out."""
        found: dict[str, Any] = {}
        for kind, said in ((key[0], said) for key, said in self.content.items()):
            found.setdefault(CONTENT_KEYS[kind], []).append(said)
        if self.output is not msgspec.UNSET:
            found["output"] = self.output
        return found
