"""The Python client without `async`: the same calls, each waited for in the thread that makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextvars import copy_context
from types import TracebackType
from typing import Any, Literal, TypeVar

from .agent_view import AgentView
from .channel import Channel
from .client import Client
from .event import Event
from .follow import Follower
from .run import Run
from .run_view import ConnectionDetail, RunView

T = TypeVar("T")


class SyncClient:
    """The same without `async`. Takes `Client`'s arguments; use it as a context manager, in one thread.

    Nothing moves between its calls: a run is read while it is iterated or waited for. A pause costs nothing
    but a reconnect, since the server keeps the events.
    """

    def __init__(self, base_url: str, token: str | None = None, **options: Any) -> None:
        self._client = Client(base_url, token, **options)
        self._runner = asyncio.Runner()

    def __enter__(self) -> SyncClient:
        self._runner.__enter__()
        self._wait(self._client.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wait(self._client.aclose())
        finally:
            self._runner.close()

    def start(self, message: str, **options: Any) -> SyncRun:
        """As `Client.start`."""
        return SyncRun(self._wait(self._client.start(message, **options)), self._runner)

    def attach(self, run_id: str, after: str | None = None) -> SyncRun:
        """As `Client.attach`."""
        return SyncRun(self._client.attach(run_id, after), self._runner)

    def channel(self, name: str, **options: Any) -> SyncChannel:
        """As `Client.channel`."""
        return SyncChannel(self._client.channel(name, **options), self._runner)

    def runs(
        self, *, limit: int | None = None, before: str | None = None, **filters: str
    ) -> list[dict[str, Any]]:
        """As `Client.runs`."""
        return self._wait(self._client.runs(limit=limit, before=before, **filters))

    def snapshot(self, run_id: str) -> dict[str, Any]:
        """As `Client.snapshot`."""
        return self._wait(self._client.snapshot(run_id))

    def delete(self, run_id: str) -> None:
        """As `Client.delete`."""
        self._wait(self._client.delete(run_id))

    def agents(self) -> list[dict[str, Any]]:
        """As `Client.agents`."""
        return self._wait(self._client.agents())

    def panels(self) -> list[dict[str, Any]]:
        """As `Client.panels`."""
        return self._wait(self._client.panels())

    def scores(self, **filters: str) -> dict[str, Any]:
        """As `Client.scores`."""
        return self._wait(self._client.scores(**filters))

    def _wait(self, what: Coroutine[Any, Any, T]) -> T:
        # In the caller's context, not the runner's: it may be an agent of this service that asks.
        return self._runner.run(what, context=copy_context())


class SyncRun:
    """A `Run` without `async`; its `view` moves only while it is iterated or waited for."""

    def __init__(self, run: Run, runner: asyncio.Runner) -> None:
        self.run = run
        self._runner = runner

    @property
    def view(self) -> RunView:
        """State of the run and its agents."""
        return self.run.view

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def status(self) -> str:
        return self.run.status

    @property
    def detail(self) -> ConnectionDetail | None:
        """What is the matter with the connection."""
        return self.run.detail

    @property
    def agents(self) -> dict[str, AgentView]:
        return self.run.agents

    def __iter__(self) -> Iterator[Event]:
        return _events(self.run, self._runner)

    def result(self) -> RunView:
        """As `Run.result`."""
        return self._runner.run(self.run.result())

    def cancel(self, agent_id: str | None = None) -> None:
        """As `Run.cancel`."""
        self._runner.run(self.run.cancel(agent_id))

    def retry(self, agent_id: str) -> None:
        """As `Run.retry`."""
        self._runner.run(self.run.retry(agent_id))

    def add(self, agent_id: str) -> None:
        """As `Run.add`."""
        self._runner.run(self.run.add(agent_id))

    def vote(self, agent_id: str | None, verdict: Literal["tie", "both_bad"] = "tie") -> dict[str, Any]:
        """As `Run.vote`."""
        return self._runner.run(self.run.vote(agent_id, verdict))

    def take_vote_back(self) -> None:
        """As `Run.take_vote_back`."""
        self._runner.run(self.run.take_vote_back())

    def panel(self, panel: str | Mapping[str, Any]) -> SyncRun:
        """As `Run.panel`."""
        run = self._runner.run(self.run.panel(panel))
        return self if run is self.run else SyncRun(run, self._runner)

    def detach(self) -> None:
        """As `Run.detach`."""
        self._runner.run(self.run.detach())


class SyncChannel:
    """A `Channel` without `async`; its `runs` move only while it is iterated. Iterating waits for ever."""

    def __init__(self, channel: Channel, runner: asyncio.Runner) -> None:
        self.channel = channel
        self._runner = runner

    @property
    def runs(self) -> dict[str, RunView]:
        return self.channel.runs

    @property
    def detail(self) -> ConnectionDetail | None:
        """What is the matter with the connection."""
        return self.channel.detail

    def __iter__(self) -> Iterator[Event]:
        return _events(self.channel, self._runner)

    def detach(self) -> None:
        """As `Channel.detach`."""
        self._runner.run(self.channel.detach())


def _events(followed: Follower, runner: asyncio.Runner) -> Iterator[Event]:
    async def iterate() -> AsyncIterator[Event]:
        return aiter(followed)

    async def following() -> Event | None:
        return await anext(events, None)

    events = runner.run(iterate())
    while (event := runner.run(following())) is not None:
        yield event


def ask(base_url: str, message: str, *, token: str | None = None, **options: Any) -> Iterator[Event]:
    """Start a run and yield its events to the end. Takes `Client.start`'s options.

    Closing the generator leaves the run; it goes on at the server.
    """
    with SyncClient(base_url, token) as client:
        yield from client.start(message, **options)
