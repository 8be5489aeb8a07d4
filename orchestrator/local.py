"""A run in this process, without HTTP: the whole spine behind the interface of the client's `Run`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import msgspec

from .attempt import Stop
from .config import Config
from .eventlog import MemoryLog
from .events import Snapshot
from .roster import Roster
from .run import Run
from .runspec import StartRequest
from .runview import Event, RunHandle, RunView, parse_event
from .subscription import View, follow
from .supervisor import Supervisor


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
    config: Config, message: str, agents: Sequence[str] | None = None
) -> AsyncIterator[LocalRun]:
    """Start a run of the configured agents in this process.

    Args:
        agents: Who takes part; None for those marked as default.
    Raises:
        ConfigError: An agent that takes part cannot be loaded.
    """
    chosen = list(agents) if agents else config.default_agents()
    needed = {agent_id: config.agents[agent_id] for agent_id in chosen}
    roster = Roster(config.agents, load=needed)
    async with Supervisor(roster, MemoryLog()) as supervisor:
        await roster.load()
        try:
            run, _ = await supervisor.start(StartRequest(message, tuple(chosen)))
            if not isinstance(run, Run):
                raise RuntimeError("a run without an idempotency key is always a new one")
            yield LocalRun(supervisor, run)
        finally:
            await supervisor.drain(0)
            await roster.aclose()
