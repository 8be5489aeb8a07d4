"""Covers `orchestrator/framing/large_frames.py`: a large frame comes in pieces, a small one at once."""

from __future__ import annotations

from orchestrator.events import Data
from orchestrator.framing.agent_stream import StreamedAgent
from orchestrator.framing.large_frames import LargeFrames, says_much


def test_a_small_frame_is_a_block_and_a_large_one_waits() -> None:
    frames, value = LargeFrames(), {"rows": ["x" * 50_000] * 4}
    assert frames.block(b"data: ", [1], b"!", is_large=False) == [b"data: [1]!"]
    assert not list(frames.pieces(b"\n\n"))
    assert frames.block(b"data: ", value, b"", is_large=True) == []
    assert frames.block(b"more: ", [2], b"", is_large=True) == []
    pieces = []
    for piece in frames.pieces(b"\n\n"):
        pieces.append(piece)
        assert frames.is_waiting is not (piece == b"\n\n" and b"more" in b"".join(pieces)), "within a frame"
    assert len(pieces) > 5
    row = b'"' + b"x" * 50_000 + b'"'
    assert b"".join(pieces) == b'data: {"rows":[' + b",".join([row] * 4) + b"]}\n\nmore: [2]\n\n"
    assert not list(frames.pieces(b"\n\n"))


def test_texts_and_what_is_beside_them_count() -> None:
    voice = StreamedAgent("a", "A")
    assert not says_much([voice], [1000, 1000])
    assert says_much([voice], [60_000, 60_000])
    for n in range(100):
        voice.keep(Data("rows", n))
    assert says_much([voice], [])
