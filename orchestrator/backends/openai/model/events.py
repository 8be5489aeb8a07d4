"""The light events that a fast model hands to the Runner in place of OpenAI's pydantic ones. Owns no I/O.

They are made for each piece of an answer, so they are slotted structs with no more than a consumer of
deltas reads. Their names and fields are those of the Responses API's streaming events
(https://platform.openai.com/docs/api-reference/responses-streaming).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec


class Delta(msgspec.Struct, gc=False, tag_field="type"):
    """One piece of one part of an output item. `delta` may hold several pieces that arrived together."""

    type: ClassVar[str] = ""

    delta: str
    item_id: str = ""
    output_index: int = 0
    sequence_number: int | None = 0

    @property
    def part(self) -> int:
        """Which part of the item this is a piece of."""
        return 0

    def follows(self, other: Delta) -> bool:
        """Whether this piece continues the same part as *other*."""
        return (
            type(self) is type(other)
            and self.item_id == other.item_id
            and self.output_index == other.output_index
            and self.part == other.part
        )


class _ContentDelta(Delta, gc=False, tag_field="type"):
    content_index: int = 0

    @property
    def part(self) -> int:
        return self.content_index


class TextDelta(_ContentDelta, gc=False, tag="response.output_text.delta"):
    """A piece of the answer."""

    type: ClassVar[str] = "response.output_text.delta"


class RefusalDelta(_ContentDelta, gc=False, tag="response.refusal.delta"):
    """A piece of a refusal."""

    type: ClassVar[str] = "response.refusal.delta"


class ReasoningDelta(_ContentDelta, gc=False, tag="response.reasoning_text.delta"):
    """A piece of the reasoning itself."""

    type: ClassVar[str] = "response.reasoning_text.delta"


class SummaryDelta(Delta, gc=False, tag="response.reasoning_summary_text.delta"):
    """A piece of the reasoning's summary."""

    type: ClassVar[str] = "response.reasoning_summary_text.delta"

    summary_index: int = 0

    @property
    def part(self) -> int:
        return self.summary_index


class ArgumentsDelta(Delta, gc=False, tag="response.function_call_arguments.delta"):
    """A piece of the arguments of a tool call."""

    type: ClassVar[str] = "response.function_call_arguments.delta"


class FileEvent(msgspec.Struct, gc=False):
    """An image or another file that a chat model made, whole; OpenAI's events know none."""

    type: ClassVar[str] = "orchestrator.file"

    url: str
    media_type: str
    name: str


AnyDelta = TextDelta | RefusalDelta | ReasoningDelta | SummaryDelta | ArgumentsDelta
DELTA_TYPES = frozenset(
    kind.type for kind in (TextDelta, RefusalDelta, ReasoningDelta, SummaryDelta, ArgumentsDelta)
)


def append_delta(events: list[Any], delta: AnyDelta) -> bool:
    """Append *delta*, or join it to the last event if that is the piece before it; True if appended."""
    last = events[-1] if events else None
    if type(last) is type(delta) and delta.follows(last):
        last.delta += delta.delta
        return False
    events.append(delta)
    return True


class PlainEnd(msgspec.Struct):
    """The end of an answer that is text and nothing else, for whoever needs no items of it.

    Attributes:
        text: The whole answer.
        usage: What the provider counted, in chat completions' form.
        whole: Makes the events that end an answer otherwise, with its items.
    """

    type: ClassVar[str] = "plain_end"

    text: str
    usage: dict[str, Any] | None
    whole: Callable[[], list[Any]]
