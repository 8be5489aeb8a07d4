"""Runs the tests in several processes that are forked once the tests are collected: `pytest --forks 4`.

Collecting takes 15 s of a core, most of it imports, and so it would in each of several processes that collect for
themselves. A file is run by one process, in the order of the collection; who has run one takes the next. What a
process reports goes to the first one, which reports it on as if it had run the test.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby, pairwise
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn, cast

import pytest

LEAVE_SECONDS = 60
"""How long a process may take to end its fixtures once the session has been broken off."""


def _by_file(items: Iterable[pytest.Item]) -> list[list[pytest.Item]]:
    return [list(each) for _, each in groupby(items, key=lambda item: item.path)]


class Worker:
    """A forked process, as the first one sees it: what it runs, and how far it has come.

    Args:
        number: Which of the session's processes it is; its temporary folder is named by it.
        others: The connections to the processes before it, which are none of its business.
    """

    def __init__(self, session: pytest.Session, number: int, others: Iterable[Connection]) -> None:
        self.left: list[pytest.Item] = []
        """What it has been given and has not finished."""
        self.last: pytest.Item | None = None
        """What it has finished last."""
        self.connection, theirs = Pipe()
        # An interrupt right after the fork would go up into what the first process does when it is interrupted.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        self.pid = os.fork()
        if self.pid == 0:
            _work(session, theirs, number, [self.connection, *others])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
        theirs.close()

    def heard(self) -> tuple[str, Any]:
        """Return what it says next: a hook's name and arguments, "next" if it has run all, or "end"."""
        try:
            name, told = self.connection.recv()
        except (EOFError, OSError):
            return "end", None
        return name, told

    def ended(self) -> int:
        """Return its exit code, or the number of the signal that ended it as a negative one."""
        self.connection.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Forks:
    """Hands the files of a session to forked processes, and reports what they say.

    Args:
        count: How many processes run at a time.
        together: Folders of which a process takes one file after the other: they share what is slow to start.
    """

    def __init__(self, session: pytest.Session, count: int, together: Sequence[Path] = ()) -> None:
        self._session, self._count, self._together = session, count, together
        self._hooks = session.config.hook
        self._places = {item: place for place, item in enumerate(session.items)}
        self._units = deque(_by_file(session.items))
        self._workers: dict[Connection, Worker] = {}
        self._forked = 0

    def run(self) -> None:
        """Run all tests.

        Raises:
            pytest.Session.Failed: As many have failed as may.
            pytest.Session.Interrupted: A hook asked for the end.
        """
        if (terminal := self._session.config.pluginmanager.getplugin("terminalreporter")) is not None:
            terminal.showfspath = False  # of several files at once
        tmp_path_factory(self._session.config).getbasetemp()  # one, within which each has its own
        try:
            for _ in range(min(self._count, len(self._units))):
                self._fork()
            while self._workers and not (self._session.shouldfail or self._session.shouldstop):
                for ready in wait(self._workers):
                    self._hear(self._workers[cast(Connection, ready)])
        finally:
            self._leave()
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    def _fork(self) -> None:
        worker = Worker(self._session, self._forked, self._workers)
        self._forked += 1
        self._workers[worker.connection] = worker

    def _hear(self, worker: Worker) -> None:
        name, told = worker.heard()
        if name == "next":
            self._give(worker)
        elif name == "end":
            self._bury(worker)
        else:
            if name == "pytest_runtest_logreport":
                report = self._hooks.pytest_report_from_serializable(config=self._session.config, data=told)
                told = {"report": report}
            hook = getattr(self._hooks, name)
            hook.call_historic(kwargs=told) if hook.is_historic() else hook(**told)
            if name == "pytest_runtest_logfinish":
                worker.last = worker.left.pop(0)

    def _give(self, worker: Worker) -> None:
        """Hand it the next file's tests, or the word that there is nothing left."""
        now = worker.left[0] if worker.left else worker.last  # the last test of a file has not ended quite
        folder = now.path.parent if now is not None else None
        same = (unit for unit in self._units if unit[0].path.parent == folder in self._together)
        if unit := next(same, self._units[0] if self._units else []):
            self._units.remove(unit)
        worker.left += unit
        with suppress(OSError):  # it has ended, and will be noticed by that
            worker.connection.send([self._places[item] for item in unit])

    def _bury(self, worker: Worker) -> None:
        """Take note of a process's end; what one that was killed had still to run, another one runs."""
        del self._workers[worker.connection]
        code = worker.ended()
        item = worker.left.pop(0) if worker.left else worker.last
        if item is None or (code == 0 and item is worker.last):
            return
        said = f"the process of this test ended with {code}"
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", said, "call")
        self._hooks.pytest_runtest_logreport(report=report)
        self._hooks.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        self._units.extendleft(reversed(_by_file(worker.left)))
        self._fork()

    def _leave(self) -> None:
        """End the processes that are still there, if the session is broken off."""
        for worker in self._workers.values():
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGINT)
        deadline = time.monotonic() + LEAVE_SECONDS
        for worker in self._workers.values():
            while time.monotonic() < deadline and os.waitid(
                os.P_PID, worker.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
            ) is None:  # fmt: skip
                if worker.connection.poll(0.1):
                    worker.heard()  # it may wait for room to say what nobody hears
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
            worker.ended()
        self._workers.clear()


# ── in a forked process ───────────────────────────────────────────────────────────────────────


class Relay:
    """Passes on what pytest says of each test."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config, self._connection = config, connection

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._connection.send(("pytest_runtest_logstart", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._connection.send(("pytest_runtest_logreport", data))

    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._connection.send(("pytest_runtest_logfinish", {"nodeid": nodeid, "location": location}))

    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: str,
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        # The text only: a warning may hold what caused it, and that cannot be sent.
        said = warnings.WarningMessage(
            str(warning_message.message), UserWarning, warning_message.filename, warning_message.lineno
        )
        told = {"warning_message": said, "when": when, "nodeid": nodeid, "location": location}
        self._connection.send(("pytest_warning_recorded", told))


class Next:
    """What comes after the last test of a file: asked for when that test has ended, so that it waits for nobody.

    What both files need, as a package's browser, stays.
    """

    def __init__(self, session: pytest.Session, connection: Connection) -> None:
        self._session, self._connection = session, connection
        self._items: list[pytest.Item] | None = None

    def items(self) -> list[pytest.Item]:
        """Return the next file's tests; none if there is nothing left."""
        if self._items is None:
            self._connection.send(("next", None))
            self._items = [self._session.items[place] for place in self._connection.recv()]
        return self._items

    def listchain(self) -> list[Any]:
        """Return what the next file's tests need, as an item does."""
        items = self.items()
        return items[0].listchain() if items else []


def _work(
    session: pytest.Session, connection: Connection, number: int, others: Iterable[Connection]
) -> NoReturn:
    """Be a process that runs tests, from the fork to its end."""
    code = 1
    try:
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # a shell may start what is to go on behind deaf
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
        for each in others:
            each.close()
        _begin(session.config, connection, number)
        for item, following in _given(session, connection):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail or session.shouldstop:
                break
        code = 0
    except KeyboardInterrupt:
        session._setupstate.teardown_exact(None)
    except BaseException:  # of pytest itself; the first process says which test it was
        traceback.print_exc()
    finally:
        os._exit(code)


def _begin(config: pytest.Config, connection: Connection, number: int) -> None:
    """Make the process's own what it would share: the output, the temporary folder, the reports."""
    plugins = config.pluginmanager
    for name in ("terminalreporter", "terminalprogress"):
        if plugins.hasplugin(name):
            plugins.unregister(name=name)
    plugins.register(Relay(config, connection))
    capture: Any = plugins.getplugin("capturemanager")
    for each in filter(None, (capture._global_capturing.out, capture._global_capturing.err)):
        # Another file behind the same object: a library may keep the `sys.stderr` of its import for good.
        with suppress(AttributeError, OSError), TemporaryFile() as own:
            os.dup2(own.fileno(), each.tmpfile.fileno(), inheritable=False)
    factory = tmp_path_factory(config)
    folder = Path(factory.getbasetemp(), f"fork{number}")
    folder.mkdir(mode=0o700)
    factory._basetemp = folder


def tmp_path_factory(config: pytest.Config) -> pytest.TempPathFactory:
    """Return what gives the tests their folders."""
    return cast(pytest.TempPathFactory, config._tmp_path_factory)  # type: ignore[attr-defined]


def _given(session: pytest.Session, connection: Connection) -> Iterator[tuple[pytest.Item, Any]]:
    """Yield the tests of the files that the first process hands out, each with what comes after it."""
    following = Next(session, connection)
    while items := following.items():
        following = Next(session, connection)
        yield from pairwise([*items, following])
