"""The openai-agents backend: settings, or an `agents.Agent` of the user's own, become a running agent.

Owns how the agents of one entry of agents_config are put together. How their models are reached is
`endpoints`', what they call is `tools`' and `mcp`'s, the run `runner`'s.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from agents import (
    Agent,
    Model,
    ModelSettings,
    RunConfig,
    Tool,
)
from agents.tracing import TracingConfig

from ...references import load_attribute, load_each
from ...settings.agent import AgentSettings
from ..base import AgentInput, Emission
from .app_provider import AppProvider
from .direct_turn import DirectAgent, are_plain, stream_alone
from .endpoints import Endpoints, secret_text
from .mcp.name_collisions import hints_of
from .mcp.servers import McpServers
from .runner import RunOptions, conversation_items, stream_agent
from .settings import OpenAIAgentsSettings
from .tools import load_tool

_ASKED_EACH_TIME = ("context", "session", "hooks", "run_config")
"""Keys that name a function, which each attempt asks."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One agent that settings describe, with what does not change from stream to stream."""

    settings: OpenAIAgentsSettings
    model: Model
    instructions: str | None
    tools: tuple[Tool, ...]


class OpenAIAgentsBackend:
    """Answers with an agent of the OpenAI Agents SDK.

    Args:
        settings: `OpenAIAgentsSettings`.
        agents: The settings of all agents, by id; those named in `handoffs` are looked up here.

    Raises:
        ConfigError: A reference cannot be loaded, a handoff names no such agent, or a key is missing.
    """

    def __init__(self, settings: OpenAIAgentsSettings, agents: Mapping[str, AgentSettings]) -> None:
        self._settings = settings
        self._agents = agents
        self._endpoints = Endpoints()
        self._mcp = McpServers()
        self._provider = AppProvider(self._endpoints, settings)
        self._parts: dict[str, _Part] = {}
        self._own: dict[str, Agent[Any]] = {}
        self._add(settings)
        self._functions = {
            key: _load_function(settings, key)
            for key in _ASKED_EACH_TIME
            if getattr(settings, key) is not None
        }
        tracing, key = settings.tracing, secret_text(settings.api_key)
        self._run_config = RunConfig(
            model_provider=self._provider,
            tracing_disabled=not tracing,
            tracing=TracingConfig(api_key=key) if tracing and key else None,
            workflow_name=settings.agent_id,
            model_settings=self._own_settings(),
        )
        self._lone = self._lone_agent()

    @property
    def emits_at_once(self) -> bool:
        """Whether nobody stands between the model and the log, as a subclass's own `stream` would."""
        return type(self).stream is OpenAIAgentsBackend.stream

    @property
    def model(self) -> str | None:
        """The model's name; None if the user's own agent takes the SDK's default."""
        if self._settings.agent is None:
            return self._settings.model
        model = self._own[self._settings.agent_id].model
        named = model if isinstance(model, str) else getattr(model, "model", None)
        return named if isinstance(named, str) else None

    @property
    def hints(self) -> tuple[str, ...]:
        """What `orchestrator check` says of the user's own agents, which the settings do not know."""
        return tuple(hint for agent in self._own.values() for hint in hints_of(agent))

    def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Run the agent on *request*; its tools see what `context` returns, else *request*, as the SDK's run context.

        Raises:
            AgentError: The run failed, or an MCP server did not start.
        """
        return self._alone(request) or self._with_runner(request)

    async def _with_runner(self, request: AgentInput) -> AsyncGenerator[Emission, None]:
        options = await self._options(request)
        run = stream_agent(
            self._assemble(self._settings.agent_id, {}),
            # What a session remembers would be said twice.
            conversation_items(replace(request, history=()) if options.session is not None else request),
            request=request,
            options=options,
            mcp=self._mcp,
        )
        async with aclosing(run) as emissions:
            async for emission in emissions:
                yield emission

    def _alone(self, request: AgentInput) -> AsyncGenerator[Emission, None] | None:
        """Return the turn that needs no Runner; None if this one does."""
        if self._lone is None:
            return None
        items = conversation_items(request)
        return stream_alone(self._lone, items, request=request) if are_plain(items) else None

    def _lone_agent(self) -> DirectAgent | None:
        """Return the agent if its model alone can answer for it, whatever it is asked."""
        settings = self._settings
        if settings.agent is not None or self._functions or settings.mcp_servers:
            return None
        options = RunOptions(self._run_config, settings.max_turns)
        return DirectAgent.of(self._assemble(settings.agent_id, {}), self._run_config, options)

    async def aclose(self) -> None:
        """Close the models' connections and end the MCP servers."""
        await self._mcp.aclose()
        await self._provider.aclose()
        await self._endpoints.aclose()

    async def _options(self, request: AgentInput) -> RunOptions:
        """Ask the user's functions what goes to this attempt's run."""
        given = {key: await _called(function, request) for key, function in self._functions.items()}
        config = given.get("run_config")
        return RunOptions(
            run_config=self._run_config if config is None else self._merged(config),
            max_turns=self._settings.max_turns,
            context=given.get("context"),
            session=given.get("session"),
            hooks=given.get("hooks"),
        )

    def _merged(self, theirs: RunConfig) -> RunConfig:
        """The user's own configuration, with what the file says of it."""
        ours = self._run_config
        settings = theirs.model_settings or ModelSettings()
        return replace(
            theirs,
            model_provider=AppProvider(self._endpoints, self._settings, theirs.model_provider),
            tracing_disabled=ours.tracing_disabled or theirs.tracing_disabled,
            tracing=theirs.tracing or ours.tracing,
            model_settings=settings if ours.model_settings is None else ours.model_settings.resolve(settings),
        )

    def _own_settings(self) -> ModelSettings:
        """Ask for usage in the name of the user's own agents, nested ones too, unless this one decides it."""
        own = self._own.get(self._settings.agent_id)
        if own is None:
            return ModelSettings(include_usage=self._settings.model_settings.get("include_usage", True))
        usage = True if own.model_settings.include_usage is None else None
        cap = self._settings.output_cap
        if cap is not None and own.model_settings.max_tokens is not None:
            cap = min(cap, own.model_settings.max_tokens)
        return ModelSettings(include_usage=usage, max_tokens=cap)

    def _add(self, settings: OpenAIAgentsSettings) -> None:
        """Load the agent of *settings* and, after it, those it can hand off to."""
        if settings.agent_id in self._parts or settings.agent_id in self._own:
            return
        if settings.agent is not None:
            self._own[settings.agent_id] = _load_agent(settings, settings.agent)
            return
        self._parts[settings.agent_id] = _Part(
            settings,
            self._endpoints.create_model(settings, settings.model or ""),
            settings.instructions,
            tuple(
                load_each(
                    settings.tools,
                    lambda name, key: load_tool(name, settings, key, max_turns=settings.max_turns),
                    key="tools",
                )
            ),
        )
        for at, agent_id in enumerate(settings.handoffs):
            self._add(self._target(settings, agent_id, f"handoffs[{at}]"))

    def _target(self, settings: OpenAIAgentsSettings, agent_id: str, key: str) -> OpenAIAgentsSettings:
        target = self._agents.get(agent_id)
        if target is None:
            raise settings.problem(key, f"no agent is called {agent_id!r}")
        if not isinstance(target, OpenAIAgentsSettings):
            raise settings.problem(key, f"{agent_id!r} is of another backend, so it cannot take over")
        return target

    def _assemble(self, agent_id: str, made: dict[str, Agent[Any]]) -> Agent[Any]:
        """Put one stream's agents together; handoffs may run in circles, so each is made once."""
        if agent_id in self._own:
            return self._own[agent_id]
        if agent_id in made:
            return made[agent_id]
        part = self._parts[agent_id]
        agent: Agent[Any] = Agent(
            name=agent_id,
            handoff_description=part.settings.description or None,
            instructions=part.instructions,
            model=part.model,
            model_settings=_model_settings(part.settings, self._settings.output_cap),
            tools=list(part.tools),
            mcp_servers=self._mcp.of_settings(part.settings),
        )
        made[agent_id] = agent
        agent.handoffs = [self._assemble(target, made) for target in part.settings.handoffs]
        return agent


def _model_settings(settings: OpenAIAgentsSettings, cap: int | None) -> ModelSettings:
    """Ask for usage, and for no more tokens than the budget pays for."""
    keys: dict[str, Any] = {"include_usage": True, **settings.model_settings}
    if cap is not None:
        keys["max_tokens"] = min(cap, keys.get("max_tokens") or cap)
    return ModelSettings(**keys)


def _load_tool(settings: OpenAIAgentsSettings, reference: str, key: str) -> Tool:
    return load_tool(reference, settings, key, max_turns=settings.max_turns)


def _load_agent(settings: OpenAIAgentsSettings, reference: str) -> Agent[Any]:
    """Load the user's own agent, or what a factory of theirs makes."""
    found = load_attribute(reference, file=settings.file, key="agent")
    if callable(found) and not isinstance(found, Agent):
        try:
            made = found()
        except Exception as exc:
            raise settings.problem(
                "agent", f"{reference!r} fails when it is called ({type(exc).__name__})"
            ) from exc
        if inspect.iscoroutine(made):
            made.close()
            raise settings.problem("agent", f"{reference!r} is asynchronous; a factory is a plain function")
        found = made
    if not isinstance(found, Agent):
        wanted = "not agents.Agent, and no function that returns one"
        raise settings.problem("agent", f"{reference!r} is {type(found).__name__}, {wanted}")
    return found


def _load_function(settings: OpenAIAgentsSettings, key: str) -> Callable[[AgentInput], Any]:
    reference = getattr(settings, key)
    found = load_attribute(reference, file=settings.file, key=key)
    if not callable(found):
        raise settings.problem(key, f"{reference!r} is {type(found).__name__}, not a function")
    function: Callable[[AgentInput], Any] = found
    return function


async def _called(function: Callable[[AgentInput], Any], request: AgentInput) -> Any:
    returned = function(request)
    return await returned if inspect.isawaitable(returned) else returned
