"""Covers `orchestrator/backends/stream_check.py`: code that cannot be asked as an agent is named before it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from orchestrator.backends.stream_check import trouble_with, trouble_with_backend


async def words(request: object) -> AsyncIterator[str]:
    yield "a"


def handed_on(request: object) -> AsyncIterator[str]:
    return words(request)


async def returned(request: object) -> str:
    return "a"


def plain(request: object) -> Iterator[str]:
    yield "a"


def annotated(request: object) -> list[str]:
    return []


async def of_none() -> AsyncIterator[str]:
    yield "a"


class Called:
    async def __call__(self, request: object) -> AsyncIterator[str]:
        yield "a"


@pytest.mark.parametrize("function", [words, handed_on, Called(), lambda _: words(None), print])
def test_what_may_give_an_async_iterator_passes(function: object) -> None:
    assert trouble_with(function) is None


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (3, "is int, which cannot be called"), (returned, "is a coroutine function without a yield"),
        (plain, "is a plain generator function"), (annotated, "returns list[str] by its annotation"),
        (of_none, "cannot be called with one argument"),
    ],
)  # fmt: skip
def test_what_cannot_is_refused_with_what_to_do(function: object, why: str) -> None:
    assert why in str(trouble_with(function))


def backend(**changed: Any) -> object:
    """Return an object with the attributes of a backend, *changed*."""

    async def close() -> None:
        """Hold nothing."""

    parts = {"model": "m", "stream": words, "aclose": close, **changed}
    return type(
        "Mine", (), {name: staticmethod(part) if callable(part) else part for name, part in parts.items()}
    )()


@pytest.mark.parametrize("model", ["m", None])
def test_a_backend_passes(model: str | None) -> None:
    assert trouble_with_backend(backend(model=model)) is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"model": 3}, "Mine.model is int; it should be a text or None"),
        ({"aclose": None}, "Mine.aclose cannot be called"),
        ({"aclose": lambda: None}, "Mine.aclose is no coroutine function; define it with async def"),
        ({"aclose": returned}, "Mine.aclose cannot be called without arguments"),
        ({"stream": returned}, "Mine.stream is a coroutine function without a yield"),
        ({"stream": plain}, "Mine.stream is a plain generator function"),
    ],
)
def test_half_a_backend_is_refused_with_what_to_do(changed: dict[str, Any], why: str) -> None:
    assert why in str(trouble_with_backend(backend(**changed)))


def test_a_backend_that_lacks_methods_is_refused_with_their_names() -> None:
    assert trouble_with_backend(object()) == (
        "object lacks model, stream, aclose; see `Backend` in orchestrator.backends.base"
    )


class Base:
    model = None

    async def stream(self, request: object) -> AsyncIterator[str]:
        yield "a"

    async def aclose(self) -> None:
        """Hold nothing."""


class Inherits(Base):
    pass


class Raises(Base):
    @property
    def model(self) -> str:  # type: ignore[override]
        raise RuntimeError("no such key: sk-secret")


def test_a_close_of_a_base_class_passes() -> None:
    assert trouble_with_backend(Inherits()) is None


def test_a_property_that_raises_is_named_without_its_words() -> None:
    assert trouble_with_backend(Raises()) == "Raises.model raises RuntimeError if it is read"
