"""Covers `orchestrator/framing/agent_stream.py`: one agent as one connection has heard it."""

from __future__ import annotations

import json

import pytest

from orchestrator.events import Reasoning, Token, encode_data
from orchestrator.framing.agent_stream import StreamedAgent, quoted, said


@pytest.mark.parametrize("text", ["x", 'a "quoted"\nline', "\u2028", "😀", "\\"])
def test_a_pieces_text_goes_on_as_the_json_that_it_came_as(text: str) -> None:
    """It was escaped when its event was encoded, and no reader may take one line for two."""
    piece, speaker = said(encode_data("a", Token(text, speaker="b"), 1))
    assert speaker == "b"
    assert json.loads(piece) == text
    assert len(piece.decode().splitlines()) == 1
    assert said(encode_data("a", Reasoning(text), 1)) == (piece, None)


def test_a_nested_agents_words_and_empty_ones_are_nothing() -> None:
    assert said(encode_data("a", Token("inner", parent="c1"), 1))[0] == b""
    assert said(encode_data("a", Token(""), 1))[0] == b""


def test_ids_tell_turns_attempts_and_parts_apart() -> None:
    voice = StreamedAgent("a", "Ann")
    assert (voice.attempt_id, voice.part_id) == ("a.0.1", "a.0.1.0")
    assert voice.call_name("c1") == "a:c1"
    voice.begin(2, 3)
    assert voice.call_name("c1") == "a.2.3:c1"
    voice.begin_part("text")
    assert (voice.attempt_id, voice.part_id, voice.parts) == ("a.2.3", "a.2.3.1", ["a.2.3.1"])


def test_no_two_agents_share_what_was_heard() -> None:
    one, other = StreamedAgent("a", "Ann"), StreamedAgent("b", "Bob")
    one.kept += b"x"
    assert (bytes(other.kept), other.waiting, other.tools, other.asked) == (b"", {}, {}, set())


def test_what_was_kept_of_a_text_is_json_as_it_was_escaped() -> None:
    voice = StreamedAgent("a", "Ann")
    for piece in (b'"a\\""', b'"\\u2028"', b'"b"'):
        voice.kept += piece[1:-1]
    assert json.loads(quoted(voice.kept)) == 'a"\u2028b'
    assert quoted(b"") == b'""'
