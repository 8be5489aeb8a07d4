"""Counts who is watching which run, and for how long nobody was. What follows of it is `cancel_abandoned`'s."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..agent.attempt import Stop
from ..errors import LimitReached
from ..eventlog.run_store import WATCHED_SECONDS, RunStore
from ..run.spec import RunSpec
from ..settings.limits import RunLimits
from .executor import Executor

PRESENCE_SECONDS = 0.5
PUBLISH_AGAIN_SECONDS = WATCHED_SECONDS / 3
"""How often a worker repeats of what it has subscribers; in between it says only what has changed."""


class Presence:
    """Subscribers of runs and of whole channels.

    Args:
        worker: The name under which other workers learn of our subscribers, as we do of theirs; None if
            there are no others.
    """

    def __init__(self, store: RunStore, limits: RunLimits, *, worker: str | None = None) -> None:
        self._store = store
        self._limits = limits
        self._worker = worker
        self._published: set[str] = set()
        self._published_at = time.monotonic()
        self._present: Counter[str] = Counter()
        self._absent_since: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._present)

    @contextmanager
    def watching(self, channel: str, run_id: str | None = None) -> Iterator[None]:
        """Count a subscriber of a run, or of a whole channel, while inside.

        Raises:
            LimitReached: There are `max_subscribers` already.
        """
        key = run_id or _whole(channel)
        if self._present[key] >= self._limits.max_subscribers:
            raise LimitReached(
                f"There are {self._limits.max_subscribers} subscribers already.", retry_after=5
            )
        self._present[key] += 1
        try:
            yield
        finally:
            self._present[key] -= 1
            if not self._present[key]:
                del self._present[key]

    async def abandoned(self, runs: Iterable[RunSpec]) -> list[str]:
        """Name those of *runs* that nobody has watched for `abandon_after_s`, and report ours to other workers."""
        await self._publish()
        mortal = {spec.run_id: spec for spec in runs if spec.on_disconnect == "cancel"}
        for run_id in self._absent_since.keys() - mortal.keys():
            del self._absent_since[run_id]
        alone = [spec for spec in mortal.values() if not any(self._present[key] for key in _keys(spec))]
        elsewhere = await self._elsewhere([key for spec in alone for key in _keys(spec)])
        alone = [spec for spec in alone if not elsewhere.intersection(_keys(spec))]
        for run_id in self._absent_since.keys() - {spec.run_id for spec in alone}:
            del self._absent_since[run_id]
        now = time.monotonic()
        found = []
        for spec in alone:
            if now - self._absent_since.setdefault(spec.run_id, now) >= self._limits.abandon_after_s:
                found.append(spec.run_id)
        return found

    async def _publish(self) -> None:
        """Report to the other workers what has changed since the last time. Raises LogUnavailable."""
        if self._worker is None:
            return
        present, now = set(self._present), time.monotonic()
        again = bool(present) and now - self._published_at > PUBLISH_AGAIN_SECONDS
        added = sorted(present if again else present - self._published)
        removed = sorted(self._published - present)
        if added or removed:
            await self._store.watch(self._worker, added, removed)
            self._published, self._published_at = present, now

    async def _elsewhere(self, keys: list[str]) -> set[str]:
        """Return those of *keys* of which other living workers have subscribers."""
        if self._worker is None or not keys:
            return set()
        others = await self._store.living() - {self._worker}
        return await self._store.watched(keys, by=others) if others else set()


def _keys(spec: RunSpec) -> tuple[str, str]:
    """Return under which keys a subscriber of this run may be counted."""
    return spec.run_id, _whole(spec.channel)


async def cancel_abandoned(presence: Presence, executor: Executor) -> None:
    """Cancel the runs of this worker that nobody watches any more. Raises LogUnavailable."""
    # Whoever is to approve something has read the question, and may think about it without a connection.
    specs = [run.spec for _, run in executor.items() if not run.awaits_approval]
    for run_id in await presence.abandoned(specs):
        run = executor.find(run_id)
        if run is not None:
            run.cancel(Stop("abandoned"))


def _whole(channel: str) -> str:
    return f"channel {channel}"
