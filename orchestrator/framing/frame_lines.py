"""Blocks, the lines of one frame each, joined to what is sent. Knows no dialect."""

from __future__ import annotations

from collections.abc import Sequence


def as_one(blocks: Sequence[bytes]) -> bytes:
    """Join an event's blocks, some of which may be empty; the last one's end is still to come."""
    return blocks[0] if len(blocks) == 1 else b"\n\n".join([block for block in blocks if block])


def unmarked(blocks: Sequence[bytes]) -> bytes:
    """Join blocks that are no event's, and so carry no cursor."""
    return b"".join(block + b"\n\n" for block in blocks if block)
