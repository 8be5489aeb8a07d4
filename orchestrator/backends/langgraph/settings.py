"""The keys of an agent with `backend: langgraph`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...settings.agent import AgentSettings
from ...settings.scalars import Flag, Free, Reference


class LangGraphSettings(AgentSettings):
    """A graph of LangGraph."""

    backend: Literal["langgraph"] = "langgraph"
    graph: Reference
    """The graph, as "module:attribute": compiled, to be compiled, or a function that returns one."""
    config: dict[str, Free] = Field(default_factory=dict)
    """Its `RunnableConfig`: `configurable`, `recursion_limit`, `tags` and so on."""
    context: Reference | None = None
    """A function, as "module:function", called for each attempt with our `AgentInput`: returns the run's `context`."""
    speaker_nodes: Flag = True
    """Whether a node's name is the `speaker` of what is said in it."""
