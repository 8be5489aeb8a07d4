"""The offline backend: an agent that needs no key and no network, run by the real Agents SDK runner."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from agents import Agent

from ...references import load_each
from ...settings.agent import AgentSettings
from ..base import AgentInput, Emission
from ..openai.runner import conversation_items, stream_agent
from ..openai.tools import load_tool
from .model import MODEL_NAME, OfflineModel
from .settings import OfflineSettings

MAX_TURNS = 10


class OfflineBackend:
    """Answers by rules and real tools, the same way for the same question, and says what it is.

    Raises:
        ConfigError: A tool cannot be loaded, or is none.
    """

    model = MODEL_NAME
    """`offline`, so that nobody takes it for a language model."""

    def __init__(self, settings: OfflineSettings, agents: Mapping[str, AgentSettings]) -> None:
        def load(name: str, key: str) -> Any:
            return load_tool(name, settings, key, max_turns=MAX_TURNS)

        tools = load_each(settings.tools, load, key="tools")
        self._model = OfflineModel(settings.title, settings.seed, settings.tokens_per_s)
        self._model.rehearse()
        self._agent: Agent[Any] = Agent(
            name=settings.agent_id, instructions=settings.instructions or None, model=self._model, tools=tools
        )

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Think, call tools, answer; closing or cancelling stops all of it at once.

        Raises:
            AgentError: The run failed.
        """
        agent = self._agent
        if request.part is not None:
            agent = agent.clone(model=self._model.playing(request.part, request.agent_id))
        async with aclosing(stream_agent(agent, conversation_items(request), request=request)) as emissions:
            async for emission in emissions:
                yield emission

    async def aclose(self) -> None:
        """Do nothing: no connection outlives a stream."""
