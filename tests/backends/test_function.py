"""The function backend: what it accepts as a function, what as an emission, and how it closes."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from orchestrator.agent.attempt import Attempt
from orchestrator.agent.budget import Budget
from orchestrator.agent.mailbox import Mailbox
from orchestrator.backends.base import AgentInput, Backend, Emission, Finish
from orchestrator.backends.function.backend import FunctionBackend
from orchestrator.backends.function.settings import FunctionSettings
from orchestrator.backends.registry import create_backend
from orchestrator.errors import AgentError, ConfigError
from orchestrator.events import Done, Payload, Reasoning, Started, Status, Token, ToolCall, ToolResult

closed: list[str] = []


@pytest.fixture(autouse=True)
def _forget_closings() -> None:
    closed.clear()


def build(name: str) -> FunctionBackend:
    return FunctionBackend(FunctionSettings(agent_id="mine", stream=f"{__name__}:{name}"), {})


async def answers(name: str, message: str = "hi") -> list[Emission]:
    async with aclosing(build(name).stream(AgentInput(message))) as stream:
        return [emission async for emission in stream]


# ── functions of a user ───────────────────────────────────────────────────────────────────────


async def everything(request: AgentInput) -> AsyncIterator[str | Payload | Finish]:
    yield Status("counting", "to three")
    yield Reasoning("hm")
    yield ToolCall("c1", "look", "{}")
    yield ToolResult("c1", "seen", is_error=False)
    yield Token("one ")
    yield request.message
    yield Finish(reason="length", memory={"n": 1})


async def talks_on(request: AgentInput) -> AsyncIterator[str | Finish]:
    try:
        yield Finish()
        yield "too late"
    finally:
        closed.append("talks_on")


async def endless(request: AgentInput) -> AsyncIterator[str]:
    try:
        while True:
            yield "x"
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)
        closed.append("endless")


async def waits(request: AgentInput) -> AsyncIterator[str]:
    try:
        yield "x"
        await asyncio.Event().wait()
    finally:
        closed.append("waits")


async def yields_int(request: AgentInput) -> AsyncGenerator[Any, None]:
    try:
        yield "fine"
        yield 42
    finally:
        closed.append("yields_int")


async def yields_none(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield None


async def yields_bytes(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield b"text"


async def yields_started(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield Started(attempt=1)


async def yields_class(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield Done


async def breaks(request: AgentInput) -> AsyncIterator[str]:
    yield "so far"
    raise AgentError("tool_failed", "The thing broke.")


class Loud(str):
    """A string of the user's own kind."""

    __slots__ = ()


async def yields_str_subclass(request: AgentInput) -> AsyncIterator[str]:
    yield Loud("hey")


class Rows:
    """An iterable that opens a generator for each who asks."""

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            yield "row"
            yield "row"
        finally:
            closed.append("rows")


class Iterates:
    """An iterator without `aclose`."""

    def __init__(self) -> None:
        self._left = 2

    def __aiter__(self) -> Iterates:
        return self

    async def __anext__(self) -> str:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return "tick"


class Speaker:
    async def __call__(self, request: AgentInput) -> AsyncIterator[str]:
        yield f"heard {request.message}"


speaker = Speaker()
partial = functools.partial(lambda prefix, request: everything(request), "x")


def opens_rows(request: AgentInput) -> Any:
    return Rows()


def opens_iterator(request: AgentInput) -> Iterates:
    return Iterates()


def returns_text(request: AgentInput):  # type: ignore[no-untyped-def]  # what a user may write
    return "text"


def returns_coroutine(request: AgentInput) -> Any:
    return coroutine(request)


async def coroutine(request: AgentInput) -> Any:
    return "text"


def generator(request: AgentInput) -> Iterator[str]:
    yield "text"


def annotated_text(request: AgentInput) -> str:
    return "text"


async def takes_nothing() -> AsyncIterator[str]:
    yield "text"


async def takes_two(request: AgentInput, other: int) -> AsyncIterator[str]:
    yield "text"


a_number = 7


# ── what it passes on ─────────────────────────────────────────────────────────────────────────


async def test_strings_and_payloads_pass_in_order() -> None:
    """What the function says is what is said; the Finish with its memory comes last."""
    assert await answers("everything", "two") == [
        Status("counting", "to three"),
        Reasoning("hm"),
        ToolCall("c1", "look", "{}"),
        ToolResult("c1", "seen", is_error=False),
        Token("one "),
        "two",
        Finish(reason="length", memory={"n": 1}),
    ]


async def test_nothing_follows_a_finish_and_the_function_is_closed() -> None:
    """A Finish ends the answer, whatever the function still had to say."""
    assert await answers("talks_on") == [Finish()]
    assert closed == ["talks_on"]


async def test_a_string_of_another_class_becomes_a_plain_one() -> None:
    """The pump tells text by its exact type, for speed."""
    (said,) = await answers("yields_str_subclass")
    assert said == "hey"
    assert type(said) is str


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("speaker", ["heard hi"]),
        ("opens_rows", ["row", "row"]),
        ("opens_iterator", ["tick", "tick"]),
    ],
)
async def test_whatever_gives_an_async_iterator_is_accepted(name: str, expected: list[str]) -> None:
    """An object, a wrapper, an iterable: what counts is what the call returns."""
    assert await answers(name) == expected


async def test_a_partial_is_accepted() -> None:
    """A function with some arguments given is the usual way to configure one."""
    assert (await answers("partial"))[-1] == Finish(reason="length", memory={"n": 1})


class Checked:
    """A backend of which nothing but `stream` can be asked."""

    model = None

    def __init__(self, backend: FunctionBackend) -> None:
        self.stream = backend.stream

    async def aclose(self) -> None: ...


async def attempted(backend: Backend) -> tuple[list[Payload], Finish | None, str, list[str]]:
    """Return what one attempt said, how it ended, and which functions it has closed."""
    closed.clear()
    mailbox = Mailbox("mine")
    settings = FunctionSettings(agent_id="mine", stream=f"{__name__}:everything")
    attempt = Attempt(backend, mailbox, settings, Budget("agent"))
    ending = await attempt.run(AgentInput("hi"), asyncio.get_running_loop().create_future())
    return mailbox.take(100), ending.finish, repr(ending.error), list(closed)


@pytest.mark.parametrize(
    "name",
    [
        "everything", "talks_on", "yields_int", "yields_none", "yields_started", "breaks", "yields_str_subclass",
        "opens_rows", "opens_iterator", "partial", "returns_text", "returns_coroutine",
    ],
)  # fmt: skip
async def test_past_the_generator_that_checks_it_the_same_is_said(name: str) -> None:
    """An attempt takes what is text from the function itself, for that generator costs as much as a token."""
    assert await attempted(build(name)) == await attempted(Checked(build(name)))


async def test_errors_of_the_function_pass_as_they_are() -> None:
    """An AgentError names its own code."""
    with pytest.raises(AgentError, match=r"The thing broke\.") as caught:
        await answers("breaks")
    assert caught.value.code == "tool_failed"


def test_it_is_found_by_its_kind_and_has_no_model() -> None:
    """`backend: function` in a file is enough."""
    settings = FunctionSettings(agent_id="mine", stream=f"{__name__}:everything")
    backend = create_backend(settings, {})
    assert isinstance(backend, FunctionBackend)
    assert backend.model is None


# ── what it refuses ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("yields_int", "int"),
        ("yields_none", "NoneType"),
        ("yields_bytes", "bytes"),
        ("yields_started", "Started"),
        ("yields_class", "StructMeta"),
    ],
)
async def test_a_wrong_yield_says_what_came_and_what_may(name: str, kind: str) -> None:
    """The author reads this in the page, so it must be enough to mend the function."""
    with pytest.raises(AgentError, match=rf"{name} yielded {kind}; it may yield str, Token, ") as caught:
        await answers(name)
    assert caught.value.code == "upstream_invalid"
    assert not caught.value.retryable, "the same function would yield the same again"


async def test_a_wrong_yield_closes_the_function() -> None:
    """Its `finally` runs before the failure is told."""
    with pytest.raises(AgentError):
        await answers("yields_int")
    assert closed == ["yields_int"]


@pytest.mark.parametrize(("name", "kind"), [("returns_text", "str"), ("returns_coroutine", "coroutine")])
async def test_a_call_that_gives_no_iterator_is_an_agent_error(name: str, kind: str) -> None:
    """Nothing tells it before the call; no coroutine is left unawaited either."""
    with pytest.raises(AgentError, match=f"returned {kind}; it must return an async iterator") as caught:
        await answers(name)
    assert caught.value.code == "upstream_invalid"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("coroutine", "coroutine function without a yield"),
        ("generator", "define it with async def"),
        ("annotated_text", "no async iterator"),
        ("takes_nothing", "cannot be called with one argument"),
        ("takes_two", "cannot be called with one argument"),
        ("a_number", "is int, which cannot be called"),
        ("absent", "has no 'absent'"),
    ],
)
def test_what_cannot_stream_is_refused_at_load(name: str, reason: str) -> None:
    """`orchestrator check` finds it, before anybody asks the agent."""
    with pytest.raises(ConfigError, match=reason) as caught:
        build(name)
    (problem,) = caught.value.problems
    assert problem.key == "stream"
    assert "mine" in problem.file


def test_a_refusal_names_the_file_of_the_agent() -> None:
    """With ten files in a folder the agent's id is not where people look."""
    settings = FunctionSettings.model_validate(
        {"agent_id": "mine", "stream": f"{__name__}:coroutine"}, context={"file": "agents_config/mine.yaml"}
    )
    with pytest.raises(ConfigError, match=r"^agents_config/mine\.yaml: stream: "):
        FunctionBackend(settings, {})


# ── how it closes ─────────────────────────────────────────────────────────────────────────────


async def test_closing_the_stream_closes_the_function_first() -> None:
    """`cancelled` is told when the function's `finally` has run."""
    stream = build("endless").stream(AgentInput("hi"))
    await anext(stream)
    await stream.aclose()
    assert closed == ["endless"]


async def test_cancelling_reaches_the_function_where_it_waits() -> None:
    """A function that waits for an upstream learns of the cancel there."""
    said = asyncio.Event()

    async def consume() -> None:
        async with aclosing(build("waits").stream(AgentInput("hi"))) as stream:
            async for _ in stream:
                said.set()

    task = asyncio.create_task(consume())
    await said.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == ["waits"]


async def test_closing_reaches_the_generator_behind_an_iterable() -> None:
    """The one that `__aiter__` opened is ours to close, too."""
    stream = build("opens_rows").stream(AgentInput("hi"))
    await anext(stream)
    await stream.aclose()
    assert closed == ["rows"]
