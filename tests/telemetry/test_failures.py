"""Covers what `orchestrator/telemetry/logs.py` makes of exceptions, in whatever application the service is embedded."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr, TypeAdapter, ValidationError
from pytest_aiohttp import AiohttpClient
from rich.logging import RichHandler

from orchestrator import AgentInput, create_app
from orchestrator.backends.function.settings import FunctionSettings
from orchestrator.telemetry.logs import (
    MAX_TRACEBACK_CHARS,
    configure_logging,
    exception_words,
    failure,
    secrets_in,
    traceback_text,
)
from orchestrator.telemetry.redaction import REDACTED
from tests.support.loglines import lines, own_logging

QUESTION = "My pin is 8471-QUESTION-CANARY; whom may I tell it?"
LOCAL = "LOCAL-CANARY-5531"
KEY = "sk-live-KEYCANARY77aa88bb"
CANARIES = ("QUESTION-CANARY", LOCAL, "KEYCANARY77aa88bb")


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    with own_logging():
        yield


# ── the service in somebody else's application ────────────────────────────────────────────────


def unconfigured() -> None:
    """structlog's own defaults; with rich there, they show local variables."""


def pretty() -> None:
    rich = structlog.dev.RichTracebackFormatter(show_locals=True)
    structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=rich)])


def dictionaries() -> None:
    with_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=True)
    structlog.configure(
        processors=[
            structlog.processors.ExceptionRenderer(with_locals),
            structlog.processors.JSONRenderer(default=repr),
        ]
    )


def standard_library() -> None:
    logging.getLogger().handlers[:] = [RichHandler(rich_tracebacks=True, tracebacks_show_locals=True)]
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def standard_library_with_structlogs_formatter() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.dev.ConsoleRenderer()))
    logging.getLogger().handlers[:] = [handler]
    structlog.configure(
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


async def broken(request: AgentInput) -> AsyncGenerator[str, None]:
    """Fail as real agents do: with a key in hand, and with the question in the words of a library."""
    api_key, note = KEY, LOCAL
    yield "so "
    try:
        raise ValueError(f"invalid input: {request.message[:40]!r}...", {"api_key": api_key})
    except ValueError as exc:
        exc.add_note(f"while asking with {api_key}")
        error = RuntimeError(f"the model refused {request.message} ({len(note)})")
        raise ExceptionGroup("two", [error, KeyError(api_key)]) from exc


@pytest.mark.parametrize(
    "configure",
    [unconfigured, pretty, dictionaries, standard_library, standard_library_with_structlogs_formatter],
)
async def test_no_failing_agent_prints_secrets(
    configure: Callable[[], None], aiohttp_client: AiohttpClient, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither local variables nor what the question and the exceptions say of secrets come out anywhere."""
    configure()
    client = await aiohttp_client(create_app(agents={"broken": broken, "fine": fine}))
    started = await client.post("/v1/runs", json={"message": QUESTION})
    run_id = (await started.json())["run_id"]
    stream = await (await client.get(f"/v1/runs/{run_id}/events")).text()
    assert "event: broken.error" in stream
    assert "event: fine.done" in stream
    out, err = capfd.readouterr()
    printed = out + err
    assert "agent_failed" in printed
    if (
        configure is not standard_library
    ):  # that one leaves it to a filter or formatter of yours to print fields
        assert "ValueError" in printed
        assert "RuntimeError" in printed
        assert "in broken" in printed
    assert [canary for canary in CANARIES if canary in printed + stream] == []
    assert len(printed) < MAX_TRACEBACK_CHARS


async def fine(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "well"


async def test_a_failing_handler_prints_no_locals(
    aiohttp_client: AiohttpClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own faults go the same way as an agent's: a handler's frame holds the request's body."""
    app = create_app(agents={"fine": fine})
    client = await aiohttp_client(app)

    def fails(self: object, *args: object, **keys: object) -> Any:
        here = KEY
        raise RuntimeError("broken " + here[:0])

    monkeypatch.setattr("orchestrator.supervisor.supervisor.Supervisor.start", fails)
    answer = await client.post("/v1/runs", json={"message": QUESTION})
    assert answer.status == 500
    out, err = capfd.readouterr()
    assert "RuntimeError: broken" in out
    assert [canary for canary in CANARIES if canary in out + err] == []


def test_with_our_own_configuration_it_is_the_lines_exception() -> None:
    out = io.StringIO()
    configure_logging("json", stream=out)
    structlog.get_logger("x").error("broke", **failure(caught(ValueError("why"))))
    structlog.get_logger("x").error("ended", **failure(None))
    first, second = lines(out)
    assert first["exception"].startswith("Traceback")
    assert first["exception"].endswith("ValueError: why")
    assert "stack" not in first
    assert "exception" not in second


def test_a_foreign_loggers_traceback_has_no_lines_of_code() -> None:
    """A line of code may hold a key as well as a variable does."""
    out = io.StringIO()
    configure_logging("json", stream=out)
    try:
        raise ValueError(len("KEYCANARY77aa88bb"))
    except ValueError:
        logging.getLogger("theirs").exception("broke")
    assert "KEYCANARY" not in out.getvalue()
    assert "ValueError: 17" in lines(out)[0]["exception"]


# ── the text ──────────────────────────────────────────────────────────────────────────────────


def caught(exc: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise exc from cause
    except BaseException as raised:
        return raised


def test_it_reads_as_pythons_own() -> None:
    """The first cause comes first, each exception with the places that it went through."""
    text = traceback_text(caught(RuntimeError("late"), caught(KeyError("early"))))
    first, joint, last = text.split("\n\n")
    assert first.startswith("Traceback (most recent call last):\n  File ")
    assert "in caught" in first
    assert first.endswith("KeyError: 'early'")
    assert "direct cause" in joint
    assert last.endswith("RuntimeError: late")


def test_an_exception_while_another_was_handled_is_told_unless_it_was_hidden() -> None:
    def fails(hide: bool) -> None:
        try:
            raise KeyError("early")
        except KeyError:
            if hide:
                raise RuntimeError("late") from None
            raise RuntimeError("late")  # noqa: B904 - what is tested

    texts = []
    for hide in (False, True):
        with pytest.raises(RuntimeError) as raised:
            fails(hide)
        texts.append(traceback_text(raised.value))
    assert "During handling" in texts[0]
    assert "early" not in texts[1]


def test_own_classes_are_named_with_their_module() -> None:
    class Odd(Exception):
        pass

    assert f"{__name__}.test_own_classes" in traceback_text(Odd())
    assert traceback_text(Odd()).endswith("Odd")


def test_an_exception_that_cannot_be_printed_is_named_all_the_same() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no")

    assert traceback_text(Mute()).endswith("Mute: <it cannot be printed>")
    assert exception_words(Mute()) == "<it cannot be printed>"


def test_an_exception_without_words_is_called_by_its_class() -> None:
    assert exception_words(TimeoutError()) == "TimeoutError"
    assert exception_words(TimeoutError("too late")) == "too late"


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert traceback_text(first).count("ValueError") == 2


@pytest.mark.parametrize("kind", ["words", "frames", "chain", "group", "notes", "all"])
def test_its_size_is_bounded(kind: str) -> None:
    """Whatever an agent raises, a line of the log stays a line that one can read."""

    def dive(levels: int, words: str) -> None:
        if levels:
            return dive(levels - 1, words)
        raise ValueError(words)

    words = "word " * 1_000_000 if kind in ("words", "all") else "short"
    exc: BaseException = ValueError()
    try:
        dive(900 if kind in ("frames", "all") else 1, words)
    except ValueError as raised:
        exc = raised
    for _ in range(50 if kind in ("chain", "all") else 0):
        exc = caught(RuntimeError(words), exc)
    if kind in ("group", "all"):
        for _ in range(30):
            exc = caught(BaseExceptionGroup("many", [exc] * 100))
    for _ in range(500 if kind in ("notes", "all") else 0):
        exc.add_note(words)
    text = traceback_text(exc)
    assert len(text) < MAX_TRACEBACK_CHARS + 100
    if kind != "all":  # there the end may be cut off, and with it what says so: paths are longer or shorter
        assert ("left out" in text) == (kind in ("frames", "chain"))
    assert type(exc).__name__ in text


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert "\x1b" not in traceback_text(ValueError("\x1b[2J gone\r"))


# ── what an exception says ────────────────────────────────────────────────────────────────────


def test_credentials_are_cut_out_of_causes_notes_and_members() -> None:
    exc = ExceptionGroup("two", [ValueError(f"Bearer {KEY}"), ValueError({"token": "hunter2"})])
    exc.add_note(f"api_key={KEY}")
    exc.__cause__ = OSError(f"redis://:{KEY}@db refused")
    text = traceback_text(exc)
    assert KEY not in text
    assert "hunter2" not in text
    assert "db refused" in text


def test_values_of_secret_variables_are_cut_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """They need not look like keys: the variable's name says that they are."""
    monkeypatch.setenv("SOME_SERVICE_API_KEY", "plain old words")
    monkeypatch.setenv("SOME_SERVICE_HOST", "db.example")
    text = traceback_text(ValueError("plain old words were refused by db.example"))
    assert text.endswith(f"ValueError: {REDACTED} were refused by db.example")


@pytest.mark.parametrize(
    "said",
    [
        QUESTION,
        repr(QUESTION),
        json.dumps({"input": QUESTION}),
        f"input_value={QUESTION[:30]!r}...{QUESTION[-20:]!r}",
        f"cannot parse {QUESTION[3:45]}",
    ],
)
def test_quotations_of_the_question_are_cut_out(said: str) -> None:
    """Also parts of it, as validators quote them; the rest stays."""
    text = traceback_text(ValueError(f"before {said} after"), [QUESTION])
    assert "QUESTION-CANARY" not in text
    assert "ValueError: before " in text
    assert text.endswith(" after")


def test_a_question_over_several_lines_is_cut_out_as_repr_spells_it() -> None:
    question = 'first line\nit\'s "CANARY"\nlast line'
    assert "CANARY" not in traceback_text(KeyError(question), [question])


def test_words_that_happen_to_be_in_a_question_stay() -> None:
    text = traceback_text(ConnectionError("refused by db:5432"), ["Why is a db refused?", "refus", ""])
    assert text.endswith("ConnectionError: refused by db:5432")


def test_secrets_of_settings_are_found_wherever_they_stand() -> None:
    class Inner(FunctionSettings):
        key: SecretStr
        many: dict[str, SecretStr]

    settings = Inner(agent_id="a", stream="python:a", key=SecretStr("one"), many={"x": SecretStr("two")})
    assert set(secrets_in({"agents": [settings]})) == {"one", "two"}


def test_what_a_validator_was_given_is_not_quoted() -> None:
    """It may be anybody's message: what a provider or a tool's server sent."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, int]).validate_json('{"hour": "canary-7f3a", "day": 1}')
    words = str(traceback_text(caught.value))
    assert "hour: Input should be a valid integer" in words
    assert "canary-7f3a" not in words
