"""Whether a text matches a regular expression of somebody else's: in a process of its own, with a time limit.

A match that backtracks without end cannot be interrupted, and holds the whole process up as long as it lasts.
"""

from __future__ import annotations

import asyncio
import json
import sys

import structlog

log = structlog.get_logger(__name__)

MATCH_SECONDS = 2.0
"""How long one text may take; no match by then is none."""

_SCRIPT = "import json, re, sys; sys.exit(re.search(*json.load(sys.stdin)) is None)"


async def matches(pattern: str, text: str) -> bool:
    """Return whether *pattern*, which compiles, is found in *text*. Cancelling ends the process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", _SCRIPT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(MATCH_SECONDS):
            await process.communicate(json.dumps([pattern, text]).encode())
    except TimeoutError:
        log.warning("match_took_too_long", pattern=pattern[:80], chars=len(text))
        return False
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode == 0
