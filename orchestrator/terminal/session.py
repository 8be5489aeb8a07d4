"""Shows a run that somebody watches: the screen's clock, what Ctrl-C means, the exit code. Draws nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from ..client.run_view import RunHandle
from ..errors import OrchestratorError
from ..events.base import RunStatus
from .screen import Screen

TICK_SECONDS = 0.1
EXIT_CODES: dict[RunStatus, int] = {
    "completed": 0, "partial": 3, "cancelled": 1, "failed": 1, "running": 1, "queued": 1
}  # fmt: skip
QUIT = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


async def watch(
    opening: AbstractAsyncContextManager[RunHandle], screen: Screen, *, interrupt_cancels: bool = True
) -> int:
    """Show a run until it ends; return the command's exit code.

    The first Ctrl-C cancels the run and goes on showing how it ends, the second quits. Before the run is
    there, or if *interrupt_cancels* is false, the first one quits already.
    """
    run: RunHandle | None = None
    with _Signals() as signals:
        try:
            async with opening as run:
                if interrupt_cancels:
                    signals.first_cancels = True
                async with _beside(_tick(screen, run)), _beside(_cancel(signals.first, screen, run)):
                    async for event in run:
                        screen.event(event, run)
                return EXIT_CODES[run.status]
        except asyncio.CancelledError:
            if signals.exit_code is None:
                raise
            return signals.exit_code
        finally:
            screen.close(run)


async def _tick(screen: Screen, run: RunHandle) -> None:
    while True:
        screen.tick(run)
        await asyncio.sleep(TICK_SECONDS)


async def _cancel(asked: asyncio.Event, screen: Screen, run: RunHandle) -> None:
    await asked.wait()
    screen.notice("cancelling … Ctrl-C again quits")
    try:
        await run.cancel()
    except OrchestratorError as exc:
        screen.notice(f"it could not be cancelled: {exc}; Ctrl-C again quits")


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run *work* in a task for as long as the block lasts."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class _Signals:
    """SIGINT and SIGTERM while a run is watched: they end the task that entered, in good order."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.first_cancels = False
        self.exit_code: int | None = None
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()

    def __enter__(self) -> _Signals:
        self._handle(signal.SIGINT, self._interrupted)
        self._handle(signal.SIGTERM, lambda: self._quit(TERMINATED))
        return self

    def __exit__(self, *args: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                self._loop.remove_signal_handler(number)

    def _handle(self, number: signal.Signals, handler: Callable[[], None]) -> None:
        # Windows' loop has no handlers: there KeyboardInterrupt ends the command at the first Ctrl-C.
        with suppress(NotImplementedError):
            self._loop.add_signal_handler(number, handler)

    def _interrupted(self) -> None:
        if self.first_cancels and not self.first.is_set():
            self.first.set()
        else:
            self._quit(QUIT)

    def _quit(self, exit_code: int) -> None:
        if self.exit_code is not None or self._task is None:
            return
        self.exit_code = exit_code
        self._task.cancel()
