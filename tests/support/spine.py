"""Runs scripted agents through the real spine, without HTTP: settings, registry, supervisor, reading back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from inspect import isawaitable
from typing import Any

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.backends.function.settings import FunctionSettings
from orchestrator.eventlog import Entry, MemoryLog
from orchestrator.eventlog.gap import Gap
from orchestrator.eventlog.subscription import follow
from orchestrator.eventlog.view import View
from orchestrator.events import Snapshot
from orchestrator.run.registry import AgentRegistry
from orchestrator.run.run import Run
from orchestrator.run.spec import StartRequest
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor.supervisor import Supervisor
from orchestrator.telemetry.observer import Observer
from tests.support.patience import PATIENCE_SECONDS

Script = Callable[[AgentInput], AsyncGenerator[Emission, None]]


class ScriptedBackend:
    """A backend whose stream is a generator function of the test's own."""

    model = None

    def __init__(self, script: Script) -> None:
        self._script = script

    def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        return self._script(request)

    async def aclose(self) -> None:
        pass


def settings(agent_id: str, **keys: Any) -> FunctionSettings:
    return FunctionSettings.model_validate(
        {"agent_id": agent_id, "stream": "tests.support.spine:unused", **keys}
    )


class ScriptedRegistry(AgentRegistry):
    """A registry of scripts; `keys` holds settings by agent id."""

    def __init__(self, scripts: dict[str, Script], keys: dict[str, dict[str, Any]] | None = None) -> None:
        super().__init__(
            {name: settings(name, **(keys or {}).get(name, {})) for name in scripts},
            backends={name: ScriptedBackend(script) for name, script in scripts.items()},
        )


@asynccontextmanager
async def supervised(
    scripts: dict[str, Script],
    *,
    keys: dict[str, dict[str, Any]] | None = None,
    limits: RunLimits | None = None,
    log: MemoryLog | None = None,
    observer: Observer | None = None,
) -> AsyncIterator[Supervisor]:
    registry = ScriptedRegistry(scripts, keys)
    await registry.load()
    async with Supervisor(registry, log or MemoryLog(), limits=limits, observer=observer) as supervisor:
        yield supervisor


async def start(supervisor: Supervisor, message: str = "hi", **keys: Any) -> Run:
    run, _ = await supervisor.start(StartRequest(message, **keys))
    assert isinstance(run, Run)
    return run


class Seen:
    """One event as a reader decodes it."""

    def __init__(self, entry: Entry) -> None:
        self.id = entry.id
        self.seq = entry.seq
        self.data: dict[str, Any] = json.loads(entry.data)
        self.agent_id: str | None = self.data.get("agent_id")
        self.type: str = self.data["type"]
        self.name = f"{entry.agent_id or 'run'}.{self.type}"

    def __repr__(self) -> str:
        return f"<{self.id} {self.name} {self.data}>"


async def read(
    supervisor: Supervisor,
    run: Run,
    *,
    after: str | None = None,
    agents: frozenset[str] | None = None,
    on_event: Callable[[Seen], object] | None = None,
    timeout: float = PATIENCE_SECONDS,
) -> list[Seen]:
    """Follow a run to its end and return its events; gaps are an error."""

    async def snapshots() -> list[Snapshot]:
        return [run.snapshot()]

    seen: list[Seen] = []
    view = View(run.spec.channel, run.spec.run_id, agents)
    async with asyncio.timeout(timeout), aclosing(follow(supervisor.log, view, after, snapshots)) as items:
        async for item in items:
            assert not isinstance(item, Gap), item
            for entry in item if isinstance(item, list) else ():
                seen.append(Seen(entry))
                if on_event is not None and isawaitable(asked := on_event(seen[-1])):
                    await asked
    return seen


def of(events: list[Seen], agent_id: str, type_: str | None = None) -> list[Seen]:
    """Return one agent's events, or those of one type."""
    return [e for e in events if e.agent_id == agent_id and type_ in (None, e.type)]


def text_of(events: list[Seen], agent_id: str) -> str:
    return "".join(e.data["text"] for e in of(events, agent_id, "token"))


async def unused(request: AgentInput) -> AsyncIterator[str]:
    """Stand where settings must name a function that exists."""
    yield ""
