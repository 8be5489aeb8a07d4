"""Runs the commands as a user does: as processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from tests.support.patience import PATIENCE_SECONDS
from tests.support.scripted_server import ScriptedServer
from tests.support.zygote import command

ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ORCHESTRATOR_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "", **more}


def orchestrate(*arguments: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True, text=True, cwd=cwd, env=environment(**env), timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


async def spawn(*arguments: str, **env: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command(*arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT, env=environment(**env),
    )  # fmt: skip


async def finish(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def line_with(stream: asyncio.StreamReader | None, part: str) -> None:
    assert stream is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while part not in (line := (await stream.readline()).decode()):
            assert line, f"the output ended before {part!r}"


def finished(script: ScriptedServer, status: str = "completed") -> None:
    script.begin("a", "b")
    script.say("a.token", text="one\ntw")
    script.say("b.token", text="ONE")
    script.say("a.token", text="o")
    script.done("a", "one\ntwo")
    script.done("b", "ONE")
    script.end(status, a="done", b="done")
