"""What Ctrl-C means, in a pipe and on a terminal, and that the terminal is given back."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import ROOT, environment, finish, finished, line_with, spawn
from tests.support.patience import PATIENCE_SECONDS
from tests.support.scripted_server import METRICS, RUN_ID, ScriptedServer, scripted_server


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as script:
        yield script


# ── Ctrl-C ────────────────────────────────────────────────────────────────────────────────────


def cancellable(script: ScriptedServer, *, ends: bool) -> None:
    script.begin("a")
    script.say("a.token", text="half an answer\n")
    cancelled: dict[str, Any] = {"reason": "by request", "metrics": METRICS, "attempt": 1}
    over: dict[str, Any] = {"status": "cancelled", "agents": {}, "metrics": {"duration_ms": 10}}
    script.on_cancel[None] = [("a.cancelled", cancelled), ("run.done", over)] if ends else []


async def test_the_first_interrupt_cancels_and_shows_the_end(server: ScriptedServer) -> None:
    cancellable(server, ends=True)
    process = await spawn("run", "hi", "--server", server.base_url)
    await line_with(process.stdout, "half an answer")
    process.send_signal(signal.SIGINT)
    exit_code, out, err = await finish(process)
    assert exit_code == 1
    assert err.splitlines()[1:] == ["cancelling … Ctrl-C again quits"]
    assert out.splitlines() == ["a   │ [cancelled] by request", "run │ cancelled after 0.0 s"]


async def test_the_second_interrupt_quits(server: ScriptedServer) -> None:
    cancellable(server, ends=False)
    process = await spawn("run", "hi", "--server", server.base_url)
    await line_with(process.stdout, "half an answer")
    process.send_signal(signal.SIGINT)
    await line_with(process.stderr, "cancelling")
    process.send_signal(signal.SIGINT)
    exit_code, _, err = await finish(process)
    assert (exit_code, err) == (130, "")


async def test_an_interrupt_leaves_a_tail_and_cancels_nothing(server: ScriptedServer) -> None:
    cancellable(server, ends=True)
    process = await spawn("tail", RUN_ID, "--server", server.base_url)
    await line_with(process.stdout, "half an answer")
    process.send_signal(signal.SIGINT)
    exit_code, _, err = await finish(process)
    assert (exit_code, err) == (130, "")
    assert {request[0] for request in server.requests} == {"GET"}


async def test_a_reader_that_leaves_ends_the_command_quietly(server: ScriptedServer) -> None:
    """`orchestrator run … | head -1`."""
    server.begin("a")
    process = await spawn("run", "hi", "--json", "--server", server.base_url)
    assert process.stdout is not None
    await line_with(process.stdout, "started")
    process.stdout._transport.close()  # type: ignore[attr-defined]  # the only way to close a pipe's reading end
    for n in range(100):
        server.say("a.token", text=str(n))
    await server.wake()
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await process.stderr.read() == b""
        assert await process.wait() == 1


# ── on a terminal ─────────────────────────────────────────────────────────────────────────────


class Terminal:
    """A command on a pseudo-terminal, and all that it wrote."""

    def __init__(self, *arguments: str, columns: int = 100, lines: int = 30, **env: str) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, start_new_session=True,
            env=environment(**{"TERM": "xterm-256color", **env}),
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        os.set_blocking(self.ours, False)
        self.seen = ""
        self._raw = b""

    async def until(self, part: str) -> None:
        """Read until *part* was written."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while part not in self.seen:
                assert self.read(), f"it ended before {part!r}: {self.seen[-2000:]}"
                await asyncio.sleep(0.02)

    def read(self) -> bool:
        try:
            self._raw += os.read(self.ours, 65536)
        except BlockingIOError:
            return True
        except OSError:  # Linux' way to say that the other end is closed
            return False
        finally:
            # Colours stand between a glyph and its word; everything else that drives a terminal stays.
            self.seen = re.sub(r"\x1b\[[0-9;]*m", "", self._raw.decode(errors="ignore"))
        return True

    async def end(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.read():
                await asyncio.sleep(0.02)
            while (code := self.process.poll()) is None:
                await asyncio.sleep(0.02)
        return code


@contextmanager
def terminal(*arguments: str, **options: Any) -> Iterator[Terminal]:
    opened = Terminal(*arguments, **options)
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.kill()
        opened.process.wait()
        os.close(opened.ours)


def cursor_is_back(seen: str) -> bool:
    return seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")


async def test_a_terminal_shows_columns_then_the_answers(server: ScriptedServer) -> None:
    server.begin("a", "b")
    server.say("a.token", text="**bold** \x1b]0;owned\x07word")
    with terminal("run", "hi", "--server", server.base_url) as screen:
        await screen.until("● a")
        await screen.until("● b")
        await screen.until("word")
        server.done("a", "**bold** word")
        server.error("b")
        server.end("partial", a="done", b="error")
        await server.wake()
        assert await screen.end() == 3
        last = screen.seen[screen.seen.rindex("a-1, 0.21 s to first token") :]
        assert "bold" in last
        assert "**bold**" not in last
        assert "upstream_auth: no such key" in last
        assert "\x1b]0;" not in screen.seen
        assert "●" not in screen.seen.partition("\x1b[?1049l")[2], "the answers are in the scrollback"
        assert cursor_is_back(screen.seen)


async def test_log_lines_come_after_the_columns(tmp_path: Path) -> None:
    """On the alternate screen they would break the drawing, and nobody could read them afterwards."""
    voice = "backend: function\nstream: tests.browser.voices:failing\nretry: {attempts: 1}\n"
    (tmp_path / "failing.yaml").write_text(voice)
    with terminal("run", "hi", "--config", str(tmp_path)) as screen:
        assert await screen.end() == 1
        drawn, _, after = screen.seen.partition("\x1b[?1049l")
        assert ("agent_failed" in drawn, "agent_failed" in after) == (False, True)
        assert "upstream_rejected" in after


async def test_a_terminal_made_narrower_keeps_no_rest_of_the_columns(server: ScriptedServer) -> None:
    """It breaks lines of the normal screen anew, and what that pushes out above nobody can take back."""
    server.begin("a", "b", "c")
    server.say("a.token", text="first\n")
    with terminal("run", "hi", "--server", server.base_url) as screen:
        await screen.until("first")
        fcntl.ioctl(screen.ours, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 60, 0, 0))
        server.say("a.token", text="second\n")
        await server.wake()
        await screen.until("second")
        server.end("completed")
        await server.wake()
        await screen.end()
        before, _, rest = screen.seen.partition("\x1b[?1049h")
        drawn, _, after = rest.partition("\x1b[?1049l")
        assert ("╭" in drawn, "╭" in before + after) == (True, False)
        assert "second" in after


@pytest.mark.parametrize("ends", [True, False])
async def test_ctrl_c_on_a_terminal(server: ScriptedServer, ends: bool) -> None:
    cancellable(server, ends=ends)
    with terminal("run", "hi", "--server", server.base_url) as screen:
        await screen.until("half an answer")
        os.write(screen.ours, b"\x03")
        await screen.until("cancelling" if not ends else "run_scripted · cancelled")
        if not ends:
            os.write(screen.ours, b"\x03")
        assert await screen.end() == (1 if ends else 130)
        assert "half an answer" in screen.seen[screen.seen.rindex("a-1") :], "what was said is kept"
        assert cursor_is_back(screen.seen)


async def test_a_terminal_is_given_back_when_the_command_is_ended(server: ScriptedServer) -> None:
    cancellable(server, ends=False)
    with terminal("run", "hi", "--server", server.base_url) as screen:
        await screen.until("half an answer")
        screen.process.terminate()
        assert await screen.end() == 143
        assert cursor_is_back(screen.seen)


async def test_without_rich_a_terminal_shows_lines_and_a_hint(server: ScriptedServer, tmp_path: Path) -> None:
    finished(server)
    (tmp_path / "rich.py").write_text("raise ImportError('not installed')\n")
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    with terminal("run", "hi", "--server", server.base_url, PYTHONPATH=path) as screen:
        assert await screen.end() == 0
        assert screen.seen.count("pip install 'fanin-orchestrator[cli]'") == 1
        assert "a   │ two" in screen.seen


async def test_a_dumb_terminal_shows_lines(server: ScriptedServer) -> None:
    finished(server)
    with terminal("run", "hi", "--server", server.base_url, TERM="dumb") as screen:
        assert await screen.end() == 0
        assert "a   │ two" in screen.seen
        assert "\x1b" not in screen.seen
