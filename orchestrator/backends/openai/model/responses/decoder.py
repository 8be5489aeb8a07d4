"""Decodes a Responses stream: bytes in, the Runner's events out. Owns no I/O.

Deltas of text, reasoning, refusals and arguments are light; every other event is OpenAI's own type, and
so are the items of the completed response.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, get_args

import msgspec
from agents.usage import _attach_raw_usage_snapshot, _mark_request_completed_without_usage
from openai.types.responses import ResponseCompletedEvent, ResponseStreamEvent

from .....errors import AgentError
from ..chat.decoder import UNFINISHED
from ..client import response_of
from ..coercion import documents, invalid
from ..events import DELTA_TYPES, AnyDelta, ArgumentsDelta, TextDelta, append_delta
from ..sse import DataSplitter
from ..stream_markers import is_done, is_life
from .repair import ResponsesRepair


class ResponsesDecoder:
    """Turns one stream's bytes, however they are cut, into events.

    Attributes:
        ended: The stream has said all; a failure ends it too.
        failure: Why the answer cannot be used. The events returned with it were said before.
    """

    def __init__(self, *, request_id: str | None = None, keep_raw_usage: bool = False) -> None:
        self.ended = False
        self.failure: AgentError | None = None
        self._request_id = request_id
        self._keep_raw_usage = keep_raw_usage
        self._splitter = DataSplitter()
        self._decode = msgspec.json.Decoder(AnyDelta).decode
        self._events: list[Any] = []
        self._repair = ResponsesRepair()

    @property
    def is_complete(self) -> bool:
        """Whether the answer is whole without its end mark."""
        return self._repair.completed

    def feed(self, data: bytes) -> list[Any]:
        """Return what *data* completes; neighbouring pieces of one part come as one delta."""
        events: list[Any] = []
        self._events = events
        try:
            for payload in self._splitter.feed(data):
                try:
                    delta = self._decode(payload)
                except msgspec.DecodeError:
                    self._take_odd(payload)
                    if self.ended:
                        break
                    continue
                self._say(delta)
        except AgentError as exc:
            self._fail(exc)
        except ValueError as exc:
            self._fail(invalid(exc))
        return events

    def end(self) -> list[Any]:
        """Say that no byte comes any more; a failure unless the stream has said its end."""
        events = self.feed(b"\n\n")  # some servers end without the last event's blank line
        if not self.ended:
            try:
                if (body := self._splitter.body()) is not None:
                    for value in documents(body.decode("utf-8-sig")):
                        self._take(self._repair.take(value))
            except AgentError as exc:
                self._fail(exc)
            except ValueError:
                self._fail(invalid())
        if not self.ended:
            self._fail(AgentError("upstream_invalid", UNFINISHED))
        return events

    def _fail(self, failure: AgentError) -> None:
        self.ended = True
        self.failure = failure

    def _say(self, delta: AnyDelta) -> None:
        append_delta(self._events, delta)
        if type(delta) is ArgumentsDelta:
            self._repair.note_arguments(delta.item_id, delta.output_index, delta.delta)
        else:
            self._repair.note_said(is_text=type(delta) is TextDelta)

    def _take_odd(self, payload: bytes) -> None:
        """Take an event that is no delta, or none as OpenAI's server would send it."""
        text = payload.decode()
        if is_done(payload):
            self._take(self._repair.end_mark())
        elif not is_life(text):
            self._take(self._repair.take(json.loads(text)))

    def _take(self, event: dict[str, Any] | None) -> None:
        if event is None:
            return
        kind = event["type"]
        if kind in ("response.completed", "response.incomplete"):
            self._finish(event)
        elif kind in DELTA_TYPES:
            delta = msgspec.convert(event, AnyDelta)
            append_delta(self._events, delta)
        elif (known := _event_types().get(kind)) is not None:
            self._events.append(known.construct(**event))

    def _finish(self, event: dict[str, Any]) -> None:
        value = event["response"]
        response = response_of(value)
        response._request_id = self._request_id
        if response.usage is None:
            _mark_request_completed_without_usage(response)
        elif self._keep_raw_usage:
            _attach_raw_usage_snapshot(response, response.usage)
        self._events.append(
            ResponseCompletedEvent.construct(
                response=response, type="response.completed", sequence_number=event["sequence_number"]
            )
        )
        self.ended = True


@cache
def _event_types() -> dict[str, Any]:
    """OpenAI's classes of streaming events by their `type`."""
    union = get_args(ResponseStreamEvent)[0]
    return {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(union)}
