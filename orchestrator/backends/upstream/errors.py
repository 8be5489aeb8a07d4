"""What an upstream says of its own failure → the protocol's words, for every kind of backend.

Read are a status, a code and a type, wherever a server puts them, and looked up in `error_codes`; what it says in
prose is not passed on. Knows no SDK and does no I/O.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import AgentError
from ...sse_parser import MAX_EVENT_BYTES
from .error_codes import (
    AUTH,
    BROKE_OFF,
    LIMITED,
    MOST_TELLING,
    NO_CREDIT,
    REJECTED,
    UNAVAILABLE,
    Verdict,
    look_up,
)

PROVIDER = "The model's provider"
BUSY_STATUSES = frozenset({408, 409, 425, 498})
"""Below 500 and yet worth another try: a timeout, busy (Letta), too early, out of capacity (Groq)."""


class SilenceLimit:
    """Counts what a server sends without an event: one that sends nothing but signs of life, and many, is given up.

    Args:
        who: Sends; begins the message.
    """

    __slots__ = ("_bytes", "_who")

    def __init__(self, who: str = PROVIDER) -> None:
        self._who = who
        self._bytes = 0

    def note(self, chunk: bytes, events: Sequence[object]) -> None:
        """Note what came, and the events that it completed.

        Raises:
            AgentError: `upstream_invalid`: that were more bytes than an event may have, and none came.
        """
        if events:
            self._bytes = 0
            return
        self._bytes += len(chunk)
        if self._bytes > MAX_EVENT_BYTES:
            raise AgentError("upstream_invalid", f"{self._who} sends much that says nothing.")


_NESTED = ("error", "errors", "inner_error", "innererror", "last_error", "detail", "fault", "status_details")
_STATUS_KEYS = ("code", "status", "status_code", "statusCode", "http_code", "http_status", "error_code", "errorCode",
                "originalStatusCode")  # fmt: skip
_WORD_KEYS = (
    "code",
    "type",
    "status",
    "reason",
    "error_type",
    "error_code",
    "errorCode",
    "errorcode",
    "error",
)
_MESSAGE_KEYS = ("message", "msg", "error_msg", "errorMessage", "status_msg", "detail")
_BARE = ("code", "status", "errors", "status_code", "statusCode", "error_code", "errorCode")
_EXCEPTION = re.compile(r"[a-z]\w{0,60}(Exception|Error)")
_NO_ERROR = frozenset({"", "null", "none", "false", "0", "200", "ok", "success", "no error", "no_error"})
_STATUS = re.compile(
    r"\s*(?:(?:http|error|err|status|code|e)[\s_\-:]*){0,3}([45]\d\d)(?![0-9])", re.IGNORECASE
)
_WAIT_KEYS = ("retry_after", "retry_after_seconds", "retryAfter")


def verdict_of_status(status: int, who: str = PROVIDER) -> Verdict:
    """Return what an HTTP status says, without its number in the message."""
    if status in (401, 403):
        return AUTH
    if status == 402:
        return NO_CREDIT
    if status == 429:
        return LIMITED
    if status >= 500 or status in BUSY_STATUSES:
        return UNAVAILABLE
    return REJECTED


def verdict_in(error: Any) -> Verdict | None:
    """Return what the words in an error object (or a bare word) say; None if they say nothing known."""
    found = {verdict for word in _words_in(error) if (verdict := look_up(word)) is not None}
    if found <= {REJECTED}:  # which some servers call everything, an empty account too
        messages = [source.get(key) for source in _sources(error) for key in _MESSAGE_KEYS]
        found |= {
            v
            for said in messages
            if isinstance(said, str) and (v := look_up(said, is_prose=True)) is not None
        }
    return next((verdict for verdict in MOST_TELLING if verdict in found), None)


def error_in_stream(error: Any, *, who: str = PROVIDER) -> AgentError:
    """Translate an error that stands in an answer which began well: its words first, then its status."""
    status = status_in(error)
    verdict = verdict_in(error)
    if status is not None and (verdict is None or verdict in (REJECTED, UNAVAILABLE)):
        # A status is plainer than the words of a gateway, which call many things `invalid_request_error`.
        verdict = verdict_of_status(status)
    code, message = verdict or BROKE_OFF
    return AgentError(code, message.format(who=who), retry_after=_wait_in(error))


def bare_error(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the error that an event is which has no `error` in it; None for any other event.

    Alibaba's and Zhipu's have its parts beside each other, Amazon's are called by their kind.
    """
    for name, said in value.items():
        if isinstance(said, Mapping) and _EXCEPTION.fullmatch(name):
            return {"code": name, **said}
    if isinstance(value.get("fault"), Mapping) or isinstance(value.get("detail"), Mapping):
        return value
    is_said = any(isinstance(value.get(key), str) for key in _MESSAGE_KEYS)
    sign = next((value[key] for key in _BARE if value.get(key)), None)
    return value if is_error(value.get("errors")) or (is_said and is_error(sign)) else None


def is_error(error: Any) -> bool:
    """Whether *error* says that something failed; some servers send an empty one with each good piece."""
    if isinstance(error, Mapping):
        code = error.get("code")
        if code in (0, "0", 200, "200", "success", "ok") and not error.get("message"):
            return False
        return any(is_error(value) for value in error.values())
    if isinstance(error, (list, tuple)):
        return any(is_error(value) for value in error)
    if isinstance(error, str):
        return error.strip().lower() not in _NO_ERROR
    return error is True or (bool(error) and error != 200)


def status_in(error: Any) -> int | None:
    """Return the HTTP status that an error object tells, as a number or as digits."""
    for source in _sources(error):
        for key in _STATUS_KEYS:
            value = source.get(key)
            if isinstance(value, str) and (found := _STATUS.match(value)) is not None:
                return int(found[1])
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 400 <= value < 600:
                return int(value)
    return None


def _wait_in(error: Any) -> float | None:
    for source in _sources(error):
        for key in _WAIT_KEYS:
            value = source.get(key)
            try:
                seconds = float(value) if isinstance(value, (int, float, str)) else math.nan
            except ValueError:
                continue
            if math.isfinite(seconds) and seconds >= 0:
                return seconds
    return None


def _sources(error: Any) -> list[Mapping[str, Any]]:
    """The error object and those in it; a bare number or word counts as its code."""
    if isinstance(error, (list, tuple)):
        return [found for each in error for found in _sources(each)]
    if isinstance(error, (int, float, str)) and not isinstance(error, bool):
        return [{"code": error}]
    if not isinstance(error, Mapping):
        return []
    inner = [found for key in _NESTED for found in _sources(error.get(key))]
    metadata = error.get("metadata")
    return [error, *inner, *([metadata] if isinstance(metadata, Mapping) else [])]


def _words_in(error: Any) -> list[str]:
    said = [source.get(key) for source in _sources(error) for key in _WORD_KEYS]
    return [str(value) for value in said if isinstance(value, (str, int))]
