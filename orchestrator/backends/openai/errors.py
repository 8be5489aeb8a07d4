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
import structlog
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

from ...errors import AgentError, ToolError, new_error_id
from ..upstream.errors import error_in_stream
from ..upstream.http_errors import endless_redirect, status_error
from ..upstream.redirects import is_endless, refusal_in

log = structlog.get_logger(__name__)

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
    if of_a_tool(exc):
        return AgentError("tool_failed", "A tool failed.")
    if isinstance(exc, UserError):
        return AgentError("internal", "The agent is not set up in a way the SDK accepts.")
    return transport_error(exc) or AgentError("internal", "The agent failed.")


def of_a_tool(exc: BaseException) -> bool:
    """Whether a tool raised what ended a run: the SDK wraps it, with its words, in an error of its own."""
    return isinstance(exc, UserError) and exc.__cause__ is not None


def model_error(exc: Exception) -> AgentError:
    """Translate what came out of a model's stream, where an unknown kind means a malformed answer."""
    if isinstance(exc, AgentsException):
        return agent_error(exc)
    return transport_error(exc) or AgentError("upstream_invalid", _INVALID)


def transport_error(exc: BaseException) -> AgentError | None:
    """Translate an error of OpenAI's client or of HTTP itself; None if it is neither."""
    if isinstance(exc, AgentError):
        return exc
    if (ours := refusal_in(exc)) is not None:  # raised inside of the client's own connection
        return ours
    if is_endless(exc):
        return endless_redirect()
    if isinstance(exc, openai.APIStatusError):
        return status_error(exc.status_code, exc.response.headers, body=exc.body)
    if isinstance(exc, openai.APITimeoutError):
        return AgentError("upstream_unavailable", "The model's provider stopped answering.")
    if isinstance(exc, openai.APIConnectionError):
        return AgentError("upstream_unavailable", "The connection to the model's provider failed.")
    if isinstance(exc, openai.APIError):  # an error object in the middle of a stream
        return error_in_stream(exc.body if exc.body is not None else {"code": exc.code, "type": exc.type})
    if isinstance(exc, _CONNECTION_LOST):
        return AgentError("upstream_unavailable", "The connection to the model's provider failed.")
    if isinstance(cause := getattr(exc, "original_exception", None), Exception):  # any-llm's wrapping
        return transport_error(cause)
    if isinstance(exc, openai.OpenAIError):
        return AgentError("upstream_invalid", _INVALID)
    return None


def failed_response(event: Any) -> AgentError:
    """Translate a Responses event that ends an answer: `response.failed`, or `error` in mid-stream."""
    response = getattr(event, "response", None)
    source = getattr(event, "error", None) or event if response is None else getattr(response, "error", None)
    dump = getattr(source, "model_dump", None)
    return error_in_stream(dump(warnings=False) if callable(dump) else source)


def failure_text(error: Exception, tool: str = "") -> str:
    """Say to the model, and so to clients, what went wrong in a tool.

    Our own words, those of a `ToolError`, and the SDK's on wrong arguments: any other text may hold a secret, so it
    is sent as an id, under which the log has the kind of the error and where it was raised.
    """
    reason = _may_be_sent(error)
    if reason is not None:
        return f"The tool failed: {reason}"
    error_id = new_error_id()
    log.warning(
        "tool_failed", tool=tool, error_id=error_id, error=type(error).__qualname__, at=_raised_at(error)
    )
    return f"The tool failed ({error_id})."


def _may_be_sent(error: BaseException | None) -> BaseException | None:
    """The exception whose words may be sent; the SDK wraps what an MCP server's call raises."""
    while error is not None:
        if isinstance(error, (AgentError, ToolError, ModelBehaviorError)):
            return error
        error = error.__cause__ if isinstance(error, AgentsException) else None
    return None


def without_words(exc: BaseException) -> RuntimeError:
    """Return an exception that stands for *exc* in the log: its kind and its frames, and nothing that it says."""
    stand_in = RuntimeError(
        f"{type(exc).__qualname__}, whose words are not logged: a tool or its server said them"
    )
    return stand_in.with_traceback(exc.__traceback__)


def _raised_at(error: BaseException) -> str | None:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return None if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
