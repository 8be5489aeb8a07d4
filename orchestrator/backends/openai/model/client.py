"""Stands where the SDK's models expect OpenAI's client; sends what they ask for over a `FastTransport`.

So the SDK itself turns agents, tools, handoffs, schemas and settings into requests, and nothing of that is
written twice. Knows the two `create` calls and no more of the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

import msgspec
import pydantic
from openai import NotGiven, Omit
from openai.types.chat import ChatCompletion
from openai.types.responses import Response, ResponseOutputItem

from ....errors import AgentError
from ..errors import failed_response
from .transport import FastTransport, StreamBody

_NO_VALUE = (Omit, NotGiven)
FILTERED = "The provider's content filter withheld the answer."
INVALID = "The model's provider answered with something that is not an answer."


class WireClient:
    """What the SDK's models use of `openai.AsyncOpenAI`."""

    def __init__(self, transport: FastTransport) -> None:
        self.base_url = transport.base_url
        self.responses = _Responses(transport)
        self.chat = _Chat(transport)


class _Chat:
    def __init__(self, transport: FastTransport) -> None:
        self.completions = _Completions(transport)


class _Completions:
    def __init__(self, transport: FastTransport) -> None:
        self._transport = transport

    async def create(self, **arguments: Any) -> ChatCompletion | StreamBody:
        """Ask for a completion: the whole of it, or with ``stream=True`` its open stream."""
        body, options = request_of(arguments)
        if arguments.get("stream") is True:
            return await self._transport.open_stream("/chat/completions", body, options)
        data, request_id = await self._transport.fetch("/chat/completions", body, options)
        completion = ChatCompletion.construct(**_whole(data, _WholeCompletion))
        completion._request_id = request_id
        return completion


class _Responses:
    def __init__(self, transport: FastTransport) -> None:
        self._transport = transport

    async def create(self, **arguments: Any) -> Response:
        """Ask for a whole response."""
        body, options = request_of(arguments)
        data, request_id = await self._transport.fetch("/responses", body, options)
        response = response_of(_whole(data, WholeResponse))
        response._request_id = request_id
        return response

    async def open(self, **arguments: Any) -> StreamBody:
        """Ask for a response and return its open stream."""
        body, options = request_of(arguments)
        return await self._transport.open_stream("/responses", body, options)


def request_of(arguments: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Turn the arguments of a `create` call into a body and its `headers` and `query`."""
    given = {name: value for name, value in arguments.items() if not isinstance(value, _NO_VALUE)}
    headers = given.pop("extra_headers", None) or {}
    options = {
        "headers": {name: value for name, value in headers.items() if isinstance(value, str)},
        "query": given.pop("extra_query", None),
    }
    extra = given.pop("extra_body", None)
    given.pop("timeout", None)
    if isinstance(extra, Mapping):
        given.update(extra)
    return msgspec.json.encode(given, enc_hook=_plain), options


def _plain(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a request cannot hold a {type(value).__name__}")


# ── whole answers, checked before the SDK's lenient types are made of them ────────────────────────


class _Function(msgspec.Struct):
    name: str
    arguments: str


class _ToolCall(msgspec.Struct):
    id: str
    type: str
    function: _Function | None = None

    def __post_init__(self) -> None:
        if self.type == "function" and self.function is None:
            raise ValueError("a call without its function")


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _WholeChoice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _WholeCompletion(msgspec.Struct):
    choices: list[_WholeChoice]


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None

    def __post_init__(self) -> None:
        if (self.refusal if self.type == "refusal" else self.text) is None:
            raise ValueError("a part that says nothing")


class WholeItem(msgspec.Struct):
    """What must hold of an output item for the SDK to use it."""

    type: str
    content: Any = None
    call_id: str | None = None
    name: str | None = None
    arguments: Any = None

    def __post_init__(self) -> None:
        if self.type == "message":
            msgspec.convert(self.content, list[_Part])
        if self.type == "function_call" and not (
            self.call_id and self.name and isinstance(self.arguments, str)
        ):
            raise ValueError("a call without its id, name or arguments")


class WholeResponse(msgspec.Struct):
    """What must hold of a response for the SDK to use it."""

    id: str
    output: list[WholeItem]
    status: str | None = None


def checked(value: Any, shape: type[Any]) -> Any:
    """Return *value* if it has the *shape*.

    Raises:
        AgentError: `upstream_invalid`: it has not.
    """
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as exc:
        raise AgentError("upstream_invalid", INVALID) from exc
    return value


def _whole(data: bytes, shape: type[Any]) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise AgentError("upstream_invalid", INVALID) from exc
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        raise error_in_answer(value["error"])
    whole: dict[str, Any] = checked(value, shape)
    return whole


class _Error(msgspec.Struct):
    code: str | None = None


def error_in_answer(error: Any) -> AgentError:
    """Translate an error object inside an answer; no more of it than its code is looked at."""
    code = error.get("code") if isinstance(error, dict) else None
    return failed_response(_Error(code if isinstance(code, str) else None))


def response_of(value: dict[str, Any]) -> Response:
    """Build the typed response of a checked *value*.

    A response that a limit cut short counts as completed, since the SDK raises on others; why it stopped
    stays in `incomplete_details`. Calls whose arguments were cut are left out: nobody asked for those.

    Raises:
        AgentError: The response says that it failed.
    """
    if value.get("status") in ("failed", "cancelled"):
        raise error_in_answer(value.get("error"))
    if value.get("status") != "incomplete":
        return Response.construct(**value)
    output = [
        item for item in value["output"] if item["type"] != "function_call" or is_json(item["arguments"])
    ]
    reason = (value.get("incomplete_details") or {}).get("reason") or "incomplete"
    value = {**value, "incomplete_details": {"reason": reason}}
    if reason == "content_filter" and not any(
        item["type"] in ("message", "function_call") for item in output
    ):
        output.append(_filtered_message())
    return Response.construct(**{**value, "status": "completed", "output": output})


def known_items(output: list[Any]) -> list[Any]:
    """Return *output* without items of a kind newer than this SDK, which takes them for messages and fails."""
    return [item for item in output if item.type in _item_types()]


@cache
def _item_types() -> frozenset[str]:
    kinds = get_args(get_args(ResponseOutputItem)[0])
    return frozenset(name for kind in kinds for name in get_args(kind.model_fields["type"].annotation))


def is_json(text: str) -> bool:
    """Whether *text* is one whole JSON value."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _filtered_message() -> dict[str, Any]:
    content = [{"type": "refusal", "refusal": FILTERED}]
    return {
        "type": "message",
        "id": "msg_filtered",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }
