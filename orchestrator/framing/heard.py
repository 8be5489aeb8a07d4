"""One agent as one connection has heard it, and how a piece of its text is read. Knows no dialect and no run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ..events.agent import ApprovalRequest, ToolCall

Kind = Literal["", "text", "reasoning"]


class _Said(msgspec.Struct):
    """What a frame takes of a piece of text; its JSON goes on as it is, for `encode_json` has escaped it."""

    text: msgspec.Raw
    parent: str | None = None


_decode = msgspec.json.Decoder(_Said).decode
_EMPTY = b'""'


def said(data: bytes) -> bytes:
    """Return a piece's text, as a JSON string; nothing for an empty one.

    Nothing for a nested agent's words, too: they are no part of the answer.
    """
    read = _decode(data)
    text = bytes(read.text)
    return b"" if read.parent is not None or text == _EMPTY else text


@dataclass(slots=True)
class HeardAgent:
    """One agent as this connection has heard it.

    `open` is the kind of the part that grows, and `part` its number within the attempt; `waiting` are the calls
    that wait for somebody's answer, `tools` those that run; `turn` counts from 0 where no panel sits.
    """

    agent_id: str
    title: str
    status: str = "queued"
    turn: int = 0
    attempt: int = 1
    stage: str | None = None
    open: Kind = ""
    part: int = 0
    parts: list[str] = field(default_factory=list)
    waiting: dict[str, ApprovalRequest] = field(default_factory=dict)
    tools: dict[str, ToolCall] = field(default_factory=dict)
    head: bytes = b""
    tail: bytes = b""
    """What a dialect writes before and after each piece of the open part."""
    kept: list[bytes] = field(default_factory=list)
    """Where a dialect keeps the pieces of the open part, if it has to tell the whole."""

    asked: set[str] = field(default_factory=set)
    """The calls of this attempt that an answer was asked for."""

    @property
    def part_id(self) -> str:
        return f"{self.agent_id}.{self.turn}.{self.attempt}.{self.part}"

    @property
    def attempt_id(self) -> str:
        return f"{self.agent_id}.{self.turn}.{self.attempt}"
