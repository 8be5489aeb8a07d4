"""The Python client: starts runs on a server, and finds them again. Imports nothing of the server.

    async with Client("http://127.0.0.1:8080") as client:
        run = await client.start("Will it rain?", agents=["optimist", "skeptic"])
        async for event in run:
            print(event.name, event.data)

and the same without `async`, for scripts and notebooks::

    for event in ask("http://127.0.0.1:8080", "Will it rain?"):
        print(event.name, event.data)
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal
from weakref import WeakSet

import aiohttp

from .channel import Channel
from .follow import Follower
from .http import HEARTBEAT_LIMIT_SECONDS, TRIES, Http, path_of
from .run import Run, begun_view
from .run_view import RunView


class Client:
    """Talks to one server and may follow any number of its runs. Use it as an async context manager.

    Leaving it leaves its runs; it cancels none.

    Args:
        base_url: ``http://127.0.0.1:8080``, with a path if a proxy adds one.
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
        agents: Sequence[str | Mapping[str, Any]] | None = None,
        conversation_id: str | None = None,
        after: str | None = None,
        channel: str | None = None,
        panel: str | Mapping[str, Any] | None = None,
        on_disconnect: Literal["continue", "cancel"] | None = None,
    ) -> Run:
        """Start a run. Its stream opens with the first iteration or `result()`, and misses nothing.

        A start whose answer was lost is repeated under the same Idempotency-Key: one run, not two.

        Args:
            agents: Ids, and agents that are changed for this run: `{"agent_id": "skeptic", "as": "skeptic-hot",
                "model_settings": {"temperature": 1.2}}`, of the keys that `agents()` lists as `variants`.
            after: The run of the conversation that it goes on from, or "start"; None: all that was said is known.
            panel: How its agents work together: a configured panel's id, or an inline one, as
                `{"method": "judge", "moderator": "analyst"}`; *agents* are its members.
        Raises:
            ClientError: The server refuses it, or does not answer.
        """
        optional: dict[str, object] = {
            "agents": None if agents is None else list(agents),
            "conversation_id": conversation_id,
            "after": after,
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
            self._http,
            name,
            filters={"runs": runs, "agents": agents},
            after=after,
            give_up_s=self._give_up_s,
            family=self._family,
        )

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
        """Return a run as it stands. ClientError 404 if there is none, 410 if it is gone."""
        return await self._http.call("GET", path_of("runs", run_id), tries=TRIES)

    async def delete(self, run_id: str) -> None:
        """Cancel a run and forget it, with its events; it answers 410 afterwards."""
        await self._http.call("DELETE", path_of("runs", run_id))

    async def agents(self) -> list[dict[str, Any]]:
        """Return the configured agents: `agent_id`, `title`, `description`, `backend`, `model`, `variants` …"""
        answer = await self._http.call("GET", path_of("agents"), tries=TRIES)
        found: list[dict[str, Any]] = answer["agents"]
        return found

    async def panels(self) -> list[dict[str, Any]]:
        """Return the configured panels: `panel_id`, `title`, `method`, `members`, `moderator` …"""
        found: list[dict[str, Any]] = (await self.panel_listing())["panels"]
        return found

    async def panel_listing(self) -> dict[str, Any]:
        """Return `panels`, and `methods`, those that a panel can have: `method`, `title`, `moderator`, `keys` …"""
        listing: dict[str, Any] = await self._http.call("GET", path_of("panels"), tries=TRIES)
        return listing

    async def scores(self, **filters: str) -> dict[str, Any]:
        """Return what votes and verdicts came to: `compared`, `agents` with their ratings, and `questions`.

        Args:
            filters: `by` (`vote`, `judge`, `rank`) or `q`, a part of the question.
        """
        return await self._http.call("GET", path_of("scores"), params=filters, tries=TRIES)

    def _follow(self, view: RunView, after: str | None) -> Run:
        return Run(self._http, view, after=after, give_up_s=self._give_up_s, family=self._family)
