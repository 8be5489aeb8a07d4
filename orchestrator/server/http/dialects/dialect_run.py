"""Answers a request with a run in one of the dialects: its stream, or what it has come to. Owns no bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from aiohttp import web

from ....eventlog.base import Cursor, Entry, parse_cursor
from ....eventlog.gap import PAGE_EVENTS
from ....eventlog.subscription import Idle, Item, Sink, follow, history
from ....eventlog.view import View
from ....events.snapshot import Snapshot
from ....framing.base import Dialect, Forkable, Framing, Subscriber
from ....framing.interning import Interned
from ....supervisor.supervisor import AnyRun
from ...app_keys import CHECKPOINTS, METRICS, STREAMS, SUPERVISOR
from ..guards.connections import CONNECTIONS
from ..stream_params import wanted_agents
from ..streams import EventStream, portions

LONG_EVENTS = 8_192
"""A reader whose cursor has more before it begins with what is kept of the run, or with its digest."""

LOOK_EVENTS = 512
"""Between two looks whether what a framing has heard is worth keeping, while each event goes to its client at once."""


@dataclass(slots=True)
class DialectReader:
    """One request's way to read one run in one dialect.

    Args:
        options: What the dialect's own request said.
    """

    request: web.Request
    run: AnyRun
    options: Mapping[str, Any]
    _lacks_some: bool = field(default=False, init=False)
    """Whether events that the framing should have taken in may be trimmed: what it heard is then no other reader's."""

    @property
    def view(self) -> View:
        spec = self.run.spec
        return View(spec.channel, spec.run_id, wanted_agents(self.request))

    def open(self, dialect: Dialect) -> Framing:
        """Return a framing for this connection."""
        newest = parse_cursor(self.run.state.last_event_id or "")
        way = self._way(dialect.framing, "" if newest is None else newest.epoch)
        # A framing that does not fold holds nothing in common; to look for that costs a kilobyte for each run.
        known = self.request.app[CHECKPOINTS] if dialect.framing.folds else None
        subscriber = Subscriber(
            self.run.spec.run_id,
            newest=newest.seq if newest is not None else 0,
            titles={name: each.info.title for name, each in self.run.participants.items()},
            options=self.options,
            shared=Interned() if known is None else known.shared(self.run.state, way),
        )
        return dialect.open(subscriber)

    def _way(self, kind: type[Framing], epoch: str) -> Hashable:
        """Return what tells those apart who hear something else of the run."""
        return kind, self.view.agents, epoch

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
                if isinstance(item, list):
                    if whole is not None:
                        self._keep(whole, item[-1].epoch)
                elif not isinstance(item, Idle):
                    whole = None
                del item  # a state may be megabytes, and the wait for the next item long

    def _keep(self, framing: Forkable, epoch: str) -> None:
        """Keep what *framing* has heard, if that is much more than what is kept."""
        kept, way = self.request.app[CHECKPOINTS], self._way(type(framing), epoch)
        if self._lacks_some or framing.is_finished or not kept.is_due(self.run.state, way, framing.seq):
            return
        make: Any = type(framing)
        copy = make(Subscriber(self.run.spec.run_id, shared=kept.shared(self.run.state, way)))
        copy.begin_with(framing)
        kept.keep(self.run.state, way, copy)

    def seen(self, cursor: str | None, framing: Framing) -> AsyncGenerator[list[Entry], None] | None:
        """Return what the client has seen, if *framing* has to know it; what is kept of it already is left out."""
        if cursor is None or not framing.folds:
            return None
        at, whole = parse_cursor(cursor), _forkable(framing)
        if at is None or whole is None or at.seq < LONG_EVENTS or at.epoch != self._epoch:
            return self._history(cursor, 0)
        return self._seen(cursor, at, whole)

    async def begin_whole(self, framing: Framing, newest: Cursor) -> str | None:
        """Return the cursor up to which a reader of all may take in what is kept of the run; None from the first on."""
        whole, at = _forkable(framing), Cursor(newest.epoch, newest.seq - 1)
        if whole is None or at.seq < LONG_EVENTS:
            return None
        kept = self.request.app[CHECKPOINTS].before(self.run.state, self._way(type(whole), at.epoch), at.seq)
        if kept is None and not self._digested(at):
            # Only a log that has lost nothing stands for all.
            bounds = await self.request.app[SUPERVISOR].log.open(self.run.spec.channel)
            if bounds.first > 1 or bounds.epoch != newest.epoch:
                return None
        return f"{at.epoch}-{at.seq}"

    @property
    def _epoch(self) -> str | None:
        newest = parse_cursor(self.run.state.last_event_id or "")
        return None if newest is None else newest.epoch

    async def _seen(self, cursor: str, at: Cursor, framing: Forkable) -> AsyncGenerator[list[Entry], None]:
        kept = self.request.app[CHECKPOINTS]
        run, way = self.run.state, self._way(type(framing), at.epoch)
        async with kept.reading(run, way):
            known, digested = kept.before(run, way, at.seq), self._digested(at)
            if known is not None and digested - known.seq < LONG_EVENTS:
                framing.begin_with(known)
            elif digested:
                entries = filter(self.view.keeps, run.digest.entries(digested))
                while page := list(islice(entries, PAGE_EVENTS)):
                    yield page
                framing.reach(digested)
                self._keep(framing, at.epoch)
            async with aclosing(self._history(cursor, framing.seq)) as pages:
                async for page in pages:
                    yield page
                    self._keep(framing, at.epoch)

    async def _history(self, cursor: str, after: int) -> AsyncGenerator[list[Entry], None]:
        log = self.request.app[SUPERVISOR].log
        self._lacks_some = (await log.open(self.run.spec.channel)).first - 1 > after
        async with aclosing(history(log, self.view, cursor, after=after)) as pages:
            async for page in pages:
                yield page


def _forkable(framing: Framing) -> Forkable | None:
    """Return *framing* if another connection may begin with what it has heard; asking costs more than an event."""
    return framing if framing.folds and isinstance(framing, Forkable) else None


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
    framing = reader.open(dialect)
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
    framing = reader.open(dialect)
    if cursor is None and newest is not None:
        cursor = await reader.begin_whole(framing, newest)
    if (seen := reader.seen(cursor, framing)) is not None:
        async with aclosing(seen):
            async for page in seen:
                for portion in portions(page):
                    await share.take()
                    framing.skip(portion)
        if options.get("fresh"):
            framing.resumed()  # sends nothing to anybody, but forgets what is of an earlier answer
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
