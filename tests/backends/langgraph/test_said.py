"""Covers `backends/langgraph/said.py`: what is left of an answer if a message of it is void."""

from __future__ import annotations

from orchestrator.backends.langgraph.said import SaidByMessage
from orchestrator.events import Status, Token


def test_messages_that_were_said_at_once_are_said_one_after_the_other() -> None:
    """Else the corrected answer is mixed word by word, where the first one was not."""
    said = SaidByMessage()
    for message, text in (("a", "The "), ("b", "One "), ("x", "Bad"), ("a", "cat. "), ("b", "dog.")):
        said.add(message, text)
    assert said.without({"x"}) == (Token("The cat. "), Token("One dog."))


def test_what_is_of_no_message_stays_where_it_was_said() -> None:
    said = SaidByMessage()
    said.add("", "before ")
    said.add("a", "between ")
    said.add("", Status("working"))
    said.add("", "after")
    assert said.without(set()) == (Token("before "), Token("between "), Status("working"), Token("after"))
