"""The offline backend: an agent that needs no key and no network, run by the real Agents SDK runner."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from agents import Agent

from ...references import load_each
from ...settings.agent import AgentSettings
from ..base import AgentInput, Emission
from ..openai.runner import conversation_items, stream_agent
from ..openai.tools import load_tool
from .model import MODEL_NAME, OfflineModel, rehearse
from .script import Scene
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
        rehearse()
        self._scene = Scene("", title=settings.title, seed=settings.seed)
        self._pace, instructions = settings.tokens_per_s, settings.instructions or None
        tools = load_each(
            settings.tools, lambda name, key: load_tool(name, settings, key, max_turns=MAX_TURNS), key="tools"
        )
        self._agent: Agent[Any] = Agent(name=settings.agent_id, instructions=instructions, tools=tools)

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Think, call tools, answer; closing or cancelling stops all of it at once."""
        # With what a panel asks for: messages alone would not say it.
        scene = replace(self._scene, part=request.part, agent_id=request.agent_id)
        agent = self._agent.clone(model=OfflineModel(scene, self._pace))
        async with aclosing(stream_agent(agent, conversation_items(request), request=request)) as emissions:
            async for emission in emissions:
                yield emission

    async def aclose(self) -> None:
        """Do nothing: no connection outlives a stream."""
