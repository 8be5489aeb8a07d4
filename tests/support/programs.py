"""Programs that tests need: started in a process group of their own, awaited until ready, ended by process id."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

START_SECONDS = 300
"""Limit for each server's start; the usual time is a twentieth of it."""
STOP_SECONDS = 10


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    ready: Callable[[], bool],
    environment: dict[str, str] | None = None,
    user: str | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* in a process group of its own until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=log.parent,
            start_new_session=True,
            **identity(user),
        )
    try:
        _wait_ready(process, ready, log)
        yield process
    finally:
        _stop(process, stop)


def _wait_ready(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{log.stem} ended with {process.returncode}:\n{_tail(log)}")
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{log.stem} was not ready after {START_SECONDS} s:\n{_tail(log)}")


def _stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def identity(user: str | None) -> dict[str, object]:
    """Return what starts a process as *user*; nothing for oneself."""
    return {} if user is None else {"user": user, "group": group_of(user), "extra_groups": []}


def group_of(user: str) -> int | None:
    """Return the group of *user*; None if there is no such user."""
    import pwd

    try:
        return pwd.getpwnam(user).pw_gid
    except KeyError:
        return None


def answers(url: str) -> bool:
    """Whether a server says at *url* that it is well. OSError if none is there yet."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except urllib.error.HTTPError:
        return False


def without_proxies(environment: os._Environ[str]) -> dict[str, str]:
    """Return *environment* without what would send a request to the loopback elsewhere."""
    return {key: value for key, value in environment.items() if not key.lower().endswith("_proxy")}


def _tail(log: Path, characters: int = 4000) -> str:
    return log.read_text(errors="replace")[-characters:]


def children(pid: int) -> list[int]:
    """Return the processes that *pid* has started and that are not reaped yet."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended, whoever started it."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([handle], [], [])
    finally:
        os.close(handle)
