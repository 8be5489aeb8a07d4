"""What is particular to the log in memory: its bounds."""

from __future__ import annotations

from orchestrator.eventlog import Cursor, Draft, MemoryLog


async def test_channel_beyond_its_bytes_loses_its_oldest_entries() -> None:
    log = MemoryLog(max_channel_bytes=50_000)
    for _ in range(200):
        await log.append("c", [Draft("run_1", "a", "token", b"x" * 400)])
    bounds = await log.open("c")
    assert log.size <= 50_000
    assert bounds.last == 200
    assert bounds.first > 100


async def test_channel_that_nobody_used_is_not_kept() -> None:
    """Names that clients make up must not fill the memory."""
    log = MemoryLog()
    for n in range(10):
        bounds = await log.open(f"c{n}")
        await log.wait(f"c{n}", Cursor(bounds.epoch, 0), 0.001)
    assert not log._channels
