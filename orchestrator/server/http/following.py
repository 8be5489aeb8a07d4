"""Answers a request with a run in one of the dialects: its stream, or what it has come to. Owns no bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from ...eventlog.base import Cursor, Entry, parse_cursor
from ...eventlog.gap import PAGE_EVENTS
from ...eventlog.subscription import Idle, Item, Sink, follow, history
from ...eventlog.view import View
from ...events.snapshot import Snapshot
from ...framing.base import Dialect, Forkable, Framing, Subscriber
from ...framing.rollback import rolled_back
from ...supervisor.supervisor import AnyRun
from ..keys import CHECKPOINTS, METRICS, STREAMS, SUPERVISOR
from .connections import CONNECTIONS
from .reading import wanted_agents
from .streams import EventStream, portions

LONG_EVENTS = 8_192
"""A reader whose cursor has more before it begins with the run's state; a fold of fewer costs less than 10 ms."""

LATER_EVENTS = 8_192
"""Most events between that state and the newest, which have to be taken back."""

TAIL_EVENTS = 512
"""Read before the cursor all the same: only the last events say what is open and who waits."""

LOOK_EVENTS = 512
"""Between two looks whether what a framing has heard is worth keeping, while each event goes to its client at once."""


@dataclass(frozen=True, slots=True)
class DialectReader:
    """One request's way to read one run in one dialect.

    Args:
        options: What the dialect's own request said.
    """

    request: web.Request
    run: AnyRun
    options: Mapping[str, Any]

    @property
    def view(self) -> View:
        spec = self.run.spec
        return View(spec.channel, spec.run_id, wanted_agents(self.request))

    def open(self, dialect: Dialect, cursor: str | None = None) -> Framing:
        """Return a framing for this connection, with what is kept of the run before *cursor*."""
        newest = parse_cursor(self.run.state.last_event_id or "")
        subscriber = Subscriber(
            self.run.spec.run_id,
            newest=newest.seq if newest is not None else 0,
            titles={name: each.info.title for name, each in self.run.participants.items()},
            options=self.options,
        )
        at = parse_cursor(cursor or "")
        if at is not None and dialect.framing.needs_all:
            kept = self.request.app[CHECKPOINTS].before(self.run.state, (at.epoch, self.view.agents), at.seq)
            if kept is not None and self._digested(at) - kept.seq < LONG_EVENTS:
                return kept.forked(subscriber)
        return dialect.open(subscriber)

    def _digested(self, cursor: Cursor) -> int:
        """Return the seq up to which the run's digest stands for the log before *cursor*; 0 if it saves little."""
        last = self.run.state.digest.exact_at(cursor)
        return last if last >= LONG_EVENTS else 0

    async def items(
        self, cursor: str | None, framing: Framing, sink: Sink | None = None
    ) -> AsyncGenerator[Item, None]:
        """Yield what follows *cursor*; *framing* takes in each item before it asks for the next."""
        supervisor, run_id = self.request.app[SUPERVISOR], self.run.spec.run_id

        async def snapshots() -> list[Snapshot]:
            return [(await supervisor.get(run_id)).snapshot()]

        # What a client of an earlier answer has is not in its framing, and after a gap not all is.
        whole = None if self.options.get("fresh") else _forkable(framing)
        looked_at = 0

        def hand_on(entries: list[Entry]) -> bool:
            nonlocal looked_at
            if sink is None or not sink(entries):
                return False
            if whole is not None and whole.seq - looked_at >= LOOK_EVENTS:
                looked_at = whole.seq
                self._keep(whole, entries[-1].epoch)
            return True

        take = None if sink is None else hand_on
        async with aclosing(follow(supervisor.log, self.view, cursor, snapshots, sink=take)) as items:
            async for item in items:
                yield item
                if whole is None:
                    continue
                if isinstance(item, list):
                    self._keep(whole, item[-1].epoch)
                elif not isinstance(item, Idle):
                    whole = None

    def _keep(self, framing: Forkable, epoch: str) -> None:
        """Keep what *framing* has heard, if that is much more than what is kept."""
        if framing.is_finished:
            return
        kept, view = self.request.app[CHECKPOINTS], (epoch, self.view.agents)
        if kept.is_due(self.run.state, view, framing.seq):
            kept.keep(self.run.state, view, framing.forked(Subscriber(self.run.spec.run_id)))

    def seen(self, cursor: str | None, framing: Framing) -> AsyncGenerator[list[Entry], None] | None:
        """Return what the client has seen, if *framing* has to know it; of a long run only the end."""
        if cursor is None or not framing.folds:
            return None
        return self._seen(cursor, framing)

    def begin_whole(
        self, framing: Framing, newest: Cursor
    ) -> tuple[str | None, AsyncGenerator[list[Entry], None] | None]:
        """Return the cursor at which a reader of all may begin, and what stands for all before it."""
        if (whole := _forkable(framing)) is None:
            return None, None
        if whole.seq:
            return f"{newest.epoch}-{whole.seq}", None
        if last := self._digested(Cursor(newest.epoch, newest.seq - 1)):
            cursor = f"{newest.epoch}-{last}"
            return cursor, self.seen(cursor, framing)
        return None, None

    async def _seen(self, cursor: str, framing: Framing) -> AsyncGenerator[list[Entry], None]:
        at, whole = parse_cursor(cursor), _forkable(framing)
        if not framing.needs_all:
            after = await self._begin_late(cursor, framing)
        elif whole is not None and whole.seq:
            after = whole.seq
        elif at is not None:
            after = self._digested(at)
            kept = filter(self.view.keeps, self.run.state.digest.entries(after))
            while page := list(islice(kept, PAGE_EVENTS)):
                yield page
        else:
            after = 0
        async with aclosing(
            history(self.request.app[SUPERVISOR].log, self.view, cursor, after=after)
        ) as pages:
            async for page in pages:
                yield page
                if whole is not None:
                    self._keep(whole, page[-1].epoch)

    async def _begin_late(self, cursor: str, framing: Framing) -> int:
        """Let *framing* begin with the run's state shortly before *cursor*; return the seq of that, 0 if it does not.

        It is the run's state of now without what came since, so it is worth its while only near the run's end.
        """
        supervisor, spec = self.request.app[SUPERVISOR], self.run.spec
        at, bounds = parse_cursor(cursor), await supervisor.log.open(spec.channel)
        snapshot = self.run.snapshot()
        newest = parse_cursor(snapshot.last_event_id or "")
        if at is None or newest is None or not at.epoch == newest.epoch == bounds.epoch:
            return 0
        start = at.seq - TAIL_EVENTS
        if start - bounds.first < LONG_EVENTS or not start < at.seq <= newest.seq <= start + LATER_EVENTS:
            return 0
        later: list[Entry] = []
        whole = View(spec.channel, spec.run_id)
        newest_id = f"{newest.epoch}-{newest.seq}"
        async with aclosing(history(supervisor.log, whole, newest_id, after=start)) as pages:
            async for page in pages:
                later += page
        state = rolled_back(snapshot, later)
        if (wanted := self.view.agents) is not None:
            state = replace(
                state, agents={name: each for name, each in state.agents.items() if name in wanted}
            )
        for _ in framing.begin_at(state, start):
            await self.request.app[STREAMS].share.take()
        return start


def _forkable(framing: Framing) -> Forkable | None:
    """Return *framing* if another connection may begin with what it has heard; asking costs more than an event."""
    return framing if framing.needs_all and isinstance(framing, Forkable) else None


def require_stream(request: web.Request) -> None:
    """Raise Unavailable if `stream_run` would: before a run is begun, which would go on without a reader."""
    request.app[CONNECTIONS].require_room("streams")


async def stream_run(
    request: web.Request,
    run: AnyRun,
    dialect: Dialect,
    *,
    cursor: str | None = None,
    headers: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> web.StreamResponse:
    """Send *run* from *cursor* on, as *dialect* writes it, until its end, the client's, or the server's.

    Args:
        cursor: The last event that the client has seen, as it came; None starts at the first.
        options: What the dialect's own request said.
    """
    metrics, spec = request.app[METRICS], run.spec
    reader = DialectReader(request, run, options or {})
    framing = reader.open(dialect, cursor)
    stream = EventStream(
        request,
        framing,
        headers={"Run-Id": spec.run_id, **(headers or {})},
        on_drop=metrics.client_dropped,
    )
    held = request.app[CONNECTIONS].holding("streams")
    with held, request.app[SUPERVISOR].watching(spec.channel, spec.run_id), metrics.subscribing("sse"):
        items, seen = reader.items(cursor, framing, stream.take), reader.seen(cursor, framing)
        return await request.app[STREAMS].serve(stream, items, lambda: run.t, seen=seen)


async def fold_run(
    request: web.Request,
    run: AnyRun,
    dialect: Dialect,
    *,
    to_end: bool,
    cursor: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Framing:
    """Let a framing take in *run*, and return it: its state is the answer of a call that does not stream.

    Args:
        to_end: Wait until nothing more comes; otherwise take what there is by now.
        cursor: What a client has seen of it already, taken in by `skip`.
    """
    wanted = {**(options or {}), "silent": True}
    framing = await _folded(request, run, dialect, to_end=to_end, cursor=cursor, options=wanted)
    # The answer that is made of it next costs as much as a page does, and a crowd may ask for as many.
    await request.app[STREAMS].share.take()
    return framing


async def _folded(
    request: web.Request,
    run: AnyRun,
    dialect: Dialect,
    *,
    to_end: bool,
    cursor: str | None,
    options: Mapping[str, Any],
) -> Framing:
    reader = DialectReader(request, run, options)
    newest, spec = parse_cursor(run.state.last_event_id or ""), run.spec
    share = request.app[STREAMS].share
    if cursor is None and newest is not None:
        framing = reader.open(dialect, f"{newest.epoch}-{newest.seq - 1}")
        cursor, seen = reader.begin_whole(framing, newest)
    else:
        framing = reader.open(dialect, cursor)
        seen = reader.seen(cursor, framing)
    if seen is not None:
        async with aclosing(seen):
            async for page in seen:
                for portion in portions(page):
                    await share.take()
                    framing.skip(portion)
        framing.resumed()
    with request.app[SUPERVISOR].watching(spec.channel, spec.run_id):
        async with aclosing(reader.items(cursor, framing)) as items:
            async for item in items:
                if isinstance(item, list):
                    # A log in memory waits for nothing, so a long run would hold up every other stream.
                    for portion in portions(item):
                        await share.take()
                        framing.entries(portion)
                    if not to_end and newest is not None and item[-1].seq >= newest.seq:
                        return framing
                elif not isinstance(item, Idle):
                    for _ in framing.gap(item, run.t):
                        await share.take()
                    if not to_end:
                        return framing
                if framing.is_finished:
                    return framing
    return framing
