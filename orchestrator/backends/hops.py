"""What a question that is passed on to another server carries: how often it was, and the trace that it belongs to.

An instance that asks itself, over however many others, would go on for ever; each counts.
"""

from __future__ import annotations

from ..errors import AgentError
from .base import AgentInput

DEPTH_HEADER = "Orchestrator-Depth"
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
