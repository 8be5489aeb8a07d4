"""The parts of a Responses answer that are not the fold: an item of reasoning, and the bytes of often sent frames.

Knows no connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..events.agent import Usage
from ..events.content import Source
from .heard import HeardAgent

ITEM_BYTES = 200
"""What an item takes beside what was said in it."""

_THOUGHT = b'{"id":"%b","type":"reasoning","summary":[%b],"status":"%b","agent":{"agent_name":"%b"}}'
_SUMMARY = b'{"type":"summary_text","text":%b}'
PART = b'%b,"part":{"type":"summary_text","text":%b}'
"""Filled in instead of encoded: if an agent thinks and speaks by turns, each token begins or ends an item."""


class Thought(msgspec.Struct, gc=False):
    """A reasoning item; a run may have very many, which the garbage collector need not walk over.

    `text` is a JSON string, and there once the item is closed; `where` is what its frames have of it.
    """

    place: int
    item_id: bytes
    agent_id: bytes
    where: bytes
    text: bytes = b""

    def item(self) -> bytes:
        """Return the item as it stands, encoded."""
        status, summary = (b"completed", _SUMMARY % self.text) if self.text else (b"in_progress", b"")
        return _THOUGHT % (self.item_id, summary, status, self.agent_id)


def lengths(output: Sequence[Any], pieces: Mapping[int, Sequence[bytes]]) -> Iterator[int]:
    """Yield about how long each item of *output* is; *pieces* are what is still said in some of them."""
    for place, item in enumerate(output):
        said = sum(map(len, pieces.get(place, ())))
        if isinstance(item, Thought):
            yield ITEM_BYTES + len(item.text) + said
        else:
            texts = [part["text"] for part in item.get("content", ())]
            texts += [item.get("arguments"), item.get("output")]
            yield ITEM_BYTES + said + sum(len(text) for text in texts if text)


def cited_pages(voice: HeardAgent) -> list[Source]:
    """Return the pages of the web that an agent has cited."""
    return [each for each in voice.content.values() if isinstance(each, Source) and each.url is not None]


def response_id(run_id: str) -> str:
    """Return a run's id as the Responses API calls it."""
    return f"resp_{run_id.removeprefix('run_')}"


def delta_head(type_: bytes, where: bytes) -> bytes:
    """Return what every delta of an item has before its text."""
    return b'event: %b\ndata: {"type":"%b",%b,"delta":' % (type_, type_, where)


def summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def joined(pieces: Sequence[bytes]) -> bytes:
    """Return JSON strings as one."""
    return b'"%b"' % b"".join([piece[1:-1] for piece in pieces])


def sum_usage(spent: Sequence[Usage]) -> dict[str, Any]:
    asked, said = sum(each.input_tokens for each in spent), sum(each.output_tokens for each in spent)
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked + said,
    }
