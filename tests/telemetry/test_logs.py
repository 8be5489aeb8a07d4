"""Covers `orchestrator/telemetry/logs.py`, by the lines it writes."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NoReturn

import pytest
import structlog

from orchestrator.errors import AgentError, is_agent_error
from orchestrator.telemetry.logs import class_name, configure_logging, exception_words, traceback_text
from orchestrator.telemetry.redaction import REDACTED
from tests.support.loglines import lines, own_logging


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    with own_logging():
        yield


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def test_a_line_has_time_level_logger_and_ids(out: io.StringIO) -> None:
    """Ids that were bound to the context are on every line below it."""
    configure_logging("json", stream=out)
    with structlog.contextvars.bound_contextvars(run_id="run_1", agent_id="skeptic"):
        structlog.get_logger("orchestrator.agent.pump").info("agent_started", attempt=1)
    [line] = lines(out)
    moment = datetime.fromisoformat(line.pop("timestamp"))
    assert moment.utcoffset() is not None
    assert line == {
        "event": "agent_started",
        "level": "info",
        "logger": "orchestrator.agent.pump",
        "attempt": 1,
        "run_id": "run_1",
        "agent_id": "skeptic",
    }


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("foreign", [True, False])
def test_a_stream_that_takes_nothing_ends_nobody(
    foreign: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or a pipe whose reader is gone."""
    configure_logging("json", stream=Full())
    for talkative in (True, False):
        monkeypatch.setattr(logging, "raiseExceptions", talkative)
        if foreign:
            logging.getLogger("x").error("lost")
        else:
            structlog.get_logger("x").error("lost")
        assert ("No space left" in capsys.readouterr().err) is talkative


def test_a_logger_without_a_name_has_one(out: io.StringIO) -> None:
    configure_logging("json", stream=out)
    structlog.get_logger().info("hello")
    assert lines(out)[0]["logger"] == "orchestrator"


def test_the_standard_librarys_loggers_come_out_alike(out: io.StringIO) -> None:
    configure_logging("json", stream=out)
    with structlog.contextvars.bound_contextvars(run_id="run_1"):
        logging.getLogger("aiohttp.server").error("Error from %s", "1.2.3.4", extra={"port": 7})
    [line] = lines(out)
    assert (line["event"], line["level"], line["logger"]) == ("Error from 1.2.3.4", "error", "aiohttp.server")
    assert (line["run_id"], line["port"]) == ("run_1", 7)


@pytest.mark.parametrize("foreign", [True, False])
@pytest.mark.parametrize("format", ["json", "console"])
def test_an_exception_is_one_readable_traceback_without_locals(
    out: io.StringIO, format: Any, foreign: bool
) -> None:
    """Local variables hold prompts; the exception's own text may hold a key."""
    configure_logging(format, stream=out)

    def fails() -> None:
        the_prompt = "tell me a " + "secret story"
        raise ValueError("upstream said: Bearer abcdef123456", len(the_prompt))

    try:
        fails()
    except ValueError:
        if foreign:
            logging.getLogger("x").exception("broke")
        else:
            structlog.get_logger("x").exception("broke")
    text = out.getvalue()
    assert "in fails" in text
    assert "ValueError" in text
    assert "secret story" not in text
    assert "abcdef123456" not in text
    if format == "json":
        [line] = lines(out)
        assert line["exception"].startswith("Traceback")


def test_levels_below_the_threshold_are_left_out(out: io.StringIO) -> None:
    configure_logging("json", "warning", stream=out)
    structlog.get_logger("a").info("no")
    logging.getLogger("a").info("no")
    structlog.get_logger("a").warning("yes")
    assert [line["event"] for line in lines(out)] == ["yes"]


@pytest.mark.parametrize(
    "name", ["openai", "openai.agents", "httpx", "httpx2", "httpcore", "openai._base_client"]
)
def test_libraries_that_log_prompts_stay_quiet_even_at_debug(out: io.StringIO, name: str) -> None:
    configure_logging("json", "debug", stream=out)
    logging.getLogger(name).debug("Request options: %s", {"input": "the prompt"})
    logging.getLogger(name).info("HTTP Request: POST https://api.example/?key=1")
    logging.getLogger(name).warning("seen")
    assert [line["event"] for line in lines(out)] == ["seen"]


def test_configuring_again_replaces_the_first(out: io.StringIO) -> None:
    configure_logging("json", stream=io.StringIO())
    configure_logging("json", stream=out)
    structlog.get_logger("a").info("once")
    assert len(lines(out)) == 1


def test_warnings_are_log_lines(out: io.StringIO) -> None:
    configure_logging("json", stream=out)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(True)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    assert "old thing" in lines(out)[0]["event"]


def test_the_console_format_is_for_people(out: io.StringIO) -> None:
    configure_logging("console", stream=out)
    structlog.get_logger("a").info("listening", port=8080)
    assert "listening" in out.getvalue()
    assert "port=8080" in out.getvalue()
    assert "\x1b[" not in out.getvalue()


# ── secrets ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "key",
    ["token", "api_key", "apikey", "api-key", "X-API-Key", "Authorization", "password", "client_secret",
     "Cookie", "access_token", "aws_credentials", "Set-Cookie"],
)  # fmt: skip
def test_secret_keys_are_blanked_at_any_depth(out: io.StringIO, key: str) -> None:
    configure_logging("json", stream=out)
    structlog.get_logger("a").info("x", **{key: "hunter2"}, nested={"deep": [{key: "hunter2"}]})
    logging.getLogger("a").info("y", extra={key: "hunter2"})
    assert "hunter2" not in out.getvalue()
    assert lines(out)[0][key] == REDACTED
    assert lines(out)[0]["nested"] == {"deep": [{key: REDACTED}]}


@pytest.mark.parametrize("key", ["output_tokens", "tokens_per_s", "key", "tokens", "author", "tokenizer"])
def test_innocent_keys_are_kept(out: io.StringIO, key: str) -> None:
    configure_logging("json", stream=out)
    structlog.get_logger("a").info("x", **{key: 12})
    assert lines(out)[0][key] == 12


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("a key of 1234")


class NoList(list[str]):
    def __getitem__(self, at: object) -> NoReturn:
        raise RuntimeError("a key of 1234")


@pytest.mark.parametrize("notes", [[Unprintable()], NoList(["a"])])
def test_an_exception_whose_notes_cannot_be_printed_is_logged_all_the_same(notes: list[object]) -> None:
    """Whoever logs a failing agent would fail itself, and end the run of all others."""
    exc = RuntimeError("it broke")
    exc.__notes__ = notes  # type: ignore[assignment]
    text = traceback_text(exc)
    assert text.startswith("RuntimeError: ")
    assert "1234" not in text
    assert "<it cannot be printed>" in text


class Meta(type):
    def __getattribute__(cls, name: str) -> object:
        if name in ("__qualname__", "__module__"):
            raise RuntimeError("a key of 1234")
        return super().__getattribute__(name)


class Nameless(Exception, metaclass=Meta):
    """One whose class cannot be asked for its name."""


class Classless(Exception):
    @property
    def __class__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("a key of 1234")


class Causeless(Exception):
    @property
    def __cause__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("a key of 1234")


@pytest.mark.parametrize("kind", [Nameless, Classless, Causeless])
def test_an_exception_that_cannot_be_looked_at_has_words_all_the_same(kind: type[Exception]) -> None:
    exc = kind()
    for text in (traceback_text(exc), exception_words(exc), class_name(exc)):
        assert text
        assert "1234" not in text
    assert not is_agent_error(exc)
    assert is_agent_error(AgentError("internal", "x"))
