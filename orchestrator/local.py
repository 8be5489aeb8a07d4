"""A run in this process, without HTTP: the whole spine behind the interface of the client's `Run`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from .agent.attempt import Stop
from .client.event import Event, parse_event
from .client.run_view import RunHandle, RunView
from .config.load import Config
from .errors import InvalidRequest
from .eventlog import MemoryLog
from .eventlog.subscription import follow
from .eventlog.view import View
from .events.snapshot import Snapshot
from .run.registry import AgentRegistry
from .run.run import Run
from .run.spec import StartRequest
from .supervisor.panel_request import choose_panel
from .supervisor.supervisor import Supervisor
from .supervisor.variant_request import read_agents


class LocalRun(RunHandle):
    """A run of this process. Leaving its context manager cancels what still runs."""

    def __init__(self, supervisor: Supervisor, run: Run) -> None:
        self._supervisor = supervisor
        self._run = run
        self.view = RunView(run.spec.run_id)
        self.connection = "open"

    async def __aiter__(self) -> AsyncIterator[Event]:
        async def snapshots() -> list[Snapshot]:
            return [self._run.snapshot()]

        spec = self._run.spec
        async with aclosing(
            follow(self._supervisor.log, View(spec.channel, spec.run_id), None, snapshots)
        ) as items:
            async for item in items:
                for entry in item if isinstance(item, list) else ():
                    event = parse_event(entry.data, id=entry.id)
                    if event is not None:
                        self.view.apply(event)
                        yield event
        self.connection = "closed"

    async def result(self) -> RunView:
        """Follow the run to its end and return what it came to."""
        async for _ in self:
            pass
        return self.view

    async def cancel(self, agent_id: str | None = None) -> None:
        """Ask for the end of one agent, or of all."""
        self._run.cancel(Stop("requested"), agent_id)
        self.view.acknowledge(msgspec.to_builtins(self._run.snapshot()))


@asynccontextmanager
async def local_run(
    config: Config,
    message: str,
    agents: Sequence[str | Mapping[str, Any]] | None = None,
    *,
    panel: str | Mapping[str, Any] | None = None,
) -> AsyncIterator[LocalRun]:
    """Start a run of the configured agents in this process.

    Args:
        agents: Who takes part, by id or as a variant as in `POST /v1/runs`; None for those marked as default, or
            the panel's members.
        panel: A configured panel's id, or an inline one as in `POST /v1/runs`.
    Raises:
        ConfigError: An agent that takes part cannot be loaded.
        InvalidRequest: The panel or a variant is not possible.
    """
    left_out, panels = config.left_out, config.left_out_panels
    everybody = AgentRegistry(config.agents, panels=config.panels, left_out=left_out, left_out_panels=panels)
    asked = read_agents(agents or (), everybody)
    if asked.problems:
        raise InvalidRequest(f"{asked.problems[0].at}: {asked.problems[0].detail}", asked.problems)
    variants = asked.variants
    sits = None if panel is None else choose_panel(panel, everybody, agents=asked.names, variants=variants)
    chosen = sits.opening if sits is not None else asked.names or tuple(config.default_agents())
    # An agent that is not asked need not be loaded: its SDK may not be installed, its key not set.
    needed = sits.everyone if sits else chosen
    registry = AgentRegistry(
        config.agents, load=set(needed) - set(variants), panels=config.panels, left_out=left_out
    )
    async with Supervisor(registry, MemoryLog()) as supervisor:
        await registry.load()
        try:
            plain = None if sits is None else sits.model_dump(mode="json")
            run, _ = await supervisor.start(StartRequest(message, chosen, panel=plain, variants=variants))
            if not isinstance(run, Run):
                raise RuntimeError("a run without an idempotency key is always a new one")
            yield LocalRun(supervisor, run)
        finally:
            await supervisor.drain(0)
            await registry.aclose()
