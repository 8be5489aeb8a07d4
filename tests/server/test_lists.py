"""Lists and gaps: what they cost follows from what they show, and one run that cannot be read spoils none."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import GapError
from orchestrator.eventlog import MemoryLog, open_log
from orchestrator.eventlog.base import Cursor, Entry
from orchestrator.eventlog.gap import Gap
from orchestrator.eventlog.subscription import IDLE, follow
from orchestrator.eventlog.view import View
from orchestrator.events import Snapshot
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.service import Serve, serving, words


class CountingLog(MemoryLog):
    """Counts the pages that are read of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[str] = []

    async def read(self, channel: str, after: Cursor, *, most: int) -> list[Entry]:
        self.pages.append(channel)
        return await super().read(channel, after, most=most)

    async def read_run(self, channel: str, *args: Any, **keys: Any) -> list[Entry]:
        self.pages.append(channel)
        return await super().read_run(channel, *args, **keys)


async def test_a_gap_on_a_channel_reads_each_run_once(serve: Serve) -> None:
    """It was one pass over the channel for each of its runs: 33 s for 1,200 of them."""
    log = CountingLog()
    service = await serve({"a": words("x", "y")}, log=log)
    ids = [await service.start(channel="busy") for _ in range(60)]
    for run_id in ids:
        await service.ended(run_id)
    for run_id in ids:
        service.supervisor._stored.drop(run_id)
    log.pages.clear()
    async with service.stream("/v1/channels/busy/events", headers={"Last-Event-ID": "nowhere-1"}) as stream:
        told: list[dict[str, Any]] = []
        while len(told) < len(ids):
            event = await stream.event()
            if event.data["type"] == "snapshot":
                told.append(event.data)
    assert [each["run_id"] for each in told] == ids
    assert all(each["agents"]["a"]["text"] == "xy" for each in told)
    assert log.pages.count("busy") <= 2 * len(ids) + 12, "a page of each run, and that there is no more"


async def test_heartbeats_come_while_a_gap_is_made() -> None:
    release = asyncio.Event()

    async def snapshots() -> list[Snapshot]:
        await release.wait()
        return []

    log = MemoryLog()
    items = follow(log, View("c"), "nowhere-1", snapshots, heartbeat_s=0.01)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert [await anext(items) for _ in range(3)] == [IDLE] * 3
        release.set()
        while not isinstance(item := await anext(items), Gap):
            assert item is IDLE
    await items.aclose()


async def test_a_gap_that_cannot_be_told_says_why() -> None:
    async def snapshots() -> list[Snapshot]:
        raise GapError("trimmed", earliest=None, latest=None)

    items = follow(MemoryLog(), View("c"), "nowhere-1", snapshots)
    with pytest.raises(GapError):
        await anext(items)


BROKEN: tuple[bytes, ...] = (b"", b"\xff\xfe", b"[]", b'{"run_id":7}', json.dumps({"v": 99}).encode())


@pytest.mark.parametrize("record", BROKEN)
async def test_a_run_that_cannot_be_read_spoils_no_list_and_no_channel(tmp_path: Path, record: bytes) -> None:
    """A newer release may have written it: then it is marked, and its events are told as far as they go."""
    path = tmp_path / "log.db"
    async with serving({"a": words("x")}, log=open_log(f"sqlite:///{path}")) as service:
        ids = [await service.start(channel="c") for _ in range(3)]
        await eventually(lambda: not service.supervisor.running)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE runs SET record = ? WHERE run_id = ?", (record, ids[1]))
        db.commit()
    async with serving({"a": words("x")}, log=open_log(f"sqlite:///{path}")) as service:
        listed = (await service.call("GET", "/v1/runs")).json["runs"]
        assert [(run["run_id"], run["unreadable"]) for run in listed] == [
            (ids[2], False), (ids[1], True), (ids[0], False),
        ]  # fmt: skip
        shown = await service.call("GET", f"/v1/runs/{ids[1]}")
        assert (shown.status, shown.json["agents"]["a"]["text"]) == (200, "x")
        async with service.stream("/v1/channels/c/events", headers={"Last-Event-ID": "nowhere-1"}) as stream:
            assert (await stream.event()).data["type"] == "gap"
            assert [(await stream.event()).data["run_id"] for _ in range(3)] == ids
        assert (await service.call("DELETE", f"/v1/runs/{ids[1]}")).status == 204
