"""Frames that hold a whole answer and may be large: made and sent in pieces, so that nobody else waits for all of one.

Owns what is still to be sent of one connection; what a frame holds is its dialect's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from ..events.encoding import encode_json
from ..events.json_chunks import ITEM_CHARS, PIECE_BYTES, json_pieces
from .agent_stream import StreamedAgent


class LargeFrames:
    """Frames that wait until what was made at once is sent."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[bytes, object, bytes]] = deque()

    @property
    def is_waiting(self) -> bool:
        """Whether `pieces` has something to yield, or has begun a frame."""
        return bool(self._waiting)

    def block(self, head: bytes, value: object, tail: bytes, *, is_large: bool) -> list[bytes]:
        """Return the block of *value* between *head* and *tail*; nothing if it is large, and `pieces` yields it.

        Args:
            value: Nobody changes it any more.
        """
        if not is_large:
            return [head + encode_json(value) + tail]
        self._waiting.append((head, value, tail))
        return []

    def pieces(self, end: bytes) -> Iterator[bytes]:
        """Yield what waits in pieces, each frame closed by *end*."""
        while self._waiting:
            head, value, tail = self._waiting[0]
            yield head
            yield from json_pieces(value)
            self._waiting.popleft()
            yield tail + end


def says_much(voices: Iterable[StreamedAgent], texts: Iterable[int]) -> bool:
    """Whether what agents said may be longer than a piece; *texts* are the lengths of their texts, or of parts."""
    size = sum(ITEM_CHARS * len(voice.content) for voice in voices)
    for length in texts:
        if size > PIECE_BYTES:
            break
        size += length
    return size > PIECE_BYTES
