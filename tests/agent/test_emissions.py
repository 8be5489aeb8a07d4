"""Covers `orchestrator/agent/emissions.py`: what an agent yields, as it may be passed on."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.agent.emissions import checked, plain_text, sound_error, sound_finish
from orchestrator.agent.event_bounds import MESSAGE_CHARS
from orchestrator.backends.base import Finish
from orchestrator.errors import AgentError
from orchestrator.events import Reasoning, Status, Token, Usage


class Wordless(AgentError):
    """An error of the user's own that left everything out."""

    def __init__(self) -> None:
        Exception.__init__(self, "?")


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Token("a"), "a"),
        (Token("a", speaker="other"), None),
        (Token("a", parent="c1"), None),
        (Reasoning("a"), None),
        ("a", None),
    ],
)
def test_only_text_of_which_nothing_else_is_said_is_plain(item: Any, text: str | None) -> None:
    assert plain_text(item) == (item if text is None else text)


def test_a_message_is_cut_and_an_error_without_one_has_another() -> None:
    whole = sound_error(AgentError("tool_failed", "x" * (MESSAGE_CHARS + 1), retryable=True, retry_after=2.0))
    assert (whole.code, len(whole.message), whole.retryable, whole.retry_after) == (
        "tool_failed", MESSAGE_CHARS, True, 2.0,
    )  # fmt: skip
    assert sound_error(Wordless()).code == "internal"


def test_a_finish_keeps_what_can_be_kept() -> None:
    finish = sound_finish(Finish("le\ud800", Usage(1, 2), {"a": (1, 2)}, {"b": 1}))
    assert finish == Finish("le\ufffd", Usage(1, 2), {"a": [1, 2]}, {"b": 1})


@pytest.mark.parametrize(
    "finish",
    [Finish(7), Finish(usage="much"), Finish(memory=object()), Finish(usage=Usage("1", 2))],  # type: ignore[arg-type]
)
def test_a_finish_that_cannot_be_kept_is_the_agents_fault(finish: Finish) -> None:
    with pytest.raises(AgentError) as caught:
        sound_finish(finish)
    assert (caught.value.code, caught.value.retryable) == ("upstream_invalid", False)


def test_a_field_of_a_wrong_type_is_the_agents_fault() -> None:
    assert checked(Status("step")) == Status("step")
    with pytest.raises(AgentError, match="yielded a Status with a field of a wrong type"):
        checked(Status(7))  # type: ignore[arg-type]
