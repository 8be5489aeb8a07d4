"""Who is watching which run. Owns the counts and how long nobody was there; what follows is the janitor's."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..errors import LimitReached
from ..eventlog.run_store import RunStore
from ..run.spec import RunSpec
from ..settings.limits import RunLimits

WATCHED, WATCHED_SECONDS = "watched ", 2.0
"""How a worker says that it has subscribers of a run that another one owns."""


class Presence:
    """Subscribers of runs and of whole channels.

    Args:
        shared: Whether other workers may have subscribers of our runs, and we of theirs.
    """

    def __init__(self, store: RunStore, limits: RunLimits, *, shared: bool) -> None:
        self._store = store
        self._limits = limits
        self._shared = shared
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
        """Name those of *runs* that nobody has watched for `abandon_after_s`, and tell other workers of ours."""
        now = time.monotonic()
        if self._shared:
            for key in list(self._present):
                await self._store.beat(f"{WATCHED}{key}", WATCHED_SECONDS)
        mortal = {spec.run_id: spec for spec in runs if spec.on_disconnect == "cancel"}
        for run_id in self._absent_since.keys() - mortal.keys():
            del self._absent_since[run_id]
        living = await self._store.living() if mortal and self._shared else set()
        found = []
        for spec in mortal.values():
            if any(
                self._present[k] or f"{WATCHED}{k}" in living for k in (spec.run_id, _whole(spec.channel))
            ):
                self._absent_since.pop(spec.run_id, None)
            elif now - self._absent_since.setdefault(spec.run_id, now) >= self._limits.abandon_after_s:
                found.append(spec.run_id)
        return found


def _whole(channel: str) -> str:
    return f"channel {channel}"
