"""Sets up logging for a whole process: structlog and the standard library, to stderr, without secrets.

Only a command may call `configure_logging`; a library never does. Prompts and answers are not logged by us,
and the libraries that would log them when asked for details are not asked.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from structlog.typing import EventDict, Processor, WrappedLogger

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

QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; their access lines are of level debug."""

REDACTED = "[redacted]"
_MAX_DEPTH = 6
_SECRET_KEY = re.compile(
    r"(^|[_.\-\s])(token|secret|passwd|password|passphrase|authorization|cookie|credentials?|api[_-]?key|apikey)$",
    re.IGNORECASE,
)
_SECRET_VALUES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)[ .]+[a-z0-9._~+/=-]{4,}"), rf"\1 {REDACTED}"),
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*@"), f"{REDACTED}@"),
    (re.compile(r"\b(sk|rk|pk)-[A-Za-z0-9_-]{8,}"), REDACTED),
    (
        re.compile(r"(?i)\b((?:access_|refresh_|id_)?token|api[_-]?key|secret|password)=[^\s&'\"]+"),
        rf"\1={REDACTED}",
    ),
)


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
    shared = _shared_processors()
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_final_processors(format, colors=out.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in TALKATIVE_LOGGERS:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # module-level loggers exist before a command configures
    )


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
    """What renders a line. Exceptions become text first, so that they are redacted too.

    Tracebacks show no local variables: those hold prompts.
    """
    if format == "json":
        renderer: Processor = structlog.processors.JSONRenderer(default=str, ensure_ascii=True)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    return [structlog.processors.format_exc_info, redact, renderer]


# ── secrets ───────────────────────────────────────────────────────────────────────────────────


def redact(logger: WrappedLogger, method_name: str, event_dict: EventDict) -> EventDict:
    """Blank values whose key names a secret, and what looks like one inside any text."""
    return _redact_mapping(event_dict, 0)


def _redact_mapping(mapping: Mapping[str, Any], depth: int) -> MutableMapping[str, Any]:
    return {
        key: REDACTED if value and _SECRET_KEY.search(str(key)) else _redact_value(value, depth + 1)
        for key, value in mapping.items()
    }


def _redact_value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if depth > _MAX_DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        return _redact_mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(each, depth + 1) for each in value]
    if isinstance(value, BaseException):
        return redact_text(repr(value))
    return value


def redact_text(text: str) -> str:
    """Blank what looks like a credential in *text*: a bearer token, an API key, a password in a URL."""
    for pattern, replacement in _SECRET_VALUES:
        text = pattern.sub(replacement, text)
    return text


# ── one line per request ──────────────────────────────────────────────────────────────────────


class AccessLog(AbstractAccessLogger):
    """Logs method, path, status and duration of each request; pass it as `access_log_class`.

    A stream's line comes when it ends. Queries and bodies are left out: they hold cursors, and may hold
    secrets.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        path = request.rel_url.raw_path  # still percent-encoded, so it cannot break a line
        log = structlog.get_logger("orchestrator.access")
        write = log.debug if path in QUIET_PATHS else log.info
        write(
            "request",
            method=request.method,
            path=path,
            status=response.status,
            ms=round(time * 1000, 1),
            bytes=response.body_length,
        )
