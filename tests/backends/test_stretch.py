"""Covers `orchestrator/backends/stretch.py`: neighbouring pieces of one voice, said again as one."""

from __future__ import annotations

import pytest

from orchestrator.backends.stretch import Stretch
from orchestrator.events import Reasoning, Token


@pytest.mark.parametrize("kind", [Token, Reasoning])
def test_its_pieces_are_one_payload_of_its_voice(kind: type[Token] | type[Reasoning]) -> None:
    stretch = Stretch(kind, "writer", "call_1", ["Good", " day"])
    stretch.pieces.append("!")
    assert stretch.voice == (kind, "writer", "call_1")
    assert stretch.payload() == kind("Good day!", "writer", "call_1")


def test_two_hold_their_own_pieces() -> None:
    one, two = Stretch(Token, None, None), Stretch(Token, None, None)
    one.pieces.append("a")
    assert two.payload() == Token("")
