"""The keys of an agent with `backend: pydantic-ai`."""

from __future__ import annotations

from typing import ClassVar, Literal

from ...settings.agent import AgentSettings
from ...settings.scalars import Reference, Text


class PydanticAISettings(AgentSettings):
    """An agent of Pydantic AI."""

    may_vary: ClassVar[tuple[str, ...]] = ("model",)
    backend: Literal["pydantic-ai"] = "pydantic-ai"
    agent: Reference
    """The agent, as "module:attribute", or a function that returns one: called once."""
    deps: Reference | None = None
    """A function, as "module:function", called for each attempt with our `AgentInput`: returns the run's `deps`."""
    model: Text | None = None
    """Replaces the agent's own model, as in openai:gpt-5-mini."""

    @property
    def named_model(self) -> str | None:
        """The model that the settings name; None for the agent's own."""
        return self.model
