"""Messages that are said at once go out one after the other, and none is held back for ever."""

from __future__ import annotations

from orchestrator.backends.interleaved_messages import MAX_HELD, SILENT_PIECES, InterleavedMessages
from orchestrator.events import Token


def test_what_others_say_waits_for_its_turn() -> None:
    turns = InterleavedMessages()
    assert [*turns.take("a", ["a1"]), *turns.take("b", ["b1"]), *turns.take("c", ["c1", "c2"])] == [
        "a1",
        "",
        "",
        "",
    ]
    assert [*turns.end("c"), *turns.take("a", ["a2"])] == ["a2"]
    assert [*turns.end("a")] == ["b1"]
    assert [*turns.take("b", ["b2"])] == ["b2"]
    assert [*turns.end("b")] == ["c1", "c2"]
    assert [*turns.take("d", ["d1"])] == ["d1"]


def test_one_that_says_nothing_takes_no_turn() -> None:
    turns = InterleavedMessages()
    assert [*turns.take("a", []), *turns.take("b", ["b1"]), *turns.end("a")] == ["b1"]


def test_one_that_has_failed_holds_nobody_back() -> None:
    """Its model broke off, is asked anew, and says so by no end of the message."""
    turns = InterleavedMessages()
    said = [*turns.take("a", ["a1"])]
    for number in range(SILENT_PIECES + 1):
        said += turns.take("b", [f"b{number}"])
    assert [each for each in said if each] == ["a1", *(f"b{number}" for number in range(SILENT_PIECES + 1))]
    assert [*turns.take("b", ["on"])] == ["on"]


def test_what_waits_is_bounded_and_goes_out_in_the_end() -> None:
    turns = InterleavedMessages()
    said = [*turns.take("a", ["a"])]
    for _ in range(MAX_HELD // 50 + 1):
        said += [*turns.take("b", ["b"] * 50), *turns.take("a", ["a"])]
    assert said.count("b") > MAX_HELD
    assert [*turns.take("b", ["x"]), *turns.take("c", ["y"]), *turns.end_all()] == ["", "", "x", "y"]


def test_what_waits_is_bounded_by_its_size_too() -> None:
    """One that speaks a little now and then would hold back any amount of another's."""
    in_turn, large = InterleavedMessages(), "x" * 1_000_000
    said = [*in_turn.take("a", ["a"])]
    for _ in range(10):
        said += [*in_turn.take("b", [Token(large)]), *in_turn.take("a", ["a"])]
    assert sum(large in (each, getattr(each, "text", "")) for each in said) >= 5
