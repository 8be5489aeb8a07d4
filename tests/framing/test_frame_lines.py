"""Covers `orchestrator/framing/frame_lines.py`: blocks of frames joined."""

from __future__ import annotations

from orchestrator.framing.frame_lines import as_one, unmarked


def test_empty_blocks_are_left_out_and_only_what_has_no_cursor_is_ended() -> None:
    blocks = [b"data: 1", b"", b"data: 2"]
    assert as_one(blocks) == b"data: 1\n\ndata: 2"
    assert (as_one([]), as_one([b"data: 1"])) == (b"", b"data: 1")
    assert unmarked(blocks) == b"data: 1\n\ndata: 2\n\n"
