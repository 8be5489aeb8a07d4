"""Several worker processes behind one listening socket. Owns their lives; what one does is `app`'s."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

import structlog

from ..errors import ConfigError, OrchestratorError
from ..telemetry.logs import exception_words, failure

log = structlog.get_logger(__name__)

SHORT_LIFE_SECONDS = 5.0
"""A worker that dies sooner than this after its start is not replaced at once."""

RESTART_PAUSE_SECONDS = 1.0
CONFIG_EXIT = 2
"""A worker that ends with this cannot be helped by another start."""

_ENDING = (signal.SIGTERM, signal.SIGINT)


def run_workers(count: int, serve: Callable[[], int], *, announce: Callable[[], None]) -> int:
    """Fork *count* processes that call *serve*, replace those that die, and pass signals on.

    *announce* is called once signals are passed on: whoever hears of the service may end it at once.

    Returns the exit code once all have ended: that of the first that failed while stopping, else 0.
    SIGTERM and SIGINT end all of them; a second one reaches them too, and they quit at once.
    """
    return _Parent(count, serve).run(announce)


class _Parent:
    def __init__(self, count: int, serve: Callable[[], int]) -> None:
        self._count = count
        self._serve = serve
        self._born: dict[int, float] = {}
        self._stopping = False
        self._exit = 0

    def run(self, announce: Callable[[], None]) -> int:
        for number in _ENDING:
            signal.signal(number, self._pass_on)
        announce()
        for _ in range(self._count):
            if not self._stopping:
                self._fork()
        while self._born:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            self._bury(pid, os.waitstatus_to_exitcode(status))
        return self._exit

    def _fork(self) -> None:
        # A signal in between would end neither the parent, which has noted no child yet, nor the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            pid = os.fork()
            if pid:
                self._born[pid] = time.monotonic()
                return
            for number in _ENDING:
                signal.signal(number, signal.SIG_DFL)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        code = 1
        try:
            code = self._serve()
        except ConfigError as exc:
            print(f"orchestrator: {exc}", file=sys.stderr, flush=True)
            code = CONFIG_EXIT
        except OrchestratorError as exc:
            log.error("worker_failed", reason=exception_words(exc))
        except Exception as exc:  # noqa: BLE001 - whatever it is, the parent has to see an exit code
            log.error("worker_failed", **failure(exc))
        finally:
            os._exit(code)

    def _bury(self, pid: int, code: int) -> None:
        born = self._born.pop(pid, None)
        if born is None:
            return
        if self._stopping:
            self._exit = self._exit or max(code, 0)
            return
        log.error("worker_died", pid=pid, code=code)
        if code == CONFIG_EXIT:
            self._exit = code
            self._pass_on(signal.SIGTERM, None)
            return
        if time.monotonic() - born < SHORT_LIFE_SECONDS:
            time.sleep(RESTART_PAUSE_SECONDS)
        if not self._stopping:
            self._fork()

    def _pass_on(self, number: int, frame: object) -> None:
        self._stopping = True
        for pid in self._born:
            os.kill(pid, number)
