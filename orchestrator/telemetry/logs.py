"""Log lines without secrets: their set-up for a whole process, and an exception as a text that any set-up prints.

Only a command may call `configure_logging`; a library never does. So whatever an application has configured, or
not, decides how our lines look, and it may print local variables with every `exc_info`: no module of ours hands
one on, but the text that `failure` makes. Prompts and answers are not logged by us, and the libraries that would
log them when asked for details are not asked.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from .log_lines import PlainLine, lines_to
from .redaction import MAX_DEPTH, SECRET_KEY, UNPRINTABLE, clean_words, redact, said_by

LogFormat = Literal["json", "console"]

TALKATIVE_LOGGERS = (
    "aiohttp.access",
    "anyio",
    "hpack",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "letta_client",
    "mcp",
    "openai",
    "openai.agents",
    "urllib3",
)
"""Below WARNING these name addresses with their queries, headers, or whole prompts and answers."""

MAX_CAUSES = 6
"""Exceptions of a chain that are shown."""
MAX_MEMBERS = 4
"""Exceptions of a group, and notes of an exception, that are shown."""
FIRST_FRAMES, LAST_FRAMES = 4, 12
"""Frames of a traceback that are shown: where it began, and where it broke."""
MAX_TRACEBACK_CHARS = 8000
MAX_HIDDEN_CHARS = 50_000


def configure_logging(
    format: LogFormat = "console", level: str = "info", *, stream: TextIO | None = None
) -> None:
    """Send all log lines of the process to *stream* (stderr), as JSON or for people.

    Args:
        level: `debug`, `info`, `warning`, `error` or `critical`.

    May be called again; the last call counts.
    """
    out = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared, final = _shared_processors(), _final_processors(format, colors=out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *final,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in TALKATIVE_LOGGERS:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    logging.captureWarnings(True)
    chain = [*shared, *final]
    structlog.configure(
        processors=[PlainLine(chain, redact, _encode)] if format == "json" else chain,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lines_to(handler),
        cache_logger_on_first_use=False,  # module-level loggers exist before a command configures
    )


_encode = json.JSONEncoder(default=str, ensure_ascii=True).encode
"""Kept, since `dumps` makes an encoder for each line."""


def _shared_processors() -> list[Processor]:
    """What every line gets, wherever it comes from."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _final_processors(format: LogFormat, *, colors: bool) -> list[Processor]:
    """What renders a line. Exceptions, also those that other libraries log, become text first."""
    if format == "json":
        renderer: Processor = structlog.processors.JSONRenderer(lambda line, **_: _encode(line))
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    as_text = structlog.processors.ExceptionRenderer(lambda exc_info: str(traceback_text(exc_info[1])))
    return [as_text, _name_traceback, redact, renderer]


def _name_traceback(logger: WrappedLogger, method_name: str, event_dict: EventDict) -> EventDict:
    """Give our own tracebacks the name under which those of other loggers stand."""
    if isinstance(event_dict.get("stack"), TracebackText):
        event_dict["exception"] = str(event_dict.pop("stack"))
    return event_dict


# ── exceptions ────────────────────────────────────────────────────────────────────────────────


class TracebackText(str):
    """A traceback in plain text, made here, so that `configure_logging` can distinguish it from other texts."""

    __slots__ = ()


def failure(exc: BaseException | None, hide: Iterable[str] = ()) -> dict[str, TracebackText]:
    """Return the field that holds a log line's *exc*: `log.error("x_failed", **failure(exc))`.

    It is called `stack`, because every renderer of structlog prints that as the text that it is, whereas
    `exc_info` makes some of them show local variables, and `exception` makes them warn. None has no field.

    Args:
        hide: What the text must not quote: the question, answers, keys.
    """
    return {} if exc is None else {"stack": traceback_text(exc, hide)}


def traceback_text(exc: BaseException | None, hide: Iterable[str] = ()) -> TracebackText:
    """Return *exc* and its causes as Python prints them, but without lines of code and of bounded size.

    What an exception says itself stays, as nobody could mend a fault without it; what looks like a credential,
    the values of variables such as `OPENAI_API_KEY`, and quotations of *hide* are cut out of it.
    """
    if exc is None:
        return TracebackText("")
    try:
        text = "\n".join(_lines(exc, _hidden(hide)))
    except (Exception, SystemExit, KeyboardInterrupt):  # noqa: BLE001 - any part of it may be somebody's code
        text = f"{class_name(exc)}: {UNPRINTABLE}"
    if len(text) > MAX_TRACEBACK_CHARS:
        half = MAX_TRACEBACK_CHARS // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters are left out …\n{text[-half:]}"
    return TracebackText(text)


def _lines(exc: BaseException, hidden: tuple[str, ...]) -> list[str]:
    chain, cut = _chain(exc)
    lines = ["… earlier causes are left out"] if cut else []
    for number, (each, joint) in enumerate(chain):
        if number:
            lines += ["", joint, ""]
        lines += _one_exception(each, hidden)
    return lines


def exception_words(exc: BaseException, hide: Iterable[str] = ()) -> str:
    """Return what *exc* says, or its class if it says nothing, as `traceback_text` has it."""
    return _words(exc, _hidden(hide)) or class_name(exc)


def places(exc: BaseException) -> dict[str, TracebackText]:
    """Return the field that holds where *exc* was raised and of what class it is, but nothing that it says."""
    frames = _frames(exc.__traceback__) if exc.__traceback__ is not None else ()
    return {"stack": TracebackText("\n".join([*frames, class_name(exc)]))}


def printable(text: str) -> str:
    """Return *text* as a screen may show it, line by line: somebody's words may stand in it."""
    hidden = _hidden(())
    return "\n".join(clean_words(line, hidden) for line in text.splitlines())


def secrets_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the values of all `SecretStr` in settings, for *hide*."""
    if depth > MAX_DEPTH:
        return
    reveal = getattr(value, "get_secret_value", None)
    if callable(reveal):
        yield str(reveal())
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from secrets_in(each, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from secrets_in(each, depth + 1)
    elif hasattr(type(value), "model_fields"):
        yield from secrets_in(vars(value), depth + 1)


def _chain(exc: BaseException) -> tuple[list[tuple[BaseException, str]], bool]:
    """Return *exc* and what led to it, the first cause first, each with the words that join it to the one before."""
    found: list[tuple[BaseException, str]] = []
    seen: set[int] = set()
    each: BaseException | None = exc
    while each is not None and id(each) not in seen and len(found) < MAX_CAUSES:
        seen.add(id(each))
        if each.__cause__ is not None:
            found.append((each, "The above exception was the direct cause of the following exception:"))
            each = each.__cause__
        else:
            found.append((each, "During handling of the above exception, another exception occurred:"))
            each = None if each.__suppress_context__ else each.__context__
    return found[::-1], each is not None and id(each) not in seen


def _one_exception(exc: BaseException, hidden: tuple[str, ...], depth: int = 0) -> list[str]:
    lines = []
    if exc.__traceback__ is not None:
        lines += ["Traceback (most recent call last):", *_frames(exc.__traceback__)]
    kind = type(exc)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    words = _words(exc, hidden)
    lines.append(f"{name[:200]}: {words}" if words else name[:200])
    notes = getattr(exc, "__notes__", None)
    if isinstance(notes, list):
        lines += [clean_words(said_by(note), hidden) for note in notes[:MAX_MEMBERS]]
    if isinstance(exc, BaseExceptionGroup) and depth < 2:
        for number, member in enumerate(exc.exceptions[:MAX_MEMBERS], 1):
            lines.append(f"  member {number} of {len(exc.exceptions)}:")
            chain, _ = _chain(member)
            for each, _ in chain:
                lines += ["    " + line for line in _one_exception(each, hidden, depth + 1)]
    return lines


def _frames(traceback: TracebackType) -> Iterator[str]:
    """Yield the frames' places: what stands in the file there may be a key, and to read it takes a disk's time."""
    places = []
    at: TracebackType | None = traceback
    while at is not None:
        code = at.tb_frame.f_code
        places.append((code.co_filename, at.tb_lineno, code.co_name))
        at = at.tb_next
    left_out = len(places) - FIRST_FRAMES - LAST_FRAMES
    for number, (file, line, name) in enumerate(places):
        if left_out > 0 and number == FIRST_FRAMES:
            yield f"  … {left_out} frames are left out"
        if left_out <= 0 or number < FIRST_FRAMES or number >= FIRST_FRAMES + left_out:
            yield f'  File "{file[-200:]}", line {line}, in {name[:100]}'


def class_name(exc: BaseException) -> str:
    """Return the name of an exception's class."""
    try:
        return str(type(exc).__qualname__)[:200]
    except (Exception, SystemExit, KeyboardInterrupt):  # noqa: BLE001 - its metaclass is somebody's code, too
        return "an exception"


def _words(exc: BaseException, hidden: tuple[str, ...]) -> str:
    return clean_words(said_by(exc), hidden)


def _hidden(hide: Iterable[str]) -> tuple[str, ...]:
    """Return what must not be quoted, as it is and as `repr` spells it, longest first."""
    found = {value for name, value in os.environ.items() if SECRET_KEY.search(name)}
    for text in hide:
        found |= {text[:MAX_HIDDEN_CHARS], repr(text[:MAX_HIDDEN_CHARS])[1:-1]}
    return tuple(sorted(found, key=len, reverse=True))
