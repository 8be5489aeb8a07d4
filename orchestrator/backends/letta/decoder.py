"""Letta's messages as what an agent says: `Message` in, emissions out. Owns no I/O and no connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from json import JSONDecodeError, loads
from typing import Any

from ...errors import AgentError
from ...events.agent import Reasoning, Status, ToolCall, ToolResult, Usage
from ..base import Emission
from ..token_counts import token_count
from .content import ContentReading, notice
from .errors import failed

Message = dict[str, Any]
"""One JSON object of Letta's stream. `message_type` distinguishes them; classes of the SDK do not."""

NOT_RUN = "The Letta server did not run this call."
"""Letta runs one call of a step and drops the others, unless the agent allows parallel ones."""


@dataclass(slots=True)
class _Call:
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    reported: bool = False

    @property
    def arguments(self) -> str:
        return "".join(self.pieces) or "{}"

    @property
    def complete(self) -> bool:
        # No JSON object can be longer than one that is complete, so the first that parses is the whole.
        if not self.pieces or not self.pieces[-1].rstrip().endswith("}"):
            return False
        try:
            return isinstance(loads(self.arguments), dict)
        except JSONDecodeError:
            return False


class MessageDecoder:
    """Follows what one answer's messages say, over all of its runs.

    Attributes:
        stop_reason: The last one reported. It comes before an error, so it is no sign of success.
        waiting: Calls that wait for approval, by id; the caller answers and clears them.
        usage: What all runs used; None if none reported any.
        said: Whether a text came.
    """

    def __init__(self) -> None:
        self.stop_reason: str | None = None
        self.waiting: dict[str, ToolCall] = {}
        self.usage: Usage | None = None
        self.said = False
        self._calls: dict[str, _Call] = {}
        self._asked: dict[str, _Call] = {}
        self._refused: set[str] = set()
        self._content = ContentReading()
        self._last_id = ""

    @property
    def activity(self) -> str:
        """What the agent is at, as a `Status` says it."""
        return "tool" if any(call.reported for call in self._calls.values()) else "thinking"

    def feed(self, message: Message) -> Iterator[Emission]:
        """Yield what *message* says.

        Raises:
            AgentError: It is an error message.
        """
        match message.get("message_type"):
            case "assistant_message":
                yield from self._flush()
                content = message.get("content")
                if text := _text(content):
                    self.said = True
                    yield text
                yield from self._content.images(content, _text(message.get("id")) or "message")
            case "reasoning_message":
                yield from self._flush()
                if text := _text(message.get("reasoning")):
                    yield Reasoning(text)
            case "hidden_reasoning_message":
                yield from self._flush()
                yield Status("thinking", _text(message.get("state")))
            case "tool_call_message":
                yield from self._gather(message, self._calls)
            case "approval_request_message":
                for call in self._gather(message, self._asked):
                    self.waiting[call.call_id] = call
            case "tool_return_message":
                yield from self._flush()
                yield from self._returned(message)
            case "event_message":
                yield from notice(message.get("event_type"), message.get("event_data"))
            case "usage_statistics":
                self._count(message)
            case "stop_reason":
                self.stop_reason = _text(message.get("stop_reason")) or None
                yield from self._flush()
            case "error_message":
                raise failed(message.get("error_type"))
            case _:
                # Pings, echoes of what was sent, and kinds that later servers add.
                pass

    def approved(self, call: ToolCall) -> ToolCall:
        """Note that *call*, which waited, runs now; return what says so."""
        self._calls[call.call_id] = _Call(call.name, [call.arguments], reported=True)
        return call

    def refused(self, call: ToolCall) -> None:
        """Note that *call*, which waited, may not run; what the server returns for it is no call's result."""
        self._refused.add(call.call_id)

    def dropped(self, call: ToolCall) -> ToolCall:
        """Note that *call* waits no more and will not run; return what says that it was made."""
        del self.waiting[call.call_id]
        return self.approved(call)

    def end(self) -> Iterator[Emission]:
        """Yield what is left to say once the answer has ended well."""
        yield from self._flush()
        for call_id in self._calls:
            yield ToolResult(call_id, NOT_RUN, is_error=True)
        self._calls.clear()

    def _gather(self, message: Message, calls: dict[str, _Call]) -> Iterator[ToolCall]:
        """Add the pieces; yield the calls that they complete."""
        for piece in _pieces(message):
            # The id stands in each piece; if a server leaves it out, the piece belongs to the last call.
            self._last_id = call_id = _text(piece.get("tool_call_id")) or self._last_id
            call = calls.setdefault(call_id, _Call())
            if call.reported:
                continue
            call.name = _text(piece.get("name")) or call.name
            if arguments := _text(piece.get("arguments")):
                call.pieces.append(arguments)
            if call.complete:
                call.reported = True
                yield ToolCall(call_id, call.name, call.arguments)

    def _flush(self) -> Iterator[Emission]:
        """Report the calls whose pieces have ended: a message of another kind has begun."""
        for call_id, call in self._asked.items():
            if not call.reported:
                self.waiting[call_id] = ToolCall(call_id, call.name, call.arguments)
        self._asked.clear()
        for call_id, call in self._calls.items():
            if not call.reported:
                call.reported = True
                yield ToolCall(call_id, call.name, call.arguments)

    def _returned(self, message: Message) -> Iterator[Emission]:
        for result in message.get("tool_returns") or [message]:
            call_id = _text(result.get("tool_call_id")) or _text(message.get("tool_call_id"))
            call = self._calls.pop(call_id, None)
            if call is None and call_id not in self._refused:
                # A result without its call has no place to go at the client.
                yield ToolCall(call_id, _text(message.get("name")), "{}")
            returned = result.get("tool_return")
            output, is_error = _text(returned), result.get("status") == "error"
            yield ToolResult(call_id, output, is_error)
            yield from self._content.images(returned, call_id)
            if not is_error:
                name = _text(message.get("name")) if call is None else call.name
                yield from self._content.pages(name, output)

    def _count(self, message: Message) -> None:
        names = ("prompt_tokens", "completion_tokens", "cached_input_tokens", "reasoning_tokens")
        read, written, cached, thought = (token_count(message.get(name)) for name in names)
        if read or written:  # both are 0 if the model's provider counts nothing
            used = Usage(read or 0, written or 0, cached, thought)
            self.usage = used if self.usage is None else self.usage.plus(used)


def decode(data: str) -> Message:
    """Read one event's data.

    Raises:
        AgentError: `upstream_invalid`: it is not a JSON object.
    """
    try:
        message = loads(data)
    except JSONDecodeError as exc:
        raise AgentError("upstream_invalid", "The Letta server sent an event that is not JSON.") from exc
    if not isinstance(message, dict):
        raise AgentError("upstream_invalid", "The Letta server sent an event that is not an object.")
    return message


def _pieces(message: Message) -> list[Message]:
    several = message.get("tool_calls")
    found = several if isinstance(several, list) and several else [message.get("tool_call")]
    return [piece for piece in found if isinstance(piece, dict)]


def _text(value: object) -> str:
    """A string as it is; the text of a list of content parts; of anything else nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return ""
