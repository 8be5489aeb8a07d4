"""What long runs had come to in a dialect that needs every event, kept so that who comes back begins there.

Owns no reading. What is kept of a run goes with the run's state: with its deletion, and when nobody knows it any more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from weakref import WeakKeyDictionary

from ...framing.base import Forkable
from ...run.state import RunState

CHECKPOINT_EVENTS = 8_192
"""Between two checkpoints of a run; a fold of as many costs less than 20 ms."""

PER_VIEW = 2
"""Of each way to read a run: who was cut is a little behind the newest, so the one before is kept, too."""

MOST_VIEWS = 8
"""Ways to read one run (`?agents=`) of which something is kept."""


class Checkpoints:
    """The newest checkpoints of this process's runs."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[RunState, OrderedDict[Hashable, list[Forkable]]] = WeakKeyDictionary()

    def is_due(self, run: RunState, view: Hashable, seq: int) -> bool:
        """Whether *seq* is so far behind the newest checkpoint that another one is worth its while."""
        known = self._of(run, view)
        return seq - (known[-1].seq if known else 0) >= CHECKPOINT_EVENTS

    def keep(self, run: RunState, view: Hashable, framing: Forkable) -> None:
        """Keep *framing*, which nobody changes any more, in place of the oldest."""
        views = self._kept.setdefault(run, OrderedDict())
        known = views.setdefault(view, [])
        views.move_to_end(view)
        known.append(framing)
        del known[:-PER_VIEW]
        if len(views) > MOST_VIEWS:
            views.popitem(last=False)

    def before(self, run: RunState, view: Hashable, seq: int) -> Forkable | None:
        """Return the newest checkpoint that is not later than *seq*."""
        return next((each for each in reversed(self._of(run, view)) if each.seq <= seq), None)

    def _of(self, run: RunState, view: Hashable) -> list[Forkable]:
        views = self._kept.get(run)
        return [] if views is None else views.get(view, [])
