"""The offline backend: an agent that needs no key and no network, run by the real Agents SDK runner.

Owns how such an agent is put together. Its words are `offline_script`'s and, in a panel, `offline_panel`'s;
its pace and its wire items `offline_model`'s, the run itself `openai_stream`'s.
"""

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

    Args:
        settings: `OfflineSettings`.
        agents: All agents' settings; not needed here.
    Raises:
        ConfigError: A tool cannot be loaded, or is none.
    """

    def __init__(self, settings: OfflineSettings, agents: Mapping[str, AgentSettings]) -> None:
        tools = load_each(
            settings.tools,
            lambda name, key: load_tool(name, settings, key, max_turns=MAX_TURNS),
            key="tools",
        )
        self._model = OfflineModel(
            title=settings.title, seed=settings.seed, tokens_per_s=settings.tokens_per_s
        )
        self._model.rehearse()
        self._agent: Agent[Any] = Agent(
            name=settings.agent_id, instructions=settings.instructions or None, model=self._model, tools=tools
        )

    @property
    def model(self) -> str:
        """`offline`, so that nobody takes it for a language model."""
        return MODEL_NAME

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Think, call tools, answer; closing or cancelling stops all of it at once.

        Raises:
            AgentError: The run failed.
        """
        agent = self._agent
        if request.part is not None:
            agent = agent.clone(model=self._model.playing(request.part, request.agent_id))
        run = stream_agent(agent, conversation_items(request), request=request)
        async with aclosing(run) as emissions:
            async for emission in emissions:
                yield emission

    async def aclose(self) -> None:
        """Do nothing: no connection outlives a stream."""
