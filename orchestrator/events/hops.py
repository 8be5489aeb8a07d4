"""How deep the question that is being answered here is nested: how often it was passed on, from one agent to the next.

An agent that asks the service that it runs in would do so for ever. Each attempt says here how deep it stands, and
whoever asks on from within it, in the same context, passes on a number that is one more.
"""

from __future__ import annotations

from contextvars import ContextVar

DEPTH_HEADER = "Orchestrator-Depth"

_depth: ContextVar[int | None] = ContextVar("orchestrator_depth", default=None)


def note_depth(depth: int) -> None:
    """Say how often the question was passed on that is answered in this context, from here on."""
    _depth.set(depth)


def nesting_headers() -> dict[str, str]:
    """Return the headers with which an agent's own client asks this service, or another instance of it.

    None outside of an attempt. The Python client sends them by itself.
    """
    depth = _depth.get()
    return {} if depth is None else {DEPTH_HEADER: str(depth + 1)}
