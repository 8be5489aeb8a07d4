"""What long runs had come to in a dialect, kept at several places, so that who comes back begins there.

Owns no reading. What is kept of a run goes with the run's state: with its deletion, and when nobody knows it any more.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Hashable, Iterator
from itertools import count
from operator import attrgetter
from weakref import WeakKeyDictionary, WeakValueDictionary

from ....framing.base import Forkable
from ....framing.interning import Interned
from ....run.state import RunState

CHECKPOINT_EVENTS = 8_192
"""Between two checkpoints of a run; a fold of as many costs less than 50 ms, piece by piece."""

PER_VIEW = 16
"""Of each way to read a run; beyond it every second goes. A log of 64 MiB has hardly as many as 131,072 events."""

MOST_VIEWS = 16
"""Ways to read one run (a dialect, with `?agents=`) of which something is kept."""

MOST_BYTES = 64 * 1024 * 1024
"""Of all checkpoints of this process, about; beyond it those go that were not asked for the longest."""


class _View:
    """What is kept of one run as it is read in one way."""

    def __init__(self, shared: Interned) -> None:
        self.kept: list[Forkable] = []
        self.own = 0
        """Bytes that the kept ones hold for themselves."""
        self.shared = shared
        self.reading = asyncio.Lock()
        self.used = 0

    @property
    def size(self) -> int:
        return self.own + self.shared.size

    def keep(self, framing: Forkable) -> None:
        self.kept.insert(bisect_right(self.kept, framing.seq, key=attrgetter("seq")), framing)
        if len(self.kept) > PER_VIEW:
            del self.kept[-2::-2]
        self.own = sum(each.size for each in self.kept)

    def before(self, seq: int) -> Forkable | None:
        place = bisect_right(self.kept, seq, key=attrgetter("seq"))
        return self.kept[place - 1] if place else None


class Checkpoints:
    """The checkpoints of this process's runs, and what its connections hold in common."""

    def __init__(self) -> None:
        self._views: WeakKeyDictionary[RunState, dict[Hashable, _View]] = WeakKeyDictionary()
        self._shared: WeakKeyDictionary[RunState, WeakValueDictionary[Hashable, Interned]] = (
            WeakKeyDictionary()
        )
        self._uses = count(1)

    def shared(self, run: RunState, view: Hashable) -> Interned:
        """Return what all who read *run* in one way hold in common; it goes with the last of them."""
        known = self._shared.setdefault(run, WeakValueDictionary())
        return known.setdefault(view, Interned())

    def reading(self, run: RunState, view: Hashable) -> asyncio.Lock:
        """Return what lets one reader at a time take in what lies before it: the next begin with what it leaves."""
        return self._view(run, view).reading

    def is_due(self, run: RunState, view: Hashable, seq: int) -> bool:
        """Whether *seq* is so far behind the checkpoint before it that another one is worth its while."""
        known = self.before(run, view, seq)
        return seq - (known.seq if known is not None else 0) >= CHECKPOINT_EVENTS

    def keep(self, run: RunState, view: Hashable, framing: Forkable) -> None:
        """Keep *framing*, which nobody changes any more."""
        mine = self._view(run, view)
        mine.keep(framing)
        self._make_room(mine)

    def before(self, run: RunState, view: Hashable, seq: int) -> Forkable | None:
        """Return the newest checkpoint that is not later than *seq*."""
        views = self._views.get(run)
        found = None if views is None else views.get(view)
        if found is None:
            return None
        found.used = next(self._uses)
        return found.before(seq)

    def _view(self, run: RunState, view: Hashable) -> _View:
        views = self._views.setdefault(run, {})
        found = views.get(view)
        if found is None:
            found = views[view] = _View(self.shared(run, view))
        found.used = next(self._uses)
        if len(views) > MOST_VIEWS:
            del views[min(views, key=lambda name: views[name].used)]
        return found

    def _make_room(self, but: _View) -> None:
        """Let go what was not asked for the longest, until the others and *but* are no more than `MOST_BYTES`."""
        known = sorted(self._all(), key=lambda each: each[2].used)
        size = sum(each.size for _, _, each in known)
        for views, name, each in known:
            if size <= MOST_BYTES:
                return
            if each is not but:
                size -= each.size
                del views[name]
        if size > MOST_BYTES:
            but.kept.clear()

    def _all(self) -> Iterator[tuple[dict[Hashable, _View], Hashable, _View]]:
        for views in self._views.values():
            for name, each in views.items():
                yield views, name, each
