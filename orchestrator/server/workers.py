"""Several worker processes behind one listening socket. Owns their lives; what one does is `serve`'s.

The parent takes its signals one after another (`sigwait`), so none arrives between a fork and what notes it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from ..errors import ConfigError, OrchestratorError
from ..telemetry.logs import exception_words, failure

log = structlog.get_logger(__name__)

SHORT_LIFE_SECONDS = 5.0
"""A worker that dies sooner than this after its start is not replaced at once."""

RESTART_PAUSE_SECONDS = 1.0
ORPHAN_SECONDS = 10.0
"""How long a worker without its parent may drain: it holds the port."""

CONFIG_EXIT = 2
"""A worker that ends with this cannot be helped by another start."""

FAILED_EXIT = 1
QUIT_EXIT = 128 + signal.SIGQUIT

_ENDING = (signal.SIGTERM, signal.SIGINT)
_TAKEN = frozenset({*_ENDING, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD, signal.SIGALRM, signal.SIGUSR1})

Serve = Callable[[Callable[[], None]], int]
"""Serves until a signal ends it, and returns the exit code; calls what it is given once it is ready."""


def run_workers(count: int, prepare: Callable[[], Serve], *, announce: Callable[[], None]) -> int:
    """Fork *count* processes that serve, replace those that die, and pass signals on.

    SIGTERM and SIGINT end all of them, and a second one at once. SIGHUP starts as many new ones from what
    *prepare* makes then, and lets the old ones drain when these are ready; if they cannot start, the old ones stay.
    SIGQUIT ends all at once.

    Args:
        prepare: Reads the configuration; called for the start, and again for each SIGHUP.
        announce: Called once signals are taken: whoever hears of the service may end it at once.
    Returns:
        The exit code once all have ended: that of the first that failed while stopping, or at the start; else 0.
    Raises:
        ConfigError: From the first *prepare*.
    """
    return _Parent(count, prepare).run(announce)


class _Parent:
    def __init__(self, count: int, prepare: Callable[[], Serve]) -> None:
        self._count = count
        self._prepare = prepare
        self._serve = prepare()
        self._born: dict[int, float] = {}
        self._ready: set[int] = set()
        self._retiring: set[int] = set()
        self._before: tuple[Serve, set[int]] | None = None
        """What was served before the reload that goes on, and who was leaving already; None between reloads."""
        self._ever_ready = False
        self._missing = 0
        self._stopping = False
        self._exit = 0
        # A worker that reads the end of this pipe has lost its parent.
        self._lifeline = os.pipe()
        self._reports = os.pipe()
        os.set_blocking(self._reports[0], False)

    def run(self, announce: Callable[[], None]) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)
        # Whoever starts a service may ignore SIGCHLD: the kernel would bury the workers, and this would wait for ever.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            announce()
            for _ in range(self._count):
                self._fork()
            while self._born or (self._missing and not self._stopping):
                self._take(signal.sigwait(_TAKEN))
            return self._exit
        finally:
            # A worker that ended as it got ready has left its word behind, which would end this process.
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number in (signal.SIGUSR1, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _take(self, number: int) -> None:
        if number in _ENDING and not self._stopping:
            self._stop(number)
        elif number in _ENDING:
            self._exit = 128 + number
            self._stop(signal.SIGKILL)
        elif number == signal.SIGQUIT:
            self._exit = QUIT_EXIT
            self._stop(signal.SIGKILL)
        elif number == signal.SIGHUP:
            self._reload()
        elif number == signal.SIGUSR1:
            self._read_reports()
        elif number == signal.SIGALRM:
            while self._missing and not self._stopping:
                self._missing -= 1
                self._fork()
        else:
            self._bury_all()

    def _stop(self, number: int) -> None:
        self._stopping = True
        for pid in self._born:
            os.kill(pid, number)

    def _reload(self) -> None:
        """Start workers with what is configured now; those of before go when these are ready."""
        if self._stopping or self._before is not None:
            return
        try:
            following = self._prepare()
        except OrchestratorError as exc:
            log.error("reload_failed", reason=exception_words(exc))
            return
        log.info("reloading", workers=self._count)
        self._before, self._serve = (self._serve, self._retiring), following
        self._retiring = set(self._born)
        for _ in range(self._count):
            self._fork()

    def _give_up_reload(self, before: tuple[Serve, set[int]], reason: str) -> None:
        """Go on with what was served *before*, and with its workers: those of the new configuration cannot start."""
        log.error("reload_failed", reason=reason)
        successors = self._serving()
        self._before, (self._serve, leaving) = None, before
        self._retiring = (leaving & self._born.keys()) | successors
        for pid in successors:
            os.kill(pid, signal.SIGTERM)
        self._missing = 0
        for _ in range(self._count - len(self._serving())):
            self._fork()

    def _read_reports(self) -> str | None:
        """Take what workers have said; return why the first of them failed, if any did."""
        received = b""
        with suppress(BlockingIOError):
            while part := os.read(self._reports[0], 65536):
                received += part
        reason = None
        for line in received.splitlines():
            report = json.loads(line)
            if "failed" in report:
                reason = reason or str(report["failed"])
            else:
                self._ready.add(report["ready"])
                self._ever_ready = True
        if self._before is not None and len(self._ready & self._serving()) >= self._count:
            self._before = None
            for pid in self._retiring:
                os.kill(pid, signal.SIGHUP)
        return reason

    def _serving(self) -> set[int]:
        """Return those that nobody has sent away."""
        return self._born.keys() - self._retiring

    # ── one worker ───────────────────────────────────────────────────────────────────────────

    def _fork(self) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._born[pid] = time.monotonic()
            return pid
        code = FAILED_EXIT
        try:
            os.close(self._lifeline[1])
            os.close(self._reports[0])
            for number in _TAKEN:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _TAKEN)
            _watch_parent(self._lifeline[0])
            code = self._serve(lambda: self._report_ready(parent))
        except ConfigError as exc:
            self._report(failed=str(exc))
            code = CONFIG_EXIT
        except OrchestratorError as exc:
            self._report(failed=str(exc))
            log.error("worker_failed", reason=exception_words(exc))
        except Exception as exc:  # noqa: BLE001 - whatever it is, the parent has to see an exit code
            self._report(failed=exception_words(exc))
            log.error("worker_failed", **failure(exc))
        finally:
            os._exit(code)

    def _report_ready(self, parent: int) -> None:
        self._report(ready=os.getpid())
        if os.getppid() == parent:  # an orphan's new parent knows nothing of this signal, and would end of it
            os.kill(parent, signal.SIGUSR1)

    def _report(self, **said: object) -> None:
        # Short enough to arrive whole, whatever the others say meanwhile (PIPE_BUF).
        line = json.dumps(
            {key: value[:2000] if isinstance(value, str) else value for key, value in said.items()}
        )
        with suppress(OSError):
            os.write(self._reports[1], line.encode() + b"\n")

    def _bury_all(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._bury(pid, os.waitstatus_to_exitcode(status))

    def _bury(self, pid: int, code: int) -> None:
        born = self._born.pop(pid, None)
        if born is None:
            return  # as process 1 of a container, this one inherits everybody's orphans
        was_retiring = pid in self._retiring
        self._retiring.discard(pid)  # before reports are read: they may be what sends the others away
        reason = self._read_reports()
        self._ready.discard(pid)
        if self._stopping:
            self._exit = self._exit or max(code, 0)
        elif self._before is not None and not was_retiring and (reason is not None or code == CONFIG_EXIT):
            self._give_up_reload(self._before, reason or "a worker cannot start")
        elif not was_retiring:
            self._replace(pid, code, born, reason)

    def _replace(self, pid: int, code: int, born: float, reason: str | None) -> None:
        log.error("worker_died", pid=pid, code=code)
        if code == CONFIG_EXIT or (code == FAILED_EXIT and reason is not None and not self._ever_ready):
            # Nothing has ever come up: whoever starts the service hears why, as from one that runs alone.
            print(f"orchestrator: {reason or 'a worker cannot start'}", file=sys.stderr, flush=True)
            self._exit = code
            self._stop(signal.SIGTERM)
        elif time.monotonic() - born < SHORT_LIFE_SECONDS:
            self._missing += 1
            signal.setitimer(signal.ITIMER_REAL, RESTART_PAUSE_SECONDS)
        else:
            self._fork()


def _watch_parent(lifeline: int) -> None:
    """End this process soon after its parent is gone, however that ended: it must not keep the port."""

    def wait() -> None:
        os.read(lifeline, 1)
        for number in (signal.SIGTERM, signal.SIGQUIT):
            os.kill(os.getpid(), number)
            time.sleep(ORPHAN_SECONDS)
        os._exit(FAILED_EXIT)

    threading.Thread(target=wait, name="parent", daemon=True).start()
