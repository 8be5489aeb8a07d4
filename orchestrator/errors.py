"""Every exception this package raises on purpose, and nothing else.

The tree::

    OrchestratorError
    ├── ConfigError            agents_config is wrong; `.problems` names file, line and key
    ├── AgentError             one agent failed; becomes that agent's `error` event
    ├── ToolError              a tool failed; its words are for the model and for clients
    ├── RequestError           a caller asked for something that cannot be done
    │   ├── InvalidRequest     fields are at fault; `.fields`
    │   ├── NotFound           no such run, agent, approval
    │   ├── Gone               the run was deleted or has expired
    │   ├── Conflict           the state forbids it now
    │   ├── LimitReached       a limit; `.retry_after` seconds
    │   └── Unavailable        starting, draining or without its log
    ├── ClientError            the Python client was refused, or lost its server (`client.http`)
    ├── EventTooLarge          an event outgrew the reader's bound (`sse_parser`)
    └── LogError
        ├── GapError           a cursor this log cannot go on from
        ├── Fenced             another worker owns the run now
        ├── LogUnavailable     the store does not answer
        └── UnreadableRequest  what a run was started with is broken, or of another release
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

ErrorCode = Literal[
    "upstream_auth",
    "upstream_rate_limited",
    "upstream_unavailable",
    "upstream_rejected",
    "upstream_invalid",
    "timeout_first_token",
    "timeout_idle",
    "timeout_total",
    "output_limit",
    "max_turns",
    "guardrail",
    "refusal",
    "tool_failed",
    "approval_timeout",
    "budget",
    "worker_lost",
    "shutdown",
    "internal",
]
ERROR_CODES: tuple[ErrorCode, ...] = get_args(ErrorCode)
GapReason = Literal["trimmed", "epoch", "ahead", "malformed"]

RETRYABLE_CODES: frozenset[ErrorCode] = frozenset(
    {
        "upstream_rate_limited",
        "upstream_unavailable",
        "upstream_invalid",
        "timeout_first_token",
        "timeout_idle",
    }
)


class OrchestratorError(Exception):
    """Base of everything raised here on purpose."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in a configuration file. `line` counts from 1; None if no line is at fault."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(OrchestratorError):
    """The configuration cannot be used; `problems` holds every mistake that was found."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class AgentError(OrchestratorError):
    """One agent failed.

    Args:
        code: One of the protocol's error codes; any other becomes `internal`.
        message: Said to clients, so it holds no secret and no provider's body.
        retryable: Whether another attempt may succeed; None asks the code.
        retry_after: Seconds the upstream asked for, if it did; what is no such number counts as None.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        # Agents of users raise this too, and what they say goes to clients and into the log: only what the
        # protocol knows may pass, whatever the annotations say.
        self.code: ErrorCode = code if code in ERROR_CODES else "internal"
        said: object = message
        self.message = said if isinstance(said, str) else "The agent failed without saying why."
        self.retryable = self.code in RETRYABLE_CODES if retryable is None else bool(retryable)
        self.retry_after = _seconds(retry_after)


def is_agent_error(exc: BaseException) -> TypeGuard[AgentError]:
    """Whether *exc* is an `AgentError`. `isinstance` asks what is none for its `__class__`, which may raise."""
    return issubclass(type(exc), AgentError)


class ToolError(OrchestratorError):
    """A tool failed, in words meant for the model and for clients; those of any other exception reach neither.

    Raise it in a tool of your own: ``raise ToolError("There is no city called Atlantis.")``.
    """


def new_error_id() -> str:
    """Make the id that joins what clients are sent of an error to a line of the server's log."""
    return f"err_{os.urandom(8).hex()}"


def _seconds(value: object) -> float | None:
    """Return *value* if it is a time that can be waited for."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


class RequestError(OrchestratorError):
    """A caller asked for something that cannot be done; the message says what and what to do."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field at fault: `at` is its path, as in ``agents[1]``."""

    at: str
    detail: str


class InvalidRequest(RequestError):
    """Fields of a request are wrong."""

    def __init__(self, detail: str, fields: Sequence[FieldProblem] = ()) -> None:
        super().__init__(detail)
        self.fields = tuple(fields)


class NotFound(RequestError):
    """Nothing has that name."""


class Gone(RequestError):
    """It was there, and was deleted or has expired."""


class Conflict(RequestError):
    """The state it is in forbids it."""


class LimitReached(RequestError):
    """A limit is reached; `retry_after` is in seconds."""

    def __init__(self, detail: str, *, retry_after: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(RequestError):
    """The service is starting, draining, or has lost its log; `retry_after` is in seconds."""

    def __init__(self, detail: str, *, retry_after: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class LogError(OrchestratorError):
    """The event log could not do what was asked."""


class GapError(LogError):
    """A cursor from which this log cannot go on.

    Attributes:
        reason: Why, in the protocol's words.
        earliest, latest: Ids of the oldest and newest entry; None in an empty log.
    """

    def __init__(self, reason: GapReason, *, earliest: str | None, latest: str | None) -> None:
        super().__init__(f"the log cannot go on from this cursor: {reason}")
        self.reason: GapReason = reason
        self.earliest = earliest
        self.latest = latest


class Fenced(LogError):
    """Another worker owns the run now; nothing was appended, and nothing may be any more."""


class LogUnavailable(LogError):
    """The store does not answer; nothing was appended, or whether it was is unknown."""


class UnreadableRequest(LogError):
    """The request that a run was started with is broken, or of another release: it can be read, not executed."""
