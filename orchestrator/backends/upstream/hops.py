"""What a question that is passed on to another server carries: how often it was, and the trace that it belongs to.

An instance that asks itself, over however many others, would go on for ever; each counts.
"""

from __future__ import annotations

from typing import Any

from ...errors import AgentError
from ...events.hops import DEPTH_HEADER
from ..base import AgentInput, current_input

DEPTH_META = "orchestrator/depth"
"""The same in the `_meta` of an MCP call, whose connection is shared by the questions of one agent."""
MAX_DEPTH = 4
"""Instances that may pass a question on, one to the next."""
TOO_DEEP = f"More than {MAX_DEPTH} instances would have passed this question on: does one ask itself?"


def passed_on(request: AgentInput) -> dict[str, str]:
    """Return the headers with which *request* is passed on.

    Raises:
        AgentError: `upstream_rejected`: it was passed on too often.
    """
    if request.depth >= MAX_DEPTH:
        raise AgentError("upstream_rejected", TOO_DEEP, retryable=False)
    headers = {DEPTH_HEADER: str(request.depth + 1)}
    return headers if request.traceparent is None else {**headers, "traceparent": request.traceparent}


def counted_for_model() -> dict[str, str]:
    """Return the headers of a call of a model's server, which may be one of this service; none outside an attempt.

    Nearly always it is none, so nothing is refused here: an instance that was passed too much refuses it itself.
    """
    try:
        return {DEPTH_HEADER: str(current_input().depth + 1)}
    except LookupError:
        return {}


def counted_for_tool(meta: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the `_meta` of a call of an MCP server, likewise."""
    try:
        return {**(meta or {}), DEPTH_META: current_input().depth + 1}
    except LookupError:
        return meta


async def count_call(request: Any) -> None:
    """Add those headers to a request: a hook of httpx's and httpx2's clients."""
    request.headers.update(counted_for_model())
