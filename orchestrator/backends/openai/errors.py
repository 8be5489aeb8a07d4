"""Exceptions of the Agents SDK, of OpenAI's client and of its HTTP layers → `AgentError`.

Judged by type, status and error code, never by text. A message is our own words plus the HTTP status:
a provider's body, a header or a key never gets into one. Owns no I/O.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import httpx2
import openai
from agents.exceptions import (
    AgentsException,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelRefusalError,
    ModelTimeoutError,
    OutputGuardrailTripwireTriggered,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
    ToolTimeoutError,
    UserError,
)

from ...errors import AgentError, ErrorCode
from ..http_errors import status_error

_TRIPWIRES = (
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
)
_CONNECTION_LOST = (
    httpx2.TransportError,
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
    ConnectionError,
    TimeoutError,
    asyncio.IncompleteReadError,
)
_INVALID = "The model's provider answered with something that is not an answer."

_BROKE_OFF: tuple[ErrorCode, str] = ("upstream_invalid", "The model's answer broke off with an error.")
_CODES: dict[str, tuple[ErrorCode, str]] = {
    "rate_limit_exceeded": ("upstream_rate_limited", "The model's provider limits how often it is asked."),
    "insufficient_quota": ("upstream_rejected", "The account at the model's provider has no quota left."),
    "invalid_prompt": ("upstream_rejected", "The model's provider rejected the request."),
}
"""The `code` values of an error inside a stream that say more than that it broke off."""


def agent_error(exc: BaseException, *, in_tool: bool = False) -> AgentError:
    """Translate what ended a run.

    Args:
        in_tool: A tool was at work when the run failed, so an exception of no known kind is the tool's.
    """
    if isinstance(exc, AgentError):
        return exc
    if isinstance(exc, BaseExceptionGroup):
        return agent_error(exc.exceptions[0], in_tool=in_tool)
    if isinstance(exc, _TRIPWIRES):
        return AgentError("guardrail", "A guardrail stopped the agent.")
    if isinstance(exc, MaxTurnsExceeded):
        return AgentError("max_turns", "The agent used all the turns it may take.")
    if isinstance(exc, ToolTimeoutError):
        return AgentError("tool_failed", f"The tool {exc.tool_name} took longer than it may.")
    if in_tool:
        return AgentError("tool_failed", "A tool failed.")
    if isinstance(exc, ModelRefusalError):
        return AgentError("refusal", "The model refused to answer.")
    if isinstance(exc, ModelTimeoutError):
        return AgentError("upstream_unavailable", "The model did not answer in time.")
    if isinstance(exc, ModelBehaviorError):
        return AgentError("upstream_invalid", "The model did something that the agent cannot follow.")
    if isinstance(exc, UserError):
        return AgentError("internal", "The agent is not set up in a way the SDK accepts.")
    return transport_error(exc) or AgentError("internal", "The agent failed.")


def model_error(exc: Exception) -> AgentError:
    """Translate what came out of a model's stream, where an unknown kind means a malformed answer."""
    if isinstance(exc, AgentsException):
        return agent_error(exc)
    return transport_error(exc) or AgentError("upstream_invalid", _INVALID)


def transport_error(exc: BaseException) -> AgentError | None:
    """Translate an error of OpenAI's client or of HTTP itself; None where it is neither."""
    if isinstance(exc, AgentError):
        return exc
    if isinstance(exc, openai.APIStatusError):
        return status_error(exc.status_code, exc.response.headers)
    if isinstance(exc, openai.APITimeoutError):
        return AgentError("upstream_unavailable", "The model's provider stopped answering.")
    if isinstance(exc, openai.APIConnectionError):
        return AgentError("upstream_unavailable", "The connection to the model's provider failed.")
    if isinstance(exc, openai.APIError):  # an error object in the middle of a stream
        return AgentError(*_CODES.get(exc.code or "", _BROKE_OFF))
    if isinstance(exc, _CONNECTION_LOST):
        return AgentError("upstream_unavailable", "The connection to the model's provider failed.")
    if isinstance(cause := getattr(exc, "original_exception", None), Exception):  # any-llm's wrapping
        return transport_error(cause)
    if isinstance(exc, (ValueError, openai.OpenAIError)):  # JSON and text that cannot be decoded
        return AgentError("upstream_invalid", _INVALID)
    return None


def failed_response(event: Any) -> AgentError:
    """Translate a Responses event that ends an answer: `response.failed`, or `error` in mid-stream."""
    response = getattr(event, "response", None)
    source = event if response is None else getattr(response, "error", None)
    return AgentError(*_CODES.get(getattr(source, "code", None) or "", _BROKE_OFF))


def failure_text(error: Exception) -> str:
    """Say to the model, and so to clients, what went wrong in a tool.

    Our own words, the SDK's on wrong arguments, and a `ValueError`'s, which a tool wrote for its reader;
    any other text may hold a secret.
    """
    if isinstance(error, (AgentError, ModelBehaviorError, ValueError)):
        return f"The tool failed: {error}"
    return f"The tool failed: {type(error).__name__}"
