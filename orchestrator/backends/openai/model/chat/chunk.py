"""The shapes of a chat-completions chunk, as far as anybody reads them. Owns no meaning and no I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from ..output_files import is_file
from ..usage import is_count


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None
    parameters: Any = None  # another name of `arguments`; the rarer ones are read by `repair`
    args: Any = None
    input: Any = None


class CallPiece(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    name: str | None = None  # of a server that leaves the envelope out
    arguments: Any = None
    input: Any = None  # Anthropic's name of the arguments
    parameters: Any = None
    args: Any = None
    extra_content: dict[str, Any] | None = None


class ChatDelta(msgspec.Struct):
    """A `delta`. Servers say reasoning in either of two fields, `reasoning` also in other types than text.

    Rarer names of it are read by `repair`.
    """

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    reasoning_details: list[Any] | None = None  # OpenRouter's and MiniMax's
    reasoning_text: Any = None
    thinking: Any = None
    thinking_content: Any = None
    thought: Any = None
    refusal: str | None = None
    tool_calls: list[CallPiece] | None = None
    function_call: Any = None  # of the API before tools
    thinking_blocks: list[dict[str, Any]] | None = None
    annotations: list[Any] | None = None
    audio: Any = None
    images: Any = None  # OpenRouter's, LiteLLM's and Vercel's; the other places of files are read by `repair`
    image: Any = None
    multi_mod_content: Any = None


class Choice(msgspec.Struct):
    delta: ChatDelta | None = None
    index: int | None = 0
    finish_reason: str | None = None
    error: Any = None  # OpenRouter's
    usage: Any = None  # Moonshot's
    logprobs: dict[str, Any] | None = None
    message: Any = None  # the whole one, beside its pieces or in their place
    text: Any = None  # of an API older than this one
    stop_reason: Any = None
    finishReason: Any = None
    native_finish_reason: Any = None  # OpenRouter's: the word of the provider behind it


class Chunk(msgspec.Struct):
    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    id: str | int | None = None
    x_groq: Any = None
    citations: Any = None  # Perplexity's and xAI's pages
    search_results: Any = None


class _NoDelta(msgspec.Struct, forbid_unknown_fields=True):
    role: str | None = None
    content: None = None
    refusal: None = None


class _EndChoice(msgspec.Struct, forbid_unknown_fields=True):
    finish_reason: str
    delta: _NoDelta
    index: int = 0
    logprobs: None = None


class _End(msgspec.Struct, forbid_unknown_fields=True):
    """The chunk with which OpenAI's server ends an answer, and no other."""

    choices: list[_EndChoice]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    usage: None = None
    obfuscation: str | None = None


_decode_end = msgspec.json.Decoder(_End).decode
_NOTHING = ChatDelta()


def is_plain(chunk: Chunk) -> bool:
    """Whether a chunk says what it says as OpenAI's server would; any other goes through `repair` first."""
    choices = chunk.choices
    if chunk.error is not None or not choices or len(choices) != 1:
        return False
    choice = choices[0]
    if choice.finish_reason is not None and (chunk.citations or chunk.search_results):
        return False
    if choice.message is not None or choice.text is not None or choice.error is not None:
        return False
    said = choice.delta
    if choice.stop_reason is not None or choice.finishReason is not None:
        return False
    if choice.native_finish_reason is not None and choice.finish_reason is not None:
        return False
    if said is None or said == _NOTHING:  # or what it says stands where nobody looks
        return False
    if said.reasoning is not None and not isinstance(said.reasoning, str):
        return False
    if said.function_call is not None or said.reasoning_text is not None or said.thinking is not None:
        return False
    if said.thinking_content is not None or said.thought is not None:
        return False
    if said.images is not None or said.image is not None or said.multi_mod_content is not None:
        return False
    if isinstance(said.content, list) and any(map(is_file, said.content)):
        return False
    return said.tool_calls is None or all(map(_is_plain_call, said.tool_calls))


def _is_plain_call(piece: CallPiece) -> bool:
    function = piece.function or piece
    return function.input is None and function.parameters is None and function.args is None


def is_bare_end(chunk: Chunk, payload: bytes) -> bool:
    """Whether a chunk ends the answer and its *payload* has nothing else, wherever that might stand."""
    choices = chunk.choices
    if not choices or choices[0].finish_reason is None or choices[0].delta != _NOTHING:
        return False
    try:
        return len(_decode_end(payload).choices) == 1
    except msgspec.DecodeError:
        return False


def is_only_count(chunk: Chunk) -> bool:
    """Whether a chunk has a count of tokens and nothing else that anybody reads."""
    return not chunk.choices and chunk.error is None and is_count(chunk.usage)


def is_only_text(chunk: Chunk, text: str | None = None) -> bool:
    """Whether a chunk says a piece of text, *text* if that is given, and nothing else at all."""
    if not chunk.choices or len(chunk.choices) != 1:
        return False
    choice = chunk.choices[0]
    said = None if choice.delta is None else choice.delta.content
    if not isinstance(said, str) or not said or text not in (None, said):
        return False
    return chunk == Chunk([Choice(ChatDelta(said), index=choice.index)], id=chunk.id)
