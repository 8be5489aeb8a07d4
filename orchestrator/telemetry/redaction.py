"""Blanks what looks like a secret in log lines: values by their keys, and credentials inside of any text."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from structlog.typing import EventDict, WrappedLogger

REDACTED = "[redacted]"
MAX_DEPTH = 6
UNPRINTABLE = "<it cannot be printed>"
MAX_WORDS_CHARS = 1000
"""Of what an exception says itself."""
LEAST_SECRET_CHARS = 6
"""Shorter texts are no secrets: cutting them out of others would make those unreadable."""
LEAST_QUOTE_CHARS = 16
"""What an exception has in common with a hidden text for this long is taken for a quotation of it."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
MAX_WRONG = 4
"""Places that are named of those which a validator found wrong."""
_OWN_KEYS = frozenset({"timestamp", "level", "logger"})
"""What `_shared_processors` put into each line themselves."""
_HARMLESS: set[str] = set()
"""Short texts that hold no credential; never one that holds any."""
_HARMLESS_CHARS, _MAX_HARMLESS = 64, 4096
SECRET_KEY = re.compile(
    r"(^|[_.\-\s])(token|secret|passwd|password|passphrase|authorization|cookie|credentials?|api[_-]?key|apikey"
    r"|(?:access|private|secret)[_-]?key)$",
    re.IGNORECASE,
)
_NAMED = r"(?:[a-z0-9_]*[_-])?(?:token|api[_-]?key|secret|passw(?:or)?d|passphrase|(?:access|private|secret)[_-]key)"
_SECRET_VALUES: tuple[tuple[re.Pattern[str], str, tuple[str, ...]], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)[ .]+[a-z0-9._~+/=-]{4,}"), rf"\1 {REDACTED}", (" ", ".")),
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*@"), f"{REDACTED}@", ("@",)),
    (
        re.compile(r"\b(sk|rk|pk|hf|gsk|xai|gh[opsu]|github_pat|xox[abeprs])[-_][A-Za-z0-9_-]{8,}"),
        REDACTED,
        ("-", "_"),
    ),
    (re.compile(r"\b(AKIA|ASIA|AIza)[A-Za-z0-9_-]{12,}"), REDACTED, ("AKIA", "ASIA", "AIza")),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), REDACTED, ("eyJ",)),
    # token=x, api_key='x y', and as a dictionary or a JSON text has them: 'token': 'x'
    (
        re.compile(rf"(?i)\b({_NAMED}\s*=\s*)(?:(['\"]).*?(?:\2|$)|[^\s&'\"]+)"),
        rf"\1{REDACTED}",
        ("=",),
    ),
    (
        re.compile(rf"(?i)((['\"]){_NAMED}\2\s*:\s*)(?:b?(['\"]).*?(?:\3|$)|[^\s,}}'\"]+)"),
        rf"\1{REDACTED}",
        (":",),
    ),
    (
        re.compile(r"(?i)((['\"]?)\b(?:proxy-)?authorization\2\s*[:=]\s*)(?:b?(['\"]).*?(?:\3|$)|\S+)"),
        rf"\1{REDACTED}",
        (":", "="),
    ),
)
"""What looks like a credential, what stands in its place, and the marks of which at least one is in each of them."""


def redact(logger: WrappedLogger, method_name: str, event_dict: EventDict) -> EventDict:
    """Blank values whose key names a secret, and what looks like one inside any text."""
    return {
        key: value
        if key in _OWN_KEYS
        else REDACTED
        if value and _names_secret(key)
        else value
        if type(value) is int or (type(value) is str and value in _HARMLESS)
        else _redact_value(value, 1)
        for key, value in event_dict.items()
    }


def _redact_mapping(mapping: Mapping[str, Any], depth: int) -> MutableMapping[str, Any]:
    return {
        key: REDACTED if value and _names_secret(str(key)) else _redact_value(value, depth + 1)
        for key, value in mapping.items()
    }


def _redact_value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, int | float):
        return value
    if depth > MAX_DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        return _redact_mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(each, depth + 1) for each in value]
    if isinstance(value, BaseException):
        return redact_text(f"{type(value).__qualname__}({clean_words(said_by(value))!r})")
    return value


def said_by(exc: object) -> str:
    """Return what an exception, or a note of one, says; a validator's says what it was given, too, which may be
    anybody's message."""
    try:
        return _without_input(exc) if type(exc).__module__.startswith("pydantic_core") else str(exc)
    except (Exception, SystemExit, KeyboardInterrupt):  # noqa: BLE001 - somebody else's, which cannot even say what it is
        return UNPRINTABLE


def _without_input(exc: Any) -> str:
    wrong = exc.errors(include_url=False, include_context=False, include_input=False)[:MAX_WRONG]
    places = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong]
    return f"{exc.error_count()} validation errors for {exc.title}: {'; '.join(places)}"


def clean_words(text: str, hidden: tuple[str, ...] = ()) -> str:
    """Return what an exception says, of bounded length, without credentials and quotations of what is *hidden*."""
    # Cut twice: the first one bounds the work, and a credential that it halves ends behind the second one.
    text = _CONTROLS.sub("\ufffd", text[: 4 * MAX_WORDS_CHARS])
    for each in hidden:
        if len(each) >= LEAST_SECRET_CHARS:
            text = text.replace(each, REDACTED)
    text = redact_text(text)
    for each in hidden:
        if len(each) > LEAST_QUOTE_CHARS:
            text = _without_quotes(text, each)
    return text if len(text) <= MAX_WORDS_CHARS else f"{text[:MAX_WORDS_CHARS]}…"


def _without_quotes(text: str, hidden: str) -> str:
    """Cut the parts of *text* that are parts of *hidden*: a validator, say, quotes the beginning and the end."""
    kept: list[str] = []
    at = 0
    while at < len(text):
        end = at + LEAST_QUOTE_CHARS
        if end > len(text) or text[at:end] not in hidden:
            kept.append(text[at])
            at += 1
            continue
        while end < len(text) and text[at : end + 1] in hidden:
            end += 1
        kept.append(REDACTED)
        at = end
    return "".join(kept)


def redact_text(text: str) -> str:
    """Blank what looks like a credential in *text*: a bearer token, an API key, a password in a URL."""
    if text in _HARMLESS:
        return text
    redacted = text
    for pattern, replacement, marks in _SECRET_VALUES:
        for mark in marks:
            if mark in redacted:  # to look for a mark costs a tenth of what the pattern does
                redacted = pattern.sub(replacement, redacted)
                break
    if redacted == text and len(text) <= _HARMLESS_CHARS:
        # The same few words stand in most lines, and to look through them costs more than to print them.
        if len(_HARMLESS) >= _MAX_HARMLESS:
            _HARMLESS.clear()
        _HARMLESS.add(text)
    return redacted


@lru_cache(maxsize=1024)
def _names_secret(key: str) -> bool:
    return SECRET_KEY.search(key) is not None
