"""Covers `orchestrator/supervisor/periodic.py`: what is done again and again, whatever becomes of one round."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from orchestrator.errors import LogUnavailable
from orchestrator.supervisor.periodic import repeat
from orchestrator.telemetry.observer import Observer
from tests.support.patience import eventually


class Duties(Observer):
    def __init__(self) -> None:
        self.done: list[str] = []

    def duty_done(self, duty: str, seconds: float) -> None:
        self.done.append(duty)


async def test_what_fails_is_tried_again_in_the_next_round() -> None:
    rounds, observer = 0, Duties()

    async def once() -> None:
        nonlocal rounds
        rounds += 1
        if rounds <= 2:
            raise LogUnavailable("away")
        if rounds == 3:
            raise ValueError("broken")

    with capture_logs() as logs:
        task = asyncio.ensure_future(repeat("retention", once, every_s=0.0, observer=observer))
        await eventually(lambda: rounds > 4)
        assert not task.done()
        task.cancel()
        await asyncio.wait((task,))
    assert len(observer.done) >= 2
    assert [(line["event"], line["duty"]) for line in logs] == [
        ("store_away", "retention"), ("store_away", "retention"), ("janitor_failed", "retention")
    ]  # fmt: skip
