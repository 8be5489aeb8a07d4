"""Covers `orchestrator/run/content_state.py`: what one attempt has said beyond text."""

from __future__ import annotations

import pytest
from msgspec import UNSET, Raw, json

from orchestrator.events import Done, Payload, Retry, Started, Token
from orchestrator.events.content import Data, File, Progress, Source
from orchestrator.run.content_state import ContentState


def folded(*payloads: Payload) -> ContentState:
    state = ContentState()
    for payload in payloads:
        state.fold(payload)
    return state


def test_a_later_progress_replaces_the_bar_of_its_id_in_its_place() -> None:
    one, other, later = (
        Progress("x", 0.1, progress_id="1"),
        Progress("y", 0.5),
        Progress("x", 0.9, progress_id="1"),
    )
    assert folded(one, other, later).progress == [later, other]


def test_data_of_one_name_and_id_is_replaced_and_without_an_id_it_stands_alone() -> None:
    state = folded(
        Data("a", 1, "i"), Data("a", 2), Data("b", 3, "i"), Data("a", 4, "i"), Data("a", 5), Data("a", 6, "j"),
    )  # fmt: skip
    assert [(each.name, json.decode(each.value)) for each in state.data] == [
        ("a", 4), ("a", 2), ("b", 3), ("a", 5), ("a", 6),
    ]  # fmt: skip


def test_values_are_kept_as_json_however_they_came() -> None:
    """Objects take twenty times the bytes, and nobody looks into them."""
    for value in (Raw(b'{"a":[1,null]}'), {"a": [1, None]}):
        (kept,) = folded(Data("a", value)).data
        assert bytes(kept.value) == b'{"a":[1,null]}'


def test_sources_and_files_are_all_kept_in_order() -> None:
    source, file = Source("s", document="x"), File("f", "n", "a/b", "https://x")
    state = folded(source, file, source)
    assert (state.sources, state.files) == ([source, source], [file])


@pytest.mark.parametrize("output", [None, 0, {"a": []}])
def test_a_structured_answer_is_kept_null_included(output: object) -> None:
    assert folded(Done("x", None, "stop", None, 1, output)).output == output
    assert folded(Done("x", None, "stop", None, 1)).output is UNSET


@pytest.mark.parametrize("begins", [Started(2), Retry(2, 0.0, "timeout_idle")], ids=["started", "retry"])
def test_another_attempt_begins_with_nothing(begins: Payload) -> None:
    """What was said in a failed attempt is void, so it must not stand beside what the next one says."""
    state = folded(
        Progress("x"), Data("a", 1, "i"), Source("s", document="x"), File("f", "n", "a/b", "https://x"), begins,
    )  # fmt: skip
    assert state == ContentState()
    state.fold(Data("b", 1))
    state.fold(Data("a", 2, "i"))
    assert [json.decode(each.value) for each in state.data] == [1, 2]


def test_text_is_of_no_concern_here() -> None:
    assert folded(Token("x")) == ContentState()
