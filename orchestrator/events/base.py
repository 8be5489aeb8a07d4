"""The base of every payload, and the words that every event's name is made of."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

AgentStatus = Literal["queued", "running", "cancelling", "done", "error", "cancelled"]


RunStatus = Literal["queued", "running", "completed", "partial", "cancelled", "failed"]


OPEN_STATUSES = frozenset[RunStatus](("queued", "running"))
"""Of a run that has not ended."""


WAITS_FOR_WORKER = "waiting for a worker"
"""The detail of the `queued` that an agent is said to be while no worker has taken its run."""


RUN = "run"
"""Prefix of the events that belong to the run itself."""


PANEL = "panel"
"""Prefix of the events of a run's panel. The log names them by it; their data has no `agent_id`."""


RESERVED_IDS = frozenset({RUN, PANEL, "error", "open", "message"})
"""Agent ids that would collide with event names of the protocol or of EventSource."""


AGENT_ID_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event without who and when. `TYPE` is the last part of the event's name.

    A field without a default is always on the wire; one with a default only if it differs.
    """

    TYPE: ClassVar[str] = ""
