"""Translates a Letta server's failures into `AgentError`. Judged by status and type, never by text.

A message is our own words plus the HTTP status: no body, header or key of the server gets into one.
Knows neither the SDK nor HTTP's classes.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import AgentError, ErrorCode
from ..upstream.finish_reasons import end_of
from ..upstream.http_errors import status_error

_FAILURES: dict[str, tuple[ErrorCode, str]] = {
    "llm_authentication": ("upstream_auth", "The model's provider refused the Letta server's credentials."),
    "llm_rate_limit": ("upstream_rate_limited", "The model's provider limits how often Letta asks it."),
    "llm_timeout": ("upstream_unavailable", "The model did not answer the Letta server in time."),
    "llm_error": ("upstream_unavailable", "The Letta server could not get an answer from the model."),
    "llm_empty_response": ("upstream_invalid", "The model gave the Letta server an empty answer."),
    "stream_incomplete": ("upstream_invalid", "The Letta server's answer broke off."),
    "context_window_overflow_in_system_prompt": (
        "upstream_rejected",
        "The Letta agent's instructions do not fit into the model's context.",
    ),
}
"""`error_type` of an error inside a stream; any other is the server's own trouble."""
_FAILED: tuple[ErrorCode, str] = ("upstream_unavailable", "The Letta server failed while it answered.")

_STOPS: dict[str, tuple[ErrorCode, str]] = {
    "error": _FAILED,
    "llm_api_error": _FAILURES["llm_error"],
    "invalid_llm_response": ("upstream_invalid", "The model gave the Letta server an invalid answer."),
    "invalid_tool_call": (
        "upstream_invalid",
        "The model called a tool in a way the Letta agent cannot follow.",
    ),
    "no_tool_call": ("upstream_invalid", "The model called no tool where the Letta agent requires one."),
    "max_steps": ("max_turns", "The Letta agent used all the steps it may take."),
    "insufficient_credits": ("upstream_rejected", "The account at the Letta server has no credits left."),
    "cancelled": ("upstream_rejected", "The run was cancelled at the Letta server."),
    "context_window_overflow_in_system_prompt": _FAILURES["context_window_overflow_in_system_prompt"],
}
"""`stop_reason` of a stream that reported no error; any other is an end that the agent chose."""
_REASONS = {"end_turn": "stop", "tool_rule": "stop", "max_tokens_exceeded": "length"}


class LettaRefused(AgentError):
    """The server answered a request with an error status."""

    def __init__(
        self, status: int, code: ErrorCode, message: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(code, message, retry_after=retry_after)
        self.status = status


class LettaUnreachable(AgentError):
    """The connection could not be made, or broke off.

    Args:
        sent: Whether the server may have had the whole request.
    """

    def __init__(
        self, message: str = "The connection to the Letta server failed.", *, sent: bool = True
    ) -> None:
        super().__init__("upstream_unavailable", message)
        self.sent = sent


def refused(status: int, headers: Mapping[str, str], body: object = None) -> LettaRefused:
    """Translate an HTTP answer that is no success."""
    error = status_error(status, headers, who="The Letta server", body=body)
    return LettaRefused(status, error.code, error.message, retry_after=error.retry_after)


def failed(error_type: object) -> AgentError:
    """Translate an error that came inside a stream, after HTTP 200."""
    return AgentError(*(_FAILURES.get(error_type, _FAILED) if isinstance(error_type, str) else _FAILED))


def finish_reason(stop_reason: str | None, *, said: bool) -> str:
    """Say in the protocol's words how a stream ended that reported no error.

    Args:
        said: Whether the agent said anything.

    Raises:
        AgentError: It is a failure all the same.
    """
    if stop_reason is None:
        raise AgentError("upstream_invalid", "The Letta server ended its answer without a reason.")
    if stop_reason in _STOPS:
        raise AgentError(*_STOPS[stop_reason])
    return _REASONS.get(stop_reason) or end_of(stop_reason, is_empty=not said)
