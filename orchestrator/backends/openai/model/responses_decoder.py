"""Decodes a Responses stream: bytes in, the Runner's events out. Owns no I/O.

Deltas of text, reasoning, refusals and arguments are light; every other event is OpenAI's own type, and
so are the items of the completed response.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import msgspec
from agents.usage import _attach_raw_usage_snapshot, _mark_request_completed_without_usage
from openai.types.responses import ResponseCompletedEvent, ResponseStreamEvent

from ....errors import AgentError
from .chat_decoder import UNFINISHED, append_delta
from .client import INVALID, WholeItem, WholeResponse, checked, error_in_answer, response_of
from .events import DELTA_TYPES, AnyDelta, RefusalDelta, TextDelta
from .sse import DataSplitter, decoded_loosely

_SAID = {"output_text": ("text", TextDelta), "refusal": ("refusal", RefusalDelta)}


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
        self._items: list[dict[str, Any]] = []
        self._heard: set[tuple[int, int]] = set()  # output and content index of each part that had a delta

    def feed(self, data: bytes) -> list[Any]:
        """Return what *data* completes; neighbouring pieces of one part come as one delta."""
        events: list[Any] = []
        self._events = events
        try:
            for payload in self._splitter.feed(data):
                try:
                    delta = self._decode(payload)
                except msgspec.ValidationError:
                    self._take(msgspec.json.decode(payload))
                    if self.ended:
                        break
                    continue
                except msgspec.DecodeError:
                    delta = decoded_loosely(payload, AnyDelta)
                if append_delta(events, delta):
                    self._heard.add((delta.output_index, delta.part))
        except AgentError as exc:
            self._fail(exc)
        except ValueError as exc:
            failure = AgentError("upstream_invalid", INVALID)
            failure.__cause__ = exc
            self._fail(failure)
        return events

    def end(self) -> list[Any]:
        """Say that no byte comes any more; a failure unless the stream has said its end."""
        events = self.feed(b"\n\n")  # some servers end without the last event's blank line
        if not self.ended:
            self._fail(AgentError("upstream_invalid", UNFINISHED))
        return events

    def _fail(self, failure: AgentError) -> None:
        self.ended = True
        self.failure = failure

    def _take(self, event: Any) -> None:
        """Take an event that is no delta, or none that can be used."""
        if not isinstance(event, dict):
            raise AgentError("upstream_invalid", INVALID)
        kind = event.get("type")
        if kind in ("error", "response.error") or (kind is None and "error" in event):
            raise error_in_answer(event.get("error") or event)
        if not isinstance(kind, str) or kind in DELTA_TYPES:
            raise AgentError("upstream_invalid", INVALID)
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            self._finish(event)
            return
        if kind == "response.output_item.done":
            self._items.append(checked(event.get("item"), WholeItem))
        known = _event_types().get(kind)
        if known is not None:
            self._events.append(known.construct(**event))

    def _finish(self, event: dict[str, Any]) -> None:
        value = event.get("response")
        if not isinstance(value, dict):
            raise AgentError("upstream_invalid", INVALID)
        status = event["type"].removeprefix("response.")
        if value.get("status") in ("failed", "cancelled", "incomplete"):
            status = value["status"]  # the worse of the two, where they differ
        # Some servers leave the completed response empty and rely on what they said before.
        value = {**value, "status": status, "output": value.get("output") or self._items}
        if status != "failed":
            checked(value, WholeResponse)
        response = response_of(value)
        response._request_id = self._request_id
        if response.usage is None:
            _mark_request_completed_without_usage(response)
        elif self._keep_raw_usage:
            _attach_raw_usage_snapshot(response, response.usage)
        self._say_unheard(response.output)
        number = event.get("sequence_number")
        self._events.append(
            ResponseCompletedEvent.construct(
                response=response, type="response.completed", sequence_number=number or 0
            )
        )
        self.ended = True

    def _say_unheard(self, output: list[Any]) -> None:
        """Say what stands in the completed items and came in no delta: some servers send none."""
        for at, item in enumerate(output):
            if item.type != "message":
                continue
            for part_at, part in enumerate(item.content):
                field, kind = _SAID.get(part.type, ("", TextDelta))
                text = getattr(part, field, "")
                if text and (at, part_at) not in self._heard:
                    self._events.append(kind(text, item.id or "", at, 0, part_at))


@cache
def _event_types() -> dict[str, Any]:
    """OpenAI's classes of streaming events by their `type`."""
    union = get_args(ResponseStreamEvent)[0]
    return {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(union)}
