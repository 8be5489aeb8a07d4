"""Covers `orchestrator/settings/scalars.py`: what is a number, a truth, an id, a reference and an address."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestrator.settings import scalars
from orchestrator.settings.environment import EnvText


def read(kind: Any, value: Any) -> Any:
    return TypeAdapter(kind).validate_python(value)


def refused(kind: Any, value: Any) -> bool:
    try:
        read(kind, value)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize("value", ["3", True, "yes", None, float("nan"), float("inf")])
def test_text_and_truths_are_no_numbers(value: object) -> None:
    """YAML says what is a number; whoever wrote quotes meant text."""
    assert refused(scalars.Number, value)


def test_a_variables_text_is_read_as_what_the_key_wants() -> None:
    assert read(scalars.PositiveInt, EnvText("3")) == 3
    assert read(scalars.Number, EnvText("0.5")) == 0.5
    assert read(scalars.Flag, EnvText(" Off ")) is False
    assert read(scalars.Enabled, EnvText("true")) is True
    assert read(scalars.Enabled, EnvText("auto")) == "auto"
    assert refused(scalars.Flag, EnvText("s3cret"))
    assert refused(scalars.Number, EnvText("s3cret"))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (scalars.PositiveNumber, 0.1, 0), (scalars.NumberFromZero, 0, -0.1),
        (scalars.PositiveInt, 1, 0), (scalars.IntFromZero, 0, -1), (scalars.PositiveInt, 7, 1.5),
        (scalars.Flag, True, 1), (scalars.Enabled, False, 0), (scalars.Text, "x", ""),
    ],
)  # fmt: skip
def test_bounds(kind: Any, good: object, bad: object) -> None:
    assert read(kind, good) == good
    assert refused(kind, bad)


@pytest.mark.parametrize("value", ["a", "0", "a-b_c", "x" * 64])
def test_ids(value: str) -> None:
    assert read(scalars.AgentId, value) == value


@pytest.mark.parametrize(
    "value", ["", "A", "-a", "a.b", "x" * 65, "ä", "run", "panel", "error", "open", "message", "a\n"]
)
def test_what_is_no_id(value: str) -> None:
    assert refused(scalars.AgentId, value)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("pkg.module:name", True),
        ("m:Class.method", True),
        ("module", False),
        ("a/b.py:x", False),
        ("m:", False),
    ],
)
def test_references(value: str, good: bool) -> None:
    assert refused(scalars.Reference, value) is not good


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("http://127.0.0.1:11434/v1", True), ("https://api.example", True), ("api.example/v1", False),
        ("ftp://x", False), ("http://", False), ("http://x y", False), ("http://x:0/", False),
        ("http://x:99999/", False), ("http://[::1", False),
    ],
)  # fmt: skip
def test_addresses(value: str, good: bool) -> None:
    assert refused(scalars.Url, value) is not good


def test_free_values_lose_the_mark_of_where_they_came_from() -> None:
    """An encoder that knows `str` alone would refuse the mark's class."""
    found = read(scalars.Free, {"a": [EnvText("x"), 1], "b": EnvText("y")})
    assert found == {"a": ["x", 1], "b": "y"}
    assert {type(found["b"]), type(found["a"][0])} == {str}


def test_unknown_keys_are_refused_without_their_values() -> None:
    class Some(scalars.Settings):
        size: scalars.PositiveInt = 1

    with pytest.raises(ValidationError) as caught:
        Some.model_validate({"sise": "s3cret"})
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ValidationError):
        Some().size = 2  # type: ignore[misc]
