"""Which runs wait for a worker, as far as their records say. Owns no storage.

A run begins where it was asked for, and any worker may execute it. Nearly always one takes it within milliseconds;
a run that has waited for a second says so to its readers, in lists and in snapshots.
"""

from __future__ import annotations

import time

from ..events.base import RunStatus

UNCLAIMED = 1
"""A run's token until a worker claims it, if several share the work."""

CLAIMED = UNCLAIMED + 1
"""The token of a run that is executed by whoever starts it."""

QUEUED_SECONDS = 1.0
"""A run that no worker has taken for so long is called queued."""


def shown_status(status: RunStatus, token: int, created_at: int) -> RunStatus:
    """Return the status of a run as readers see it: one that has not ended is queued, or running."""
    if status != "running" or token != UNCLAIMED:
        return status
    return "queued" if time.time() * 1000 - created_at >= QUEUED_SECONDS * 1000 else "running"


def stored_status(shown: RunStatus | None) -> RunStatus | None:
    """Return the status under which a store keeps runs that readers see as *shown*."""
    return "running" if shown == "queued" else shown
