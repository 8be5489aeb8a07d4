"""Regular expressions of somebody else's: compiled and searched for in a process of their own, within limits.

Compiling one that is meant to takes seconds, matching one takes for ever, and neither can be interrupted: on the loop
it would hold up everybody. So at most two processes work on them, one for what requests bring and one for the answers
of races, each at the lowest priority, with bounds on its time and memory.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from weakref import WeakKeyDictionary

import structlog

from ..errors import LimitReached

log = structlog.get_logger(__name__)

MATCH_SECONDS = 10.0
"""How long one text or one pattern may take by the clock; no match by then is none."""

CPU_SECONDS = 2
MEMORY_BYTES = 512 * 1024 * 1024
MAX_WAITING = 32
"""Patterns of requests that wait for their turn; further ones are asked to come again."""

MESSAGE_CHARS = 200
FOUND, MISSING, WRONG = 0, 1, 2

_SCRIPT = f"""
import json, os, re, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS}))
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_BYTES}, {MEMORY_BYTES}))
    os.nice(19)
except (ImportError, OSError, ValueError):
    pass
pattern, text = json.load(sys.stdin)
try:
    compiled = re.compile(pattern)
except (re.error, OverflowError, RecursionError, MemoryError) as exc:
    print(json.dumps(str(exc)[:{MESSAGE_CHARS}]))
    sys.exit({WRONG})
sys.exit({FOUND} if text is None or compiled.search(text) else {MISSING})
"""

_Kind = Literal["check", "match"]


class _Lane:
    """The one process of a kind, and how many wait for it."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.waiting = 0


_lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Kind, _Lane]] = WeakKeyDictionary()


async def explain_pattern(pattern: str) -> str | None:
    """Return what is wrong with *pattern*; None if it is a regular expression. Cancelling ends the process.

    Raises:
        LimitReached: Too many others wait.
    """
    lane = _lane("check")
    if lane.waiting >= MAX_WAITING:
        raise LimitReached("Too many regular expressions wait to be checked; ask again.", retry_after=5)
    async with _turn(lane):
        code, output = await _ask(pattern, None)
    if code == FOUND:
        return None
    if code == WRONG:
        return f"is no regular expression ({json.loads(output)}); correct it"
    return "takes too long to compile; simplify it"


async def matches(pattern: str, text: str) -> bool:
    """Return whether *pattern* is found in *text*. Cancelling ends the process."""
    async with _turn(_lane("match")):
        code, _ = await _ask(pattern, text)
    if code not in (FOUND, MISSING):
        log.warning("match_failed", pattern=pattern[:80], chars=len(text), wrong=code == WRONG)
    return code == FOUND


def _lane(kind: _Kind) -> _Lane:
    lanes = _lanes.setdefault(asyncio.get_running_loop(), {"check": _Lane(), "match": _Lane()})
    return lanes[kind]


@asynccontextmanager
async def _turn(lane: _Lane) -> AsyncIterator[None]:
    lane.waiting += 1
    try:
        async with lane.turn:
            yield
    finally:
        lane.waiting -= 1


async def _ask(pattern: str, text: str | None) -> tuple[int | None, bytes]:
    """Return the process's exit code and what it said; None as code if it took too long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", _SCRIPT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(MATCH_SECONDS):
            output, _ = await process.communicate(json.dumps([pattern, text]).encode())
    except TimeoutError:
        return None, b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output
