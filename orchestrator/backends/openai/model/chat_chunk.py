"""The shapes of a chat-completions chunk, as far as anybody reads them. Owns no meaning and no I/O."""

from __future__ import annotations

from typing import Any

import msgspec


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class CallPiece(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    name: str | None = None  # of a server that leaves the envelope out
    arguments: Any = None
    extra_content: dict[str, Any] | None = None


class Said(msgspec.Struct):
    """A `delta`. Servers say reasoning in either of two fields, `reasoning` also in other types than text."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    refusal: str | None = None
    tool_calls: list[CallPiece] | None = None
    function_call: Any = None  # of the API before tools
    thinking_blocks: list[dict[str, Any]] | None = None
    annotations: list[Any] | None = None
    audio: Any = None


class Choice(msgspec.Struct):
    delta: Said | None = None
    index: int | None = 0
    finish_reason: str | None = None
    error: Any = None  # OpenRouter's
    usage: Any = None  # Moonshot's
    logprobs: dict[str, Any] | None = None
    message: Any = None  # of an answer that does not stream
    text: Any = None  # of an API older than this one


class Chunk(msgspec.Struct):
    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    id: str | int | None = None
    x_groq: Any = None
