"""Repeats a duty while the service runs. Owns the pauses, and that one failure ends nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from ..errors import LogUnavailable
from ..telemetry.logs import exception_words, failure
from ..telemetry.observer import Observer

log = structlog.get_logger(__name__)


async def repeat(
    duty: str, once: Callable[[], Awaitable[object]], *, every_s: float, observer: Observer
) -> None:
    """Await *once* again and again, with a pause of *every_s* after each, until cancelled.

    What fails is tried again in the next round; *duty* names it in the log.
    """
    while True:
        begun = time.monotonic()
        try:
            await once()
            observer.duty_done(duty, time.monotonic() - begun)
        except LogUnavailable as exc:
            log.warning("store_away", duty=duty, reason=exception_words(exc))
        except Exception as exc:  # noqa: BLE001 - the next round is to come all the same
            log.error("janitor_failed", duty=duty, **failure(exc))
        await asyncio.sleep(every_s)
