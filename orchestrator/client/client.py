"""Owns the Python client: starting runs on a server, finding them again. Imports nothing of the server.

    async with Client("http://127.0.0.1:8080") as client:
        run = await client.start("Will it rain?", agents=["optimist", "skeptic"])
        async for event in run:
            print(event.name, event.data)

and the same without `async`, for scripts and notebooks::

    for event in ask("http://127.0.0.1:8080", "Will it rain?"):
        print(event.name, event.data)
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar
from weakref import WeakSet

import aiohttp

from .agent_view import AgentView, ToolView, TurnView
from .channel import Channel
from .event import Event
from .follow import Follower
from .http import HEARTBEAT_LIMIT_SECONDS, TRIES, ClientError, Http, path_of
from .panel_view import PanelView
from .run import Run, begun_view
from .run_view import RunView

__all__ = [
    "AgentView",
    "Channel",
    "Client",
    "ClientError",
    "Event",
    "PanelView",
    "Run",
    "RunView",
    "SyncClient",
    "SyncRun",
    "ToolView",
    "TurnView",
    "ask",
]

T = TypeVar("T")


class Client:
    """Talks to one server and may follow any number of its runs. Use it as an async context manager.

    Leaving it leaves its runs; it cancels none.

    Args:
        base_url: ``http://127.0.0.1:8080``, with a path where a proxy adds one.
        token: Sent as `Authorization: Bearer`.
        session: One of the caller's own, for TLS or proxies; it is not closed here.
        silence_s: A stream without a byte for so long is taken for dead and opened again.
        give_up_s: How long a run is followed without a connection; None: for ever.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        session: aiohttp.ClientSession | None = None,
        silence_s: float = HEARTBEAT_LIMIT_SECONDS,
        give_up_s: float | None = None,
    ) -> None:
        self._http = Http(base_url, token, session, silence_s)
        self._give_up_s = give_up_s
        self._family: WeakSet[Follower] = WeakSet()

    async def __aenter__(self) -> Client:
        self._http.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave every run and channel and close the connections."""
        for followed in list(self._family):
            await followed.detach()
        await self._http.aclose()

    async def start(
        self,
        message: str,
        *,
        agents: Sequence[str] | None = None,
        conversation_id: str | None = None,
        channel: str | None = None,
        panel: str | Mapping[str, Any] | None = None,
        on_disconnect: Literal["continue", "cancel"] | None = None,
    ) -> Run:
        """Start a run. Its stream opens with the first iteration or `result()`, and misses nothing.

        A start whose answer was lost is repeated under the same Idempotency-Key: one run, not two.

        Args:
            panel: How its agents work together: a configured panel's id, or an inline one, as
                `{"method": "judge", "moderator": "analyst"}`; *agents* are its members.
        Raises:
            ClientError: The server refuses it, or does not answer.
        """
        optional: dict[str, object] = {
            "agents": None if agents is None else list(agents),
            "conversation_id": conversation_id,
            "channel": channel,
            "panel": panel,
            "on_disconnect": on_disconnect,
        }
        body = {"message": message} | {key: value for key, value in optional.items() if value is not None}
        key = {"Idempotency-Key": uuid.uuid4().hex}
        snapshot = await self._http.call("POST", path_of("runs"), body=body, headers=key, tries=TRIES)
        return self._follow(begun_view({**snapshot, "message": message}), None)

    def attach(self, run_id: str, after: str | None = None) -> Run:
        """Follow a run that was started elsewhere or earlier. No request is made yet.

        Args:
            after: The id that was seen last; None replays the run from its first event. With an id, the text
                of an agent in the middle of its answer lacks what came before, until that agent is done.
        """
        return self._follow(RunView(run_id), after)

    def channel(
        self,
        name: str,
        *,
        runs: Iterable[str] | None = None,
        agents: Iterable[str] | None = None,
        after: str | None = None,
    ) -> Channel:
        """Follow every run of a channel, those to come too. No request is made yet.

        Args:
            runs, agents: Only the events of these; a run's own and its panel's come with any agents.
            after: The id that was seen last; None replays the channel from its first event.
        """
        return Channel(
            self._http, name, runs=runs, agents=agents, after=after,
            give_up_s=self._give_up_s, family=self._family,
        )  # fmt: skip

    async def runs(
        self, *, limit: int | None = None, before: str | None = None, **filters: str
    ) -> list[dict[str, Any]]:
        """Return what a list shows of runs, newest first: no texts, which `snapshot` has.

        Args:
            before: A run id, for the next page.
            filters: `status`, `channel`, `conversation_id` or `q`, a part of the title.
        """
        params = {"limit": None if limit is None else str(limit), "before": before, **filters}
        given = {key: value for key, value in params.items() if value is not None}
        answer = await self._http.call("GET", path_of("runs"), params=given, tries=TRIES)
        found: list[dict[str, Any]] = answer["runs"]
        return found

    async def snapshot(self, run_id: str) -> dict[str, Any]:
        """Return a run as it stands. ClientError 404 where there is none, 410 where it is gone."""
        return await self._http.call("GET", path_of("runs", run_id), tries=TRIES)

    async def delete(self, run_id: str) -> None:
        """Cancel a run and forget it, with its events; it answers 410 afterwards."""
        await self._http.call("DELETE", path_of("runs", run_id))

    async def agents(self) -> list[dict[str, Any]]:
        """Return the configured agents: `agent_id`, `title`, `description`, `backend`, `model`."""
        answer = await self._http.call("GET", path_of("agents"), tries=TRIES)
        found: list[dict[str, Any]] = answer["agents"]
        return found

    async def panels(self) -> list[dict[str, Any]]:
        """Return the configured panels: `panel_id`, `title`, `method`, `members`, `moderator` …"""
        answer = await self._http.call("GET", path_of("panels"), tries=TRIES)
        found: list[dict[str, Any]] = answer["panels"]
        return found

    def _follow(self, view: RunView, after: str | None) -> Run:
        return Run(self._http, view, after=after, give_up_s=self._give_up_s, family=self._family)


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

    def _wait(self, what: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(what)


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
