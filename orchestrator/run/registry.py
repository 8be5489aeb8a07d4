"""The configured agents and panels, and the agents' backends, which load in a thread while the service listens."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

import structlog

from ..backends.base import Backend
from ..backends.registry import create_backend
from ..errors import ConfigError
from ..events.run import AgentInfo, AgentVariant
from ..panels.settings import PanelSettings
from ..settings.agent import AgentSettings
from ..telemetry.logs import class_name, exception_words, failure
from .variants import AgentsOfRun, KnownAgents, VariantBackends

log = structlog.get_logger(__name__)
SLOW_SECONDS = 20.0
"""How long the agents after one wait for it to be loaded; a large SDK takes 10 on a slow machine."""


class AgentRegistry:
    """The agents that can take part.

    Args:
        agents: `AgentSettings` by id, in the order they are shown.
        load: Ids of those that are needed; all unless given.
        backends: Those that are there already; the others are built by `load`.
        panels: `PanelSettings` by id; their agents are among *agents*.
        left_out: Ids of agents that have a file and lack something → what they lack.
        left_out_panels: The same of panels.
    """

    def __init__(
        self,
        agents: Mapping[str, AgentSettings],
        *,
        load: Collection[str] | None = None,
        backends: Mapping[str, Backend] | None = None,
        panels: Mapping[str, PanelSettings] | None = None,
        left_out: Mapping[str, str] | None = None,
        left_out_panels: Mapping[str, str] | None = None,
    ) -> None:
        self.agents = dict(agents)
        self.left_out = {
            agent_id: reason for agent_id, reason in (left_out or {}).items() if agent_id not in self.agents
        }
        self.panels = dict(panels or {})
        self.left_out_panels = dict(left_out_panels or {})
        self._ready = dict(backends or {})
        self._needed = [agent_id for agent_id in self.agents if load is None or agent_id in load]
        self._backends: dict[str, asyncio.Future[Backend]] = {}
        self._variants = VariantBackends(self._create)

    @property
    def ready(self) -> bool:
        """Whether every backend is loaded."""
        return all(
            agent_id in self._backends and self._backends[agent_id].done() for agent_id in self._needed
        )

    async def load(self) -> None:
        """Build every backend, one after another; the slow imports run in a thread.

        The next does not wait for one that takes longer than `SLOW_SECONDS`, such as a module that asks a server which
        does not answer.

        Raises:
            ConfigError: A backend cannot be built. The others are there all the same.
        """
        loop = asyncio.get_running_loop()
        for agent_id in self._needed:
            self._backends.setdefault(agent_id, loop.create_future())
        async with asyncio.TaskGroup() as group:
            for agent_id in self._needed:
                loading = group.create_task(self._load(agent_id))
                await asyncio.wait((loading,), timeout=SLOW_SECONDS)
                if not loading.done():
                    log.warning("agent_loads_slowly", agent_id=agent_id, seconds=SLOW_SECONDS)
        failed = [exc for each in self._needed if (exc := self._backends[each].exception()) is not None]
        if failed:
            raise failed[0]

    async def _load(self, agent_id: str) -> None:
        loaded = self._backends[agent_id]
        try:
            loaded.set_result(await self._build(agent_id))
        except Exception as exc:  # noqa: BLE001 - a user's module may raise anything at import
            ours = isinstance(exc, ConfigError)
            facts = {} if ours else failure(exc)
            words = exception_words(exc)
            log.error("agent_not_loaded", agent_id=agent_id, error=words, **facts)
            # A person reads this on a screen: with its place, and without the credentials in somebody's words.
            what = f"cannot be built: {class_name(exc)}: {words}"
            loaded.set_exception(exc if ours else self.agents[agent_id].problem("", what))
            loaded.exception()  # fetched: runs of this agent get it, asyncio need not

    async def _build(self, agent_id: str) -> Backend:
        if agent_id in self._ready:
            return self._ready[agent_id]
        return await self._create(self.agents[agent_id])

    async def _create(self, settings: AgentSettings) -> Backend:
        return await asyncio.to_thread(create_backend, settings, self.agents)

    def of_run(self, variants: Mapping[str, AgentVariant]) -> KnownAgents:
        """Return who can be asked in a run with such variants."""
        return AgentsOfRun(self, variants, self._variants) if variants else self

    def backend(self, agent_id: str) -> asyncio.Future[Backend]:
        """Return an agent's backend, to be waited for; it is done if the backend is there. Cancelling is safe."""
        loaded = self._backends.get(agent_id)
        if loaded is None:
            loaded = self._backends[agent_id] = asyncio.get_running_loop().create_future()
        return asyncio.shield(loaded)

    def info(self, agent_id: str) -> AgentInfo:
        """Describe an agent as `run.started` does."""
        settings = self.agents[agent_id]
        return AgentInfo(agent_id, settings.title, settings.backend, self.model(agent_id))

    def model(self, agent_id: str) -> str | None:
        """Name the agent's model: what its backend says, before it is loaded what the settings say."""
        loaded = self._backends.get(agent_id)
        if loaded is not None and loaded.done() and loaded.exception() is None:
            return loaded.result().model
        return self.agents[agent_id].named_model

    def why_not(self, agent_id: str) -> str:
        """Say why nobody of that id can be asked: it is left out for what it lacks, or there is none."""
        reason = self.left_out.get(agent_id)
        if reason is not None:
            return f"agent {agent_id!r} is left out: {reason}"
        return f"there is no agent {agent_id[:80]!r}"

    def why_no_panel(self, panel_id: str) -> str:
        """Say why no panel of that id can be asked, likewise."""
        reason = self.left_out_panels.get(panel_id)
        if reason is not None:
            return f"panel {panel_id!r} is left out: {reason}"
        return f"there is no panel {panel_id[:80]!r}; configured: {', '.join(self.panels) or 'none'}"

    def default_agents(self) -> list[str]:
        """Name who takes part if a request names nobody."""
        marked = [agent_id for agent_id, settings in self.agents.items() if settings.default]
        return marked or list(self.agents)

    async def aclose(self, seconds: float = 5.0) -> None:
        """Close all backends, at most *seconds* long."""
        loaded = [f.result() for f in self._backends.values() if f.done() and f.exception() is None]
        await self._variants.aclose()
        await _close_all(loaded, seconds)


async def _close_all(backends: Iterable[Backend], seconds: float) -> None:
    async def close(backend: Backend) -> None:
        try:
            async with asyncio.timeout(seconds):
                await backend.aclose()
        except Exception as exc:  # noqa: BLE001 - the others are still to be closed
            log.warning("backend_not_closed", backend=type(backend).__name__, **failure(exc))

    async with asyncio.TaskGroup() as group:
        for backend in backends:
            group.create_task(close(backend))
