"""Covers which runs are called queued: those that nobody has claimed for a second."""

from __future__ import annotations

import time
from typing import cast

import pytest

from orchestrator.eventlog.queued import CLAIMED, QUEUED_SECONDS, UNCLAIMED, shown_status, stored_status
from orchestrator.events.base import RunStatus

NOW_MS = int(time.time() * 1000)
LONG_AGO = NOW_MS - int(QUEUED_SECONDS * 1000)


@pytest.mark.parametrize(
    ("status", "token", "created_at", "shown"),
    [
        ("running", UNCLAIMED, LONG_AGO, "queued"),
        ("running", UNCLAIMED, NOW_MS + 3_600_000, "running"),
        ("running", CLAIMED, LONG_AGO, "running"),
        ("running", CLAIMED + 1, LONG_AGO, "running"),
        ("failed", UNCLAIMED, LONG_AGO, "failed"),
    ],
)
def test_only_what_nobody_has_claimed_for_a_second_is_queued(
    status: str, token: int, created_at: int, shown: str
) -> None:
    assert shown_status(cast(RunStatus, status), token, created_at) == shown


def test_a_store_keeps_queued_runs_as_running() -> None:
    assert [stored_status(each) for each in ("queued", "running", "partial", None)] == [
        "running",
        "running",
        "partial",
        None,
    ]
