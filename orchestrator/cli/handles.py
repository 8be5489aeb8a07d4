"""Makes the run that a command shows: started at a server or here, found again, or a panel over it.

Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequest

if TYPE_CHECKING:
    from ..client.client import Client
    from ..client.run_view import RunHandle
    from ..config.load import Config
    from .comparison.compare import ComparisonPlan


Asked = tuple[str | Mapping[str, Any], ...]
"""Who is asked: ids, and agents with changes as in `POST /v1/runs`."""


@dataclass(frozen=True, slots=True)
class PanelChoice:
    """A panel as a command line names it: a configured one's id, or a method with who has the last word."""

    name: str
    moderator: str | None = None

    def spelled_out(
        self,
        configured: Collection[str],
        methods: Collection[str],
        left_out: Mapping[str, str] = MappingProxyType({}),
    ) -> str | dict[str, Any]:
        """Return it as a request has it; a configured panel goes before a method of the same name.

        Args:
            configured: The panels that there are.
            methods: The methods that there are; empty if a server of before does not say.
            left_out: The panels that lack something, and what.
        Raises:
            InvalidRequest: There is no such panel, or a configured one is given another moderator.
        """
        if self.name not in configured:
            if self.name in left_out:
                raise InvalidRequest(f"--panel: {self.name} is left out, for {left_out[self.name]}")
            if methods and self.name not in methods and ":" not in self.name:
                raise InvalidRequest(
                    f"--panel: there is no {self.name!r}; panels here: {', '.join(configured) or 'none'}; "
                    f"methods: {', '.join(methods)}"
                )
            return {"method": self.name} | ({"moderator": self.moderator} if self.moderator else {})
        if self.moderator:
            raise InvalidRequest(
                f"--moderator goes with a method; the panel {self.name!r} has its own, or none"
            )
        return self.name


def all_asked(agents: tuple[str, ...] | None, changed: tuple[dict[str, Any], ...]) -> Asked | None:
    """Return who is asked by id or with changes; None if nobody is named."""
    return (*(agents or ()), *changed) or None


@asynccontextmanager
async def start_at(
    client: Client, question: str, agents: Asked | None, wish: PanelChoice | None
) -> AsyncIterator[RunHandle]:
    """Start a run at a server."""
    async with client:
        panel = None if wish is None else wish.spelled_out(*await _panels_of(client))
        yield await client.start(question, agents=agents, panel=panel)


@asynccontextmanager
async def attach_to(client: Client, run_id: str, after: str | None) -> AsyncIterator[RunHandle]:
    """Find a run at a server again. Raises ClientError at once if the server or the run is not there."""
    async with client:
        await client.snapshot(run_id)
        yield client.attach(run_id, after)


@asynccontextmanager
async def panel_over(client: Client, run_id: str, wish: PanelChoice) -> AsyncIterator[RunHandle]:
    """Let a panel work over a run's answers; the run is that in which it happens."""
    async with client:
        panel = wish.spelled_out(*await _panels_of(client))
        yield await client.attach(run_id).panel(panel)


def agents_here(directory: Path, *, offline: bool = False) -> Config:
    """Read the agents' files for runs in this process; *offline* looks for no model.

    Raises:
        ConfigError: The files are wrong.
    """
    from ..backends.auto.search import environ_for
    from ..config.load import load_config
    from ..telemetry.logs import configure_logging

    # The answers are what is shown; what goes well needs no line between them.
    configure_logging(level="warning")
    return load_config(directory, environ_for(os.environ, offline=offline))


def start_here(
    config: Config, question: str, agents: Asked | None, wish: PanelChoice | None
) -> AbstractAsyncContextManager[RunHandle]:
    """Start a run in this process.

    Raises:
        InvalidRequest: An agent is unknown, or the panel is not possible.
    """
    from ..local import local_run
    from ..panels.methods.registry import METHODS

    named = [each if isinstance(each, str) else str(each.get("agent_id")) for each in agents or ()]
    unknown = [agent_id for agent_id in named if agent_id not in config.agents]
    if unknown:
        known = ", ".join(config.agents)
        if unknown[0] in config.left_out:
            raise InvalidRequest(f"--agents: {unknown[0]} is left out, for {config.left_out[unknown[0]]}")
        raise InvalidRequest(f"--agents: there is no {', '.join(unknown)} in {config.directory}, but {known}")
    panel: str | Mapping[str, Any] | None = (
        None if wish is None else wish.spelled_out(config.panels, METHODS, config.left_out_panels)
    )
    opening: AbstractAsyncContextManager[RunHandle] = local_run(config, question, agents or None, panel=panel)
    return opening


def compared_by(
    comparison: ComparisonPlan, config: Config | None, client: Callable[[], Client]
) -> Callable[[str], AbstractAsyncContextManager[RunHandle]]:
    """Return what starts a run of a question with all that are compared: here with *config*, else at a server."""
    wish = None if comparison.judge is None else PanelChoice("judge", comparison.judge)

    def open_run(question: str) -> AbstractAsyncContextManager[RunHandle]:
        if config is not None:
            return start_here(config, question, comparison.agents, wish)
        return start_at(client(), question, comparison.agents, wish)

    return open_run


async def _panels_of(client: Client) -> tuple[list[str], list[str], dict[str, str]]:
    listing = await client.panel_listing()
    methods = [method["method"] for method in listing.get("methods", [])]
    left_out = {each["panel_id"]: each["reason"] for each in listing.get("left_out", [])}
    return [panel["panel_id"] for panel in listing["panels"]], methods, left_out
