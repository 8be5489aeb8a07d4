"""Covers which runs are called queued: those that nobody has claimed for a second."""

from __future__ import annotations

import time
from typing import cast

import pytest

from orchestrator.eventlog.queued_status import (
    CLAIMED,
    QUEUED_SECONDS,
    UNCLAIMED,
    shown_status,
    stored_status,
)
from orchestrator.events.base import RunStatus

LONG = QUEUED_SECONDS
FUTURE = -3600.0


@pytest.mark.parametrize(
    ("status", "token", "age_s", "shown"),
    [
        ("running", UNCLAIMED, LONG, "queued"),
        ("running", UNCLAIMED, FUTURE, "running"),
        ("running", CLAIMED, LONG, "running"),
        ("running", CLAIMED + 1, LONG, "running"),
        ("failed", UNCLAIMED, LONG, "failed"),
    ],
)
def test_only_what_nobody_has_claimed_for_a_second_is_queued(
    status: str, token: int, age_s: float, shown: str
) -> None:
    created_at = int((time.time() - age_s) * 1000)
    assert shown_status(cast(RunStatus, status), token, created_at) == shown


def test_a_store_keeps_queued_runs_as_running() -> None:
    assert [stored_status(each) for each in ("queued", "running", "partial", None)] == [
        "running",
        "running",
        "partial",
        None,
    ]
