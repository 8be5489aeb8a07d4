"""What an agent says beyond text is bounded: what no client could read ends the attempt, and nothing else does."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, model_serializer

from orchestrator.agent.content_bounds import ContentBounds, bound_json, bound_output
from orchestrator.agent.emissions import checked
from orchestrator.errors import AgentError
from orchestrator.events.content import (
    DATA_BYTES,
    DATA_URL_CHARS,
    JSON_DEPTH,
    OUTPUT_BYTES,
    Content,
    Data,
    File,
    Progress,
    Source,
)

URL = "https://example.org/"


def shown(value: object) -> str:
    return value if isinstance(value, str) else type(value).__name__


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "item",
    [
        Progress("x"),
        Progress("", fraction=0),
        Progress("x", fraction=1, step=0, steps=1),
        Progress("x", step=3),
        Data("a.b_c-9", None),
        Data("n", [1.5, {"k": "\u2028"}]),
        Data("n", "x" * (DATA_BYTES - 2)),
        Data("n", nested(JSON_DEPTH)),
        Source("s", url="http://example.org"),
        Source("s", url=URL, at=0),
        Source("s", document="any words"),
        File("f", "n", "image/png", "data:image/png;base64,AA=="),
        File("f", "n", "text/plain; charset=utf-8", URL),
        File("f", "n", "a/b", "data:," + "x" * (DATA_URL_CHARS - 6)),
    ],
    ids=shown,
)
def test_what_is_within_the_bounds_goes_out_as_it_is(item: Content) -> None:
    assert ContentBounds().take(item)[0] == item


class Person(BaseModel):
    name: str
    born: date


class Sulking(BaseModel):
    @model_serializer
    def refuse(self) -> None:
        raise RuntimeError("not today")


def test_a_model_goes_out_by_its_fields() -> None:
    """What people hold who work with structured answers is a Pydantic model, or several of them."""
    ada, plain = Person(name="Ada", born=date(1815, 12, 10)), {"name": "Ada", "born": "1815-12-10"}
    for value, wanted in ((ada, plain), ([ada], [plain]), ({"who": ada}, {"who": plain})):
        assert ContentBounds().take(checked(Data("n", value)))[0] == Data("n", wanted)
        assert bound_output(value) == wanted


@pytest.mark.parametrize(
    "value", [Person, Sulking(), [Sulking()]], ids=["class", "sulking", "sulking in a list"]
)
def test_a_model_that_does_not_say_its_fields_is_no_json(value: object) -> None:
    with pytest.raises(AgentError, match="wrong type"):
        checked(Data("n", value))
    with pytest.raises(AgentError, match="no JSON"):
        bound_output(value)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Progress("x", fraction=1.01), "fraction"),
        (Progress("x", fraction=float("nan")), "fraction"),
        (Progress("x", step=-1), "steps"),
        (Progress("x", step=1, steps=0), "steps"),
        (Progress("x", step=3, steps=2), "beyond"),
        (Progress("x" * 40_000), "longer"),
        (Data("Up", 1), "name"),
        (Data("", 1), "name"),
        (Data("n\n", 1), "name"),
        (Data("n" * 65, 1), "name"),
        (Data("n", float("inf")), "NaN"),
        (Data("n", {"k": [float("nan")]}), "NaN"),
        (Data("n", "x" * DATA_BYTES), "more than"),
        (Data("n", "ü" * (DATA_BYTES // 2)), "more than"),
        (Data("n", nested(JSON_DEPTH + 1)), "deep"),
        (Data("n", nested(5_000)), "no JSON"),
        (Data("n", object()), "no JSON"),
        (Source("s"), "either"),
        (Source("s", url=URL, document="d"), "either"),
        (Source("s", url="javascript:alert(1)"), "http"),
        (Source("s", url="https://"), "http"),
        (Source("s", url="https://a b"), "http"),
        (Source("s", document="d", at=-1), "negative"),
        (Source("s", document="d", at=2**60), "none at all"),
        (Progress("x", step=2**60, steps=2**61), "more than can be counted"),
        (Data("n", 1, speaker="s" * 40_000), "longer than"),
        (File("f", "n", "image/png", "http://example.org/"), "https"),
        (File("f", "n", "image/png", "javascript:x"), "https"),
        (File("f", "n", "image/png", "data:" + "x" * 20), "read"),
        (File("f", "n", "a/b", "data:," + "x" * DATA_URL_CHARS), "longer"),
        (File("f", "n", "picture", URL), "media type"),
    ],
    ids=shown,
)
def test_what_is_over_a_bound_is_invalid(item: Content, said: str) -> None:
    with pytest.raises(AgentError, match=said) as caught:
        ContentBounds().take(item)
    assert (caught.value.code, caught.value.retryable) == ("upstream_invalid", False)


@pytest.mark.parametrize(
    ("item", "most"),
    [(Data("n", 0), 1_000), (Source("s", document="d"), 500), (File("f", "n", "a/b", URL), 100)],
)
def test_an_attempt_has_so_many_and_no_more(item: Content, most: int) -> None:
    bounds = ContentBounds()
    for _ in range(most):
        bounds.take(item)
    with pytest.raises(AgentError, match="more than"):
        bounds.take(item)


def test_a_bar_may_move_as_often_as_it_likes() -> None:
    bounds = ContentBounds()
    for step in range(5_000):
        bounds.take(Progress("x", step=step))
    for number in range(999):
        bounds.take(Progress("x", progress_id=str(number)))
    with pytest.raises(AgentError, match="more than"):
        bounds.take(Progress("x", progress_id="one more"))


def test_large_payloads_fill_a_mailbox() -> None:
    """Few of 256 KiB are as much memory as many tokens."""
    assert ContentBounds().take(Data("n", 1))[1] == 1
    assert ContentBounds().take(Data("n", "x" * 60_000))[1] > 50
    assert ContentBounds().take(File("f", "n", "a/b", "data:," + "x" * 250_000))[1] > 200


def test_an_output_has_its_own_bound() -> None:
    assert bound_output(None) is None
    assert bound_output({"rows": []}) == {"rows": []}
    assert bound_json((1, 2), 10, "it") == ([1, 2], 5)
    bound_output("x" * (OUTPUT_BYTES - 2))
    with pytest.raises(AgentError, match="more than"):
        bound_output("x" * OUTPUT_BYTES)
