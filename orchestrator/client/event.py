"""One event as a reader sees it, and the cursor of a reader. Owns neither arrival nor what events mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..events.base import PANEL, RUN
from ..events.snapshot import SNAPSHOT_TYPE


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a reader sees it.

    Attributes:
        id: ``<epoch>-<seq>``; None for `run.gap`, which is never a cursor.
        name: ``skeptic.token``, ``run.done``, ``panel.stage``; its last part is ``type``.
        agent_id: None for the run's events and its panel's.
        t: Milliseconds since the run's start.
        data: The whole of the event's `data`.
    """

    id: str | None
    name: str
    agent_id: str | None
    type: str
    t: int
    data: Mapping[str, Any]

    @property
    def run_id(self) -> str | None:
        """Whose it is, if the stream carries several runs' events; else mostly None."""
        run_id = self.data.get("run_id")
        return run_id if isinstance(run_id, str) else None


def parse_event(data: str | bytes, *, id: str | None, name: str = "") -> Event | None:
    """Read one event's `data`; None if it is none of this protocol's, which a reader passes over.

    Args:
        name: The event's name, if the framing says it; else `data` does.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):  # deep nesting is no event of ours, and must not end the stream
        return None
    if not isinstance(value, dict):
        return None
    kind, agent_id, t = value.get("type"), value.get("agent_id"), value.get("t")
    if not isinstance(kind, str) or not isinstance(agent_id, str | None):
        return None
    if name in ("", "message"):
        # A panel's events name their panel; `run.started` and `run.snapshot` describe one.
        of_panel = isinstance(value.get("panel"), str)
        name = f"{agent_id or (PANEL if of_panel else RUN)}.{kind}"
    return Event(id or None, name, agent_id, kind, t if isinstance(t, int) else 0, value)


class SeenCursor:
    """The last id seen, as the next `Last-Event-ID`, and the guard against seeing one twice."""

    def __init__(self, last: str | None = None) -> None:
        self.last = last

    def accept(self, event: Event) -> bool:
        """Move on to *event*; False if this epoch's log has already given it.

        A snapshot is always accepted: it states the log's newest id after a gap.
        """
        if event.id is None:
            return True
        if not is_snapshot(event) and reaches(self.last, event.id):
            return False
        self.last = event.id
        return True


def reaches(seen: str | None, wanted: str) -> bool:
    """Whether who has seen *seen* has seen *wanted*, as far as their log tells."""
    if seen is None:
        return False
    (epoch, seq), (other, wanted_seq) = _split(seen), _split(wanted)
    return epoch == other and seq >= wanted_seq


def is_snapshot(event: Event) -> bool:
    """Whether *event* is `run.snapshot`, which replaces all that was known."""
    return event.agent_id is None and event.type == SNAPSHOT_TYPE


def _split(event_id: str) -> tuple[str, int]:
    epoch, _, seq = event_id.rpartition("-")
    return (epoch, int(seq)) if seq.isascii() and seq.isdigit() and len(seq) < 20 else (event_id, 0)
