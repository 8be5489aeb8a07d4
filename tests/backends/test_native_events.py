"""Covers `orchestrator/backends/native_events.py`: what an agent of this service says through another protocol."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.backends.native_events import (
    MAX_MESSAGE_CHARS,
    NativeEndings,
    content_of,
    failure_of,
    handoff_of,
    speaker_in,
)
from orchestrator.events import Handoff, Progress, Usage

PROGRESS = {"agent_id": "a", "id": "x-1", "label": "Reading", "fraction": 0.5}


def test_content_is_read_back_as_it_was_said() -> None:
    assert content_of("progress", PROGRESS) == Progress("Reading", fraction=0.5)


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("progress", {**PROGRESS, "agent_id": None}), ("progress", {"agent_id": "a"}),
        ("progress", {**PROGRESS, "label": 3}),
        ("token", {"agent_id": "a", "text": "x"}), (None, PROGRESS), (["progress"], PROGRESS), ("unknown", PROGRESS),
    ],
)  # fmt: skip
def test_what_is_none_of_ours_is_no_content(kind: object, about: dict[str, Any]) -> None:
    assert content_of(kind, about) is None


def test_who_speaks_is_said_by_a_text_alone() -> None:
    assert speaker_in({"speaker": "writer"}) == "writer"
    assert [speaker_in(each) for each in ({"speaker": ""}, {"speaker": 3}, {}, None, "writer")] == [None] * 5


def test_a_handoff_names_who_speaks_next() -> None:
    assert handoff_of("handoff", {"agent_id": "a", "to": "b"}) == Handoff("b")
    wrong: list[dict[str, Any]] = [
        {"to": "b"},
        {"agent_id": "a", "to": ""},
        {"agent_id": "a", "to": 3},
        {"agent_id": "a"},
    ]
    assert [handoff_of("handoff", each) for each in wrong] == [None] * 4
    assert handoff_of("other", {"agent_id": "a", "to": "b"}) is None


def test_a_failure_has_our_code_and_words_of_bounded_length() -> None:
    found = failure_of({"code": "guardrail", "message": "No. " * 1000})
    assert found is not None
    assert (found.code, len(found.message)) == ("guardrail", MAX_MESSAGE_CHARS)
    wrong: list[dict[str, Any]] = [
        {"code": "own", "message": "x"}, {"code": ["guardrail"], "message": "x"}, {"code": "guardrail"},
        {"code": "guardrail", "message": ""},
    ]  # fmt: skip
    assert [failure_of(each) for each in wrong] == [None] * 4


def test_endings_add_up_what_was_used_and_keep_what_was_said_last() -> None:
    endings = NativeEndings()
    used = {"input_tokens": 1, "output_tokens": 2}
    endings.note({"status": "done", "usage": used, "finish_reason": "length", "output": {"a": 1}})
    endings.note({"status": "done", "usage": used, "finish_reason": None})
    assert endings.usage == Usage(input_tokens=2, output_tokens=4)
    assert (endings.reason, endings.output) == ("stop", msgspec.UNSET)


@pytest.mark.parametrize(
    "ending", [None, "done", {"status": "error", "usage": {}}, {"status": "done", "usage": "much"}]
)
def test_what_is_no_good_end_or_counts_nothing_adds_nothing(ending: object) -> None:
    endings = NativeEndings()
    endings.note(ending)
    assert endings.usage is None
