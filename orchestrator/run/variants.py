"""Agents with changes that a request made for itself: who they are in one run, and the backends that answer for them.

Owns which backends of that kind there are and when they are closed. What may be changed is `settings.variants`'.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Protocol

import msgspec
import structlog

from ..backends.base import AgentInput, Backend, Emission
from ..events.run import AgentInfo, AgentVariant
from ..settings.agent import AgentSettings
from ..settings.variants import WrongVariant, vary
from ..telemetry.logs import failure

log = structlog.get_logger(__name__)

KEPT_BACKENDS = 16
"""Backends of variants that nobody asks just now: a follow-up finds its connections and tool servers again."""
CLOSE_SECONDS = 5.0


class KnownAgents(Protocol):
    """The agents that can be asked in a run."""

    @property
    def agents(self) -> Mapping[str, AgentSettings]: ...

    def info(self, agent_id: str) -> AgentInfo: ...

    def backend(self, agent_id: str) -> Awaitable[Backend]: ...


class VariantBackends:
    """The backends of variants, each made when it is first asked. As many as are asked at once, and a few more."""

    def __init__(self, create: Callable[[AgentSettings], Awaitable[Backend]]) -> None:
        self._create = create
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def use(self, settings: AgentSettings, variant: AgentVariant) -> AsyncIterator[Backend]:
        """Hold the backend of a variant while inside.

        Raises:
            ConfigError: It cannot be built.
        """
        name = msgspec.json.encode([variant.of, variant.changes], order="sorted").decode()
        entry = self._entries.get(name)
        if entry is None:
            made = asyncio.ensure_future(self._create(settings))
            entry = self._entries[name] = _Entry(made)
        entry.users += 1
        try:
            # Shielded: whoever is cancelled meanwhile must not take it from the others.
            yield await asyncio.shield(entry.backend)
        finally:
            entry.users -= 1
            self._entries.move_to_end(name)
            self._tidy()

    def _tidy(self) -> None:
        idle = [name for name, entry in self._entries.items() if entry.users == 0]
        too_many = len(idle) - KEPT_BACKENDS
        for name in idle:
            entry = self._entries[name]
            failed = entry.backend.done() and (entry.backend.cancelled() or entry.backend.exception())
            if failed or too_many > 0:
                too_many -= 1
                del self._entries[name]
                task = asyncio.create_task(_close(entry.backend), name="close-variant")
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close all of them."""
        entries, self._entries = list(self._entries.values()), OrderedDict()
        await asyncio.gather(*(_close(entry.backend) for entry in entries), *self._closing)


class _Entry:
    """A variant's backend, perhaps still to come, and how many attempts use it."""

    __slots__ = ("backend", "users")

    def __init__(self, backend: asyncio.Future[Backend]) -> None:
        self.backend = backend
        self.users = 0


async def _close(made: asyncio.Future[Backend]) -> None:
    with suppress(Exception):  # who asked for it has been sent the reason
        backend = await made
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await backend.aclose()
        except Exception as exc:  # noqa: BLE001 - the others are still to be closed
            log.warning("backend_not_closed", backend=type(backend).__name__, **failure(exc))


class VariantBackend:
    """Answers for a variant by a backend that is held for an attempt alone. A `Backend`."""

    emits_at_once = True  # what the variant's own backend may not know how to do

    def __init__(self, settings: AgentSettings, variant: AgentVariant, backends: VariantBackends) -> None:
        self._settings = settings
        self._variant = variant
        self._backends = backends

    @property
    def model(self) -> str | None:
        """The model that the changed settings name."""
        return self._settings.named_model

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Answer as the variant's own backend does."""
        async with (
            self._backends.use(self._settings, self._variant) as backend,
            aclosing(backend.stream(request)) as emissions,
        ):
            async for emission in emissions:
                yield emission

    async def aclose(self) -> None:
        """Do nothing: `VariantBackends` closes what is there."""


class AgentsOfRun:
    """The configured agents and a run's variants of them. A `KnownAgents`.

    A variant whose agent is not here, or lets less be changed than where the run began, is unknown.
    """

    def __init__(
        self, configured: KnownAgents, variants: Mapping[str, AgentVariant], backends: VariantBackends
    ) -> None:
        self._configured = configured
        self._variants = variants
        self._backends = backends
        self._settings = {
            name: settings
            for name, variant in variants.items()
            if (settings := varied(configured.agents, variant)) is not None
        }
        self.agents: Mapping[str, AgentSettings] = {**configured.agents, **self._settings}

    def info(self, agent_id: str) -> AgentInfo:
        """Describe an agent as `run.started` does; a variant's title has the name under which it takes part."""
        settings = self._settings.get(agent_id)
        if settings is None:
            return self._configured.info(agent_id)
        variant = self._variants[agent_id]
        base = self._configured.info(variant.of)
        model = settings.named_model if "model" in variant.changes else base.model
        return AgentInfo(agent_id, f"{base.title} ({agent_id})", base.backend, model, variant)

    def backend(self, agent_id: str) -> Awaitable[Backend]:
        """Return an agent's backend, to be waited for."""
        settings = self._settings.get(agent_id)
        if settings is None:
            return self._configured.backend(agent_id)
        return _ready(VariantBackend(settings, self._variants[agent_id], self._backends))


async def _ready(backend: Backend) -> Backend:
    return backend


def varied(agents: Mapping[str, AgentSettings], variant: AgentVariant) -> AgentSettings | None:
    """Return the settings of a variant; None if its agent is not here or does not take the changes."""
    settings = agents.get(variant.of)
    if settings is None:
        return None
    try:
        return vary(settings, variant.changes)
    except WrongVariant:
        return None
