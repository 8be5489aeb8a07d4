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
from ...upstream.errors import error_in_stream, is_error
from ...upstream.finish_reasons import CONTENT_FILTER, finish_of, withheld
from ..outbox import note_reasoning_details
from ..reasoning_details import send_back
from .arguments import whole_arguments
from .chat.repair import repaired_completion
from .coercion import INVALID
from .responses.repair import ResponsesRepair
from .transport import FastTransport, StreamBody

_NO_VALUE = (Omit, NotGiven)


class WireClient:
    """The part of `openai.AsyncOpenAI` that the SDK's models use."""

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
        send_back(arguments.get("messages") or ())
        body, options = request_of(arguments)
        if arguments.get("stream") is True:
            return await self._transport.open_stream("/chat/completions", body, options)
        data, request_id = await self._transport.fetch("/chat/completions", body, options)
        value = repaired_completion(_loaded(data))
        note_reasoning_details(value["choices"][0]["message"].get("reasoning_details") or [])
        completion = ChatCompletion.construct(**checked(value, _WholeCompletion))
        completion._request_id = request_id
        return completion


class _Responses:
    def __init__(self, transport: FastTransport) -> None:
        self._transport = transport

    async def create(self, **arguments: Any) -> Response:
        """Ask for a whole response."""
        body, options = request_of(arguments)
        data, request_id = await self._transport.fetch("/responses", body, options)
        response = response_of(whole_response(_loaded(data)))
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


def _loaded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise AgentError("upstream_invalid", INVALID) from exc


def whole_response(value: Any) -> dict[str, Any]:
    """Return a whole response in OpenAI's form.

    Raises:
        AgentError: It is none, or says that it failed.
    """
    if isinstance(value, dict) and "output" not in value:
        if is_error(value.get("error")):
            raise error_in_stream(value["error"])
        raise AgentError("upstream_invalid", INVALID)
    event = ResponsesRepair().take({"type": "response.completed", "response": value})
    if event is None:
        raise AgentError("upstream_invalid", INVALID)
    whole: dict[str, Any] = event["response"]
    return whole


def response_of(value: dict[str, Any]) -> Response:
    """Build the typed response of a *value* in OpenAI's form.

    A response that a limit cut short counts as completed, since the SDK raises on others; why it stopped
    stays in `incomplete_details`. Calls whose arguments were cut are left out: nobody asked for those.

    Raises:
        AgentError: `refusal`: a filter withheld all of it.
    """
    if value.get("status") != "incomplete":
        return Response.construct(**value)
    reason = (value.get("incomplete_details") or {}).get("reason") or "incomplete"
    output = [
        item for item in value["output"] if item["type"] != "function_call" or is_whole(item["arguments"])
    ]
    said = any(
        item["type"] == "function_call" or item.get("content")
        for item in output
        if item["type"] != "reasoning"
    )
    if isinstance(reason, str) and finish_of(reason) == CONTENT_FILTER and not said:
        raise withheld(reason)
    details = {"reason": reason}
    return Response.construct(
        **{**value, "status": "completed", "output": output, "incomplete_details": details}
    )


def known_items(output: list[Any]) -> list[Any]:
    """Return *output* without items of a kind newer than this SDK, which takes them for messages and fails."""
    return [item for item in output if item.type in _item_types()]


@cache
def _item_types() -> frozenset[str]:
    kinds = get_args(get_args(ResponseOutputItem)[0])
    return frozenset(name for kind in kinds for name in get_args(kind.model_fields["type"].annotation))


def is_cut(item: Any) -> bool:
    """Whether *item* is a call whose arguments end in the middle."""
    return item.type == "function_call" and not is_whole(item.arguments or "")


def is_whole(arguments: str) -> bool:
    """Whether a call's *arguments* are all there: one JSON value, or none at all for a tool that takes none."""
    try:
        msgspec.json.decode(whole_arguments(arguments))
    except msgspec.DecodeError:
        return False
    return True
