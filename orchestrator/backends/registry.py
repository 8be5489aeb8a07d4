"""The kinds of agents there are: for each, its name, the class of its settings and the class of its backend.

A new kind is a folder beside this file and one row in `KINDS`; `check`, the JSON Schema, the messages and the running
service ask this table. Both classes are looked up late: settings import no SDK, and a backend is imported only if
an agent of its kind is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..references import load_attribute
from ..settings.agent import AgentSettings
from .base import Backend, StreamFunction


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of agent.

    Args:
        settings: "module:class" of a subclass of `AgentSettings` whose `backend` is the kind's name; imports no SDK.
        backend: "module:class" that takes such settings, and the settings of all agents by id.
    """

    settings: str
    backend: str


KINDS: dict[str, Kind] = {
    "openai-agents": Kind(
        "orchestrator.backends.openai.settings:OpenAIAgentsSettings",
        "orchestrator.backends.openai.backend:OpenAIAgentsBackend",
    ),
    "letta": Kind(
        "orchestrator.backends.letta.settings:LettaSettings",
        "orchestrator.backends.letta.backend:LettaBackend",
    ),
    "function": Kind(
        "orchestrator.backends.function.settings:FunctionSettings",
        "orchestrator.backends.function.backend:FunctionBackend",
    ),
    "a2a": Kind(
        "orchestrator.backends.a2a.settings:A2aSettings",
        "orchestrator.backends.a2a.backend:A2aBackend",
    ),
    "ag-ui": Kind(
        "orchestrator.backends.ag_ui.settings:AgUiSettings",
        "orchestrator.backends.ag_ui.backend:AgUiBackend",
    ),
    "langgraph": Kind(
        "orchestrator.backends.langgraph.settings:LangGraphSettings",
        "orchestrator.backends.langgraph.backend:LangGraphBackend",
    ),
    "pydantic-ai": Kind(
        "orchestrator.backends.pydantic_ai.settings:PydanticAISettings",
        "orchestrator.backends.pydantic_ai.backend:PydanticAIBackend",
    ),
    "remote": Kind(
        "orchestrator.backends.remote.settings:RemoteSettings",
        "orchestrator.backends.remote.backend:RemoteBackend",
    ),
    "offline": Kind(
        "orchestrator.backends.offline.settings:OfflineSettings",
        "orchestrator.backends.offline.backend:OfflineBackend",
    ),
}
"""What `backend:` may say → the kind."""

MADE_IN_PYTHON = "function"
"""The kind of an agent that `create_app(agents=…)` was given instead of a file; its backend class wraps with `of`."""


def settings_class(kind: object) -> type[AgentSettings] | None:
    """Return the class of the settings of *kind*, as a file spells it; None if there is no such kind."""
    row = KINDS.get(kind) if isinstance(kind, str) else None
    return None if row is None else cast("type[AgentSettings]", load_attribute(row.settings))


def settings_classes() -> dict[str, type[AgentSettings]]:
    """Return the class of every kind's settings, by the kind's name."""
    return {kind: cast("type[AgentSettings]", load_attribute(row.settings)) for kind, row in KINDS.items()}


def kinds_that_take_over() -> list[str]:
    """Return the kinds whose agents can be named in `handoffs`."""
    return [kind for kind, settings in settings_classes().items() if settings.takes_over]


def create_backend(settings: AgentSettings, agents: Mapping[str, AgentSettings]) -> Backend:
    """Build the backend that *settings* ask for; *agents* are the settings of all, by id.

    Slow: it may import an SDK, so a server calls it in a thread.

    Raises:
        ConfigError: A reference cannot be loaded, or the settings do not fit together.
    """
    factory: Any = load_attribute(KINDS[settings.backend].backend)
    backend: Backend = factory(settings, agents)
    return backend


def wrap_agent(agent_id: str, agent: StreamFunction | Backend) -> tuple[AgentSettings, Backend]:
    """Return the settings and the backend of an agent that was made in Python: a function, or a `Backend` as it is.

    Raises:
        ConfigError: The function cannot give an async iterator.
    """
    row = KINDS[MADE_IN_PYTHON]
    settings: Any = load_attribute(row.settings)
    backend: Any = load_attribute(row.backend)
    wrapped: Backend = backend.of(agent) if callable(agent) else agent
    return settings(agent_id=agent_id, stream="python:agent"), wrapped
