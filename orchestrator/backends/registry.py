"""The kinds of agents there are: for each, its name, the class of its settings and the class of its backend.

A new kind is a folder beside this file and one row in `KINDS`; `check`, the JSON Schema, the messages and the running
service ask this table. Both classes are looked up late: settings import no SDK, and a backend is imported only if
an agent of its kind is there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..errors import ConfigError, ConfigProblem
from ..references import load_attribute
from ..settings.agent import AgentSettings
from .auto.search import ModelSearch
from .base import Backend, StreamFunction
from .stream_check import trouble_with_backend


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of agent.

    Args:
        settings: "module:class" of a subclass of `AgentSettings` whose `backend` is the kind's name; imports no SDK.
        backend: "module:class" that takes such settings, and the settings of all agents by id.
        settle: "module:function" of a kind without a backend: which other kind's keys its settings come down to.
    """

    settings: str
    backend: str = ""
    settle: str = ""


KINDS: dict[str, Kind] = {
    "auto": Kind(
        "orchestrator.backends.auto.settings:AutoSettings",
        settle="orchestrator.backends.auto.search:settle",
    ),
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

_TABLE = f"KINDS of {__name__}"
"""What a problem with a row names as its place."""

MADE_IN_PYTHON = "function"
"""The kind of an agent that `create_app(agents=…)` was given instead of a file; its backend class wraps with `of`."""


def settings_class(kind: object) -> type[AgentSettings] | None:
    """Return the class of the settings of *kind*, as a file spells it; None if there is no such kind."""
    row = KINDS.get(kind) if isinstance(kind, str) else None
    return None if row is None else _settings_of(str(kind), row)


def settings_classes() -> dict[str, type[AgentSettings]]:
    """Return the class of every kind's settings, by the kind's name."""
    return {kind: _settings_of(kind, row) for kind, row in KINDS.items()}


def _settings_of(kind: str, row: Kind) -> type[AgentSettings]:
    found: Any = load_attribute(row.settings, file=_TABLE, key=kind)
    if not (isinstance(found, type) and issubclass(found, AgentSettings)):
        raise ConfigError(
            [ConfigProblem(_TABLE, None, kind, f"{row.settings!r} is no subclass of AgentSettings")]
        )
    if found.model_fields["backend"].default != kind:
        # A file that names the kind would be answered that it should name another.
        wanted = f'backend: Literal["{kind}"] = "{kind}"'
        raise ConfigError(
            [ConfigProblem(_TABLE, None, kind, f"{row.settings!r} is not of this kind; write {wanted}")]
        )
    return found


def is_open(settings: AgentSettings) -> bool:
    """Return whether it is still to be settled which kind of agent *settings* mean."""
    return bool(KINDS[settings.backend].settle)


def settle(settings: AgentSettings, models: ModelSearch) -> AgentSettings:
    """Return what *settings* come down to, now that *models* can be asked; themselves if their kind says it.

    Raises:
        ValidationError: What was found cannot be the value of a key.
    """
    row = KINDS[settings.backend]
    if not row.settle:
        return settings
    keys: dict[str, Any] = cast("Any", load_attribute(row.settle))(settings, models)
    chosen = _settings_of(keys["backend"], KINDS[keys["backend"]])
    return chosen.model_validate(keys, context={"file": settings.file})


def kinds_that_take_over() -> list[str]:
    """Return the kinds whose agents can be named in `handoffs`."""
    return [kind for kind, settings in settings_classes().items() if settings.takes_over]


def create_backend(settings: AgentSettings, agents: Mapping[str, AgentSettings]) -> Backend:
    """Build the backend that *settings* ask for; *agents* are the settings of all, by id.

    Slow: it may import an SDK, so a server calls it in a thread.

    Raises:
        ConfigError: A reference cannot be loaded, the settings do not fit together, or the class is no `Backend`.
    """
    if is_open(settings):
        settings = settle(settings, ModelSearch(os.environ))
    factory: Any = load_attribute(KINDS[settings.backend].backend, file=settings.source, key="backend")
    backend: Backend = factory(settings, agents)
    if trouble := trouble_with_backend(backend):
        raise settings.problem("", trouble)
    return backend


def wrap_agent(agent_id: str, agent: StreamFunction | Backend) -> tuple[AgentSettings, Backend]:
    """Return the settings and the backend of an agent that was made in Python: a function, or a `Backend` as it is.

    Raises:
        ConfigError: The function cannot give an async iterator, or the object is no `Backend`.
    """
    row = KINDS[MADE_IN_PYTHON]
    settings: Any = load_attribute(row.settings)
    backend: Any = load_attribute(row.backend)
    made: AgentSettings = settings(agent_id=agent_id, stream="python:agent")
    if callable(agent):
        return made, backend.of(agent)
    if trouble := trouble_with_backend(agent):
        raise made.problem("", trouble)
    return made, agent
