"""The stock OpenAI client, but one that reads what servers really send; for `transport: sdk` and clients of the user's.

Owns what stands between the bytes and the client's decoding: each event is put into OpenAI's form first, by the same
rules as on the fast way. Without it, the SDK takes a stream that ends early for a whole answer, passes a chunk of the
wrong shape over, and drops the finish reason. Decoding stays the client's.
"""

from __future__ import annotations

import json
import ssl
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any

import httpx2
from agents import Model, OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from openai import APIConnectionError, AsyncOpenAI, AsyncStream, DefaultAsyncHttpxClient
from openai._streaming import ServerSentEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from ....errors import AgentError
from ...upstream.connections import IDLE_SECONDS
from ...upstream.errors import SilenceLimit
from ...upstream.finish_reasons import finish_of, last_word, withheld
from ...upstream.redirects import guard_client
from ..outbox import note_files, note_finish_reason, note_reasoning_details
from ..reasoning_details import send_back
from .any_llm import keeping_origin
from .chat.call_slots import CallSlots
from .chat.cumulative_pieces import DeltaStyle
from .chat.decoder import UNFINISHED
from .chat.repair import repaired_chunk, whole_chunk
from .chat.vendor_quirks import AnswerExtras, Halves, said_in
from .client import is_whole
from .coercion import INVALID, breaks_off, documents
from .reasoning_replay import add_details, goes_back
from .responses.repair import ResponsesRepair
from .sse import DataSplitter, check_label
from .stream_markers import is_done, is_life
from .usage import says_much

_BROKEN = (APIConnectionError, httpx2.TransportError)
_DONE = ServerSentEvent(data="[DONE]")


class _Reading(ABC):
    """How a stream reads: its events are put into OpenAI's form before the client decodes them.

    The client finds out what a stream is of by its first base, so this is the second of those below.
    """

    response: Any

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        check_label(self.response.headers.get("content-type", ""))
        splitter = DataSplitter()
        is_marked = False
        found = _data_in(
            self.response.aiter_bytes(), splitter
        )  # open until the client has drained the answer
        try:
            async for data in found:
                if is_done(data):
                    is_marked = True
                    break
                text = _text_of(data)
                if not (is_life(text) or (self._is_complete() and breaks_off(text))):
                    for value in self._read(_loaded(text)):
                        yield _event(value)
        except _BROKEN:
            if not self._is_complete():
                raise
        if (whole := splitter.body()) is not None:
            values = _documents(whole.decode("utf-8-sig", errors="replace"))
            for document in values:
                for value in self._read_whole(document) if len(values) == 1 else self._read(document):
                    yield _event(value)
        for value in self._finish(is_marked):
            yield _event(value)
        yield _DONE

    @abstractmethod
    def _read(self, value: Any) -> list[dict[str, Any]]:
        """Return the events of one piece."""

    @abstractmethod
    def _read_whole(self, value: Any) -> list[dict[str, Any]]:
        """Return the events of a whole answer that came in one piece."""

    @abstractmethod
    def _finish(self, is_marked: bool) -> list[dict[str, Any]]:
        """Return the events that end the stream; *is_marked*: it had its end mark."""

    def _is_complete(self) -> bool:
        """Whether a connection that breaks now breaks nothing off."""
        return False


class CheckedStream(AsyncStream[ChatCompletionChunk], _Reading):
    """A chat-completions stream.

    Raises:
        AgentError: `upstream_invalid`: a chunk has the wrong shape, or neither an end mark nor a finish reason came.
            Its own code if the finish reason says that the provider failed, `refusal` if it withheld all.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._word: str | None = None
        self._reasoned = self._answered = self._counted = False
        self._beside = AnswerExtras(_habit_of(self._client, self._options))
        self._slots, self._halves = CallSlots(), Halves()
        self._calls: dict[int, dict[str, Any]] = {}

    _iter_events = _Reading._iter_events

    def _is_complete(self) -> bool:
        return self._word is not None

    def _read(self, value: Any) -> list[dict[str, Any]]:
        chunk = repaired_chunk(value)
        self._beside.note(value)
        return [] if chunk is None else [self._settled(chunk)]

    def _read_whole(self, value: Any) -> list[dict[str, Any]]:
        self._beside.note(value)
        return [self._settled(whole_chunk(value))]

    def _settled(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """Put a chunk as the SDK understands it; the calls in it are held until they are whole."""
        usage = chunk["usage"]
        if usage is not None and not says_much(usage) and self._counted:
            chunk["usage"] = None  # zeros after a count
        self._counted = self._counted or chunk["usage"] is not None
        choice = next(iter(chunk["choices"]), None)
        if choice is None or self._beside.is_other(choice["index"]):
            return {**chunk, "choices": []}
        if word := choice["finish_reason"]:
            self._word = last_word(self._word, word)
        message, delta = choice.pop("message"), choice["delta"]
        if message is not None:
            delta = self._beside.note_message(message, is_alone=not delta) or delta
        said = self._said(delta, is_last=self._word is not None)
        return {**chunk, "choices": [{**choice, "index": 0, "delta": said, "finish_reason": None}]}

    def _said(self, delta: dict[str, Any], *, is_last: bool) -> dict[str, Any]:
        """Return a delta with its texts where the SDK looks for them, and without its calls."""
        content, details = delta.get("content"), delta.pop("reasoning_details", None)
        note_files(self._beside.new_files(delta.pop("images", None)))
        added = add_details(self._beside.details, details) if details else ""
        if isinstance(content, list):
            content, thought = said_in(content)
            if thought:
                delta["reasoning_content"] = thought
        if delta.get("reasoning_content"):
            delta.pop("reasoning", None)  # the same again; the SDK would say it twice
        if added and not (delta.get("reasoning_content") or delta.get("reasoning")):
            delta["reasoning"] = added
        elif field := next((f for f in ("reasoning_content", "reasoning") if delta.get(f)), None):
            delta[field] = self._beside.new_thought(field, delta[field])
        if content:
            content = self._halves.joined(self._beside.new_text(content, is_last=is_last))
        delta["content"] = content
        for call in delta.pop("tool_calls", None) or ():
            self._hold(call)
        self._answered = self._answered or bool(content or delta.get("refusal") or self._beside.has_files)
        self._reasoned = self._reasoned or any(
            delta.get(f) for f in ("reasoning", "reasoning_content", "thinking_blocks")
        )
        return delta

    def _hold(self, call: dict[str, Any]) -> None:
        function = call.get("function") or {}
        slot = self._slots.place(call["index"], call["id"], function.get("name"), function.get("arguments"))
        if slot is None:
            return
        held = self._calls.setdefault(slot, {"index": slot, "function": {"name": None, "arguments": ""}})
        held["function"]["arguments"] += function.get("arguments") or ""
        held.update({key: kept for key, kept in call.items() if key not in ("index", "function") and kept})
        held["id"], held["function"]["name"] = self._slots.id_and_name(slot)

    def _finish(self, is_marked: bool) -> list[dict[str, Any]]:
        if self._word is None and not is_marked:
            raise AgentError("upstream_invalid", UNFINISHED)
        rest = self._said(
            self._beside.unsaid(has_calls=bool(self._calls), has_reasoned=self._reasoned), is_last=False
        )
        reason = finish_of(self._word or "stop")
        calls = [call for _, call in sorted(self._calls.items()) if call.get("type") != "custom"]
        if any(not call["function"]["name"] for call in calls):
            raise AgentError("upstream_invalid", "The model called a tool without a name.")
        if reason == "tool_calls" and not (calls or self._answered or self._reasoned):
            raise AgentError("upstream_invalid", "The model wants a tool and calls none.")
        if (reason == "content_filter" or self._beside.is_filtered) and not (calls or self._answered):
            raise withheld(self._word or reason)
        if reason in ("length", "content_filter"):
            calls = [call for call in calls if is_whole(call["function"]["arguments"])]
        note_reasoning_details(self._beside.details)
        note_finish_reason(reason)
        # The runner asks for no more than whether it is to call: the reason itself was noted.
        choice = {"index": 0, "delta": {**rest, **({"tool_calls": calls} if calls else {})}, "logprobs": None,
                  "finish_reason": "tool_calls" if calls else "stop"}  # fmt: skip
        return [{"id": "", "object": "chat.completion.chunk", "created": 0, "model": "", "choices": [choice]}]


class CheckedResponsesStream(AsyncStream[ResponseStreamEvent], _Reading):
    """A Responses stream."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._repair = ResponsesRepair()

    _iter_events = _Reading._iter_events

    def _is_complete(self) -> bool:
        return self._repair.completed

    def _read(self, value: Any) -> list[dict[str, Any]]:
        event = self._repair.take(value)
        return [] if event is None else [event]

    _read_whole = _read

    def _finish(self, is_marked: bool) -> list[dict[str, Any]]:
        event = self._repair.end_mark() if is_marked else None
        return [] if event is None else [event]


def checked_stream(stream: AsyncStream[Any], *, chat: bool) -> AsyncStream[Any]:
    """Return *stream*, of which nothing was read, as one that is put into OpenAI's form."""
    kind = CheckedStream if chat else CheckedResponsesStream
    return kind(
        cast_to=stream._cast_to, response=stream.response, client=stream._client, options=stream._options
    )


class CheckedChatModel(OpenAIChatCompletionsModel):
    """A stock model of the user's own, over its own client, whose streams are `CheckedStream`s."""

    def __init__(self, model: OpenAIChatCompletionsModel) -> None:
        vars(self).update(vars(model))
        self.should_replay_reasoning_content = self.should_replay_reasoning_content or goes_back

    async def _fetch_response(self, *args: Any, **options: Any) -> Any:
        guard_client(self._client)
        fetched: Any = await super()._fetch_response(*args, **options)
        if not isinstance(fetched, tuple) or type(fetched[1]) is not AsyncStream:
            return fetched
        return fetched[0], checked_stream(fetched[1], chat=True)


class CheckedResponsesModel(OpenAIResponsesModel):
    """A stock Responses model of the user's own, over its own client, whose streams are put into OpenAI's form."""

    def __init__(self, model: OpenAIResponsesModel) -> None:
        vars(self).update(vars(model))

    async def _fetch_response(self, *args: Any, **options: Any) -> Any:
        guard_client(self._client)
        fetched: Any = await super()._fetch_response(*args, **options)
        inner = getattr(fetched, "_source", None)  # the SDK holds the stream to keep its request's id
        if type(inner) is AsyncStream:
            fetched._source = checked_stream(inner, chat=False)
        return fetched


def checked_model(model: Model) -> Model:
    """Return a stock model as one whose streams are looked at; any other as it is, but guarded against redirects."""
    if type(model) is OpenAIChatCompletionsModel:
        return CheckedChatModel(model)
    if type(model) is OpenAIResponsesModel:
        return CheckedResponsesModel(model)
    if isinstance(model, OpenAIChatCompletionsModel | OpenAIResponsesModel):
        guard_client(model._client)
    return _guarded(model)


def _guarded(model: Model) -> Model:
    """Return a model of LiteLLM's or any-llm's that refuses redirects; neither is imported if nobody has done so."""
    extension = sys.modules.get("agents.extensions.models.litellm_model")
    if extension is not None and isinstance(model, extension.LitellmModel):
        from .litellm import kept

        return kept(model)
    extension = sys.modules.get("agents.extensions.models.any_llm_model")
    if extension is not None and isinstance(model, extension.AnyLLMModel):
        return keeping_origin(model)
    return model


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Read the certificates that connections are checked against, once: it takes 20 ms of the loop, and a megabyte."""
    return httpx2.create_ssl_context()


class CheckedClient(AsyncOpenAI):
    """OpenAI's client whose streams are put into OpenAI's form. Never retries by itself."""

    def __init__(self, **options: Any) -> None:
        limits = httpx2.Limits(
            max_connections=None, max_keepalive_connections=100, keepalive_expiry=IDLE_SECONDS
        )
        client = DefaultAsyncHttpxClient(verify=tls_context(), limits=limits)
        super().__init__(**{**options, "max_retries": 0, "http_client": client})
        self.habits: dict[str, DeltaStyle] = {}
        guard_client(self)

    async def request(
        self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None
    ) -> Any:
        if stream and cast_to is ChatCompletion:
            stream_cls = CheckedStream
        elif stream and cast_to is Response:
            stream_cls = CheckedResponsesStream
        if cast_to is ChatCompletion and isinstance(options.json_data, dict):
            send_back(options.json_data.get("messages") or ())
        return await super().request(cast_to, options, stream=stream, stream_cls=stream_cls)


async def _data_in(chunks: AsyncIterator[bytes], splitter: DataSplitter) -> AsyncIterator[bytes]:
    """Yield the data of a stream's events; some servers end without the blank line of the last."""
    eventless = SilenceLimit()
    async for chunk in chunks:
        found = splitter.feed(chunk)
        eventless.note(chunk, found)
        for data in found:
            yield data
    for data in splitter.feed(b"\n\n"):
        yield data


def _habit_of(client: Any, options: Any) -> DeltaStyle | None:
    """Return how the server says the answers of the model that was asked; None for a client of the user's own."""
    asked = getattr(options, "json_data", None)
    if not isinstance(client, CheckedClient) or not isinstance(asked, dict):
        return None
    return client.habits.setdefault(str(asked.get("model")), DeltaStyle())


def _event(value: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(data=json.dumps(value))


def _documents(body: str) -> list[Any]:
    try:
        return documents(body)
    except ValueError as exc:
        raise AgentError("upstream_invalid", INVALID) from exc


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise AgentError("upstream_invalid", INVALID) from exc


def _loaded(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as exc:
        raise AgentError("upstream_invalid", INVALID) from exc
