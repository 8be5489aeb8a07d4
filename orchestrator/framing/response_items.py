"""The parts of a Responses answer that are not the fold: an item of reasoning, and the bytes of often sent frames.

Knows no connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..events.agent import ApprovalRequest, Usage
from ..events.content import Source
from .agent_stream import StreamedAgent

ITEM_BYTES = 200
"""What an item takes beside what was said in it."""

NOT_CHOSEN: dict[str, Any] = {
    "instructions": None,
    "parallel_tool_calls": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
}
"""What a response says of its model, which is each agent's own affair here."""

_THOUGHT = b'{"id":"%b","type":"reasoning","summary":[%b],"status":"%b","agent":{"agent_name":"%b"}}'
_SUMMARY = b'{"type":"summary_text","text":%b}'
_CALL = (
    b'{"id":%b,"type":"mcp_call","server_label":"%b","name":%b,"arguments":%b,"status":"%b","output":%b,"error":%b,'
    b'"agent":{"agent_name":"%b"}}'
)


def _burst(*frames: tuple[bytes, bytes]) -> bytes:
    """Return frames, each a type and its fields, as one block to fill in: each begins with its number.

    Filled in instead of encoded: if an agent thinks, calls and speaks by turns, each event begins or ends an item.
    """
    frame = b'event: %b\ndata: {"type":"%b","sequence_number":%%d,%b}'
    return b"\n\n".join(
        [frame % (b"response." + type_, b"response." + type_, each) for type_, each in frames]
    )


_THOUGHT_BEGINS = _burst(
    (b"output_item.added", b'"output_index":%d,"item":' + _THOUGHT % (b"%b", b"", b"in_progress", b"%b")),
    (b"reasoning_summary_part.added", b'%b,"part":{"type":"summary_text","text":""}'),
)
_THOUGHT_ENDS = _burst(
    (b"reasoning_summary_text.done", b'%b,"text":%b'),
    (b"reasoning_summary_part.done", b'%b,"part":{"type":"summary_text","text":%b}'),
    (b"output_item.done", b'"output_index":%d,"item":%b'),
)
_CALL_BEGINS = _burst(
    (b"output_item.added", b'"output_index":%d,"item":%b'),
    (b"mcp_call.in_progress", b"%b"),
    (b"mcp_call_arguments.delta", b'%b,"delta":%b'),
    (b"mcp_call_arguments.done", b'%b,"arguments":%b'),
)
_CALL_ENDS = _burst((b"mcp_call.%b", b"%b"), (b"output_item.done", b'"output_index":%d,"item":%b'))


class Thought(msgspec.Struct, gc=False):
    """A reasoning item while it is open: `where` is what its frames have of it, `head` what its deltas begin with."""

    place: int
    item_id: bytes
    agent_id: bytes
    where: bytes
    head: bytes

    def item(self, text: bytes, status: bytes = b"completed") -> bytes:
        """Return the item with *text*, a JSON string, encoded."""
        return _THOUGHT % (self.item_id, _SUMMARY % text, status, self.agent_id)

    def begun(self, number: int) -> bytes:
        """Return the two frames that begin it, the first one with *number*."""
        return _THOUGHT_BEGINS % (number, self.place, self.item_id, self.agent_id, number + 1, self.where)

    def ended(self, number: int, text: bytes, item: bytes) -> bytes:
        """Return the three frames that end it; *item* is what it has become."""
        where = self.where
        return _THOUGHT_ENDS % (
            number,
            where,
            text,
            number + 1,
            where,
            text,
            number + 2,
            self.place,
            item,
        )


class ToolItem(msgspec.Struct, gc=False):
    """A tool that the server runs. What may be any text is a JSON string."""

    place: int
    item_id: bytes
    agent_id: bytes
    name: bytes
    arguments: bytes
    where: bytes
    status: bytes = b"in_progress"
    output: bytes = b"null"
    error: bytes = b"null"

    def item(self, *, begins: bool = False) -> bytes:
        """Return the item as it stands, encoded; one that *begins* has no arguments yet."""
        arguments = b'""' if begins else self.arguments
        named = (self.item_id, self.agent_id, self.name, arguments)
        return _CALL % (*named, self.status, self.output, self.error, self.agent_id)

    def begun(self, number: int) -> bytes:
        """Return the four frames that begin it, the first one with *number*."""
        where, arguments = self.where, self.arguments
        item = self.item(begins=True)
        values = (number + 1, where, number + 2, where, arguments, number + 3, where, arguments)
        return _CALL_BEGINS % (number, self.place, item, *values)

    def ended(self, number: int, item: bytes) -> bytes:
        """Return the two frames that end it; *item* is what it has become."""
        return _CALL_ENDS % (
            self.status,
            self.status,
            number,
            self.where,
            number + 1,
            self.place,
            item,
        )


def lengths(output: Sequence[Any], pieces: Mapping[int, bytearray]) -> Iterator[int]:
    """Yield about how long each item of *output* is; *pieces* are what is still said in some of them."""
    for place, item in enumerate(output):
        if isinstance(item, bytes):
            yield len(item)
        else:
            yield ITEM_BYTES + len(pieces.get(place, b"")) + len(getattr(item, "arguments", b""))


def message_item(short: str, voice: StreamedAgent) -> dict[str, Any]:
    """Return the message of an attempt as it begins; *short* is the run's id without its prefix."""
    return {
        "id": f"msg_{short}_{voice.agent_id}_{voice.turn}_{voice.attempt}",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
        "agent": {"agent_name": voice.agent_id},
    }


def approval_item(run_id: str, voice: StreamedAgent, asked: ApprovalRequest) -> dict[str, Any]:
    """Return the question whether a tool may be run."""
    return {
        "id": f"mcpr_{run_id}/{voice.agent_id}/{asked.call_id}",
        "type": "mcp_approval_request",
        "server_label": voice.agent_id,
        "name": asked.name,
        "arguments": asked.arguments,
    }


def cited_pages(voice: StreamedAgent) -> list[Source]:
    """Return the pages of the web that an agent has cited."""
    return [each for each in voice.content.values() if isinstance(each, Source) and each.url is not None]


def response_id(run_id: str) -> str:
    """Return a run's id as the Responses API calls it."""
    return f"resp_{run_id.removeprefix('run_')}"


def delta_head(type_: bytes, where: bytes) -> bytes:
    """Return what every delta of an item has before its text."""
    return b'event: %b\ndata: {"type":"%b",%b,"delta":' % (type_, type_, where)


def sum_usage(spent: Sequence[Usage]) -> dict[str, Any]:
    asked, said = sum(each.input_tokens for each in spent), sum(each.output_tokens for each in spent)
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked + said,
    }
