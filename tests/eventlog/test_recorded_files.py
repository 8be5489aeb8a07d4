"""SQLite files that each release wrote, opened by the present code: all is there that they held, and goes on.

Recorded by `orchestrator serve` as it was at each schema: two runs of a conversation, and two in one channel. A further
schema needs a further file.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from orchestrator.eventlog.base import Cursor, Entry
from orchestrator.eventlog.run_list import RunQuery
from orchestrator.eventlog.sqlite.log import SQLiteLog
from orchestrator.eventlog.sqlite.schema import MIGRATIONS, parse_address
from orchestrator.run.stored import StoredRuns

RECORDED = Path(__file__).with_name("recorded")
ASKED = ["first", "second", "third", "fourth"]


def test_every_schema_has_a_recorded_file() -> None:
    assert {path.name for path in RECORDED.iterdir()} == {
        f"schema{n + 1}.db.gz" for n in range(len(MIGRATIONS))
    }


async def _read(log: SQLiteLog, channel: str) -> list[Entry]:
    bounds = await log.open(channel)
    return await log.read(channel, Cursor(bounds.epoch, 0), most=1000)


@pytest.mark.parametrize("schema", range(1, len(MIGRATIONS) + 1))
async def test_file_of_an_earlier_schema_has_all_that_it_held(schema: int, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(gzip.decompress((RECORDED / f"schema{schema}.db.gz").read_bytes()))
    log = SQLiteLog(parse_address(f"sqlite:///{path}"))
    await log.start()
    try:
        records = (await log.list_runs(limit=10))[::-1]
        assert [(record.message, record.status) for record in records] == [
            (text, "completed") for text in ASKED
        ]
        page = await log.page_runs(RunQuery(limit=10, channel="shared"))
        assert [row.summary.title for row in page.rows if row.summary] == ["fourth", "third"]
        for record in records:
            told = [entry for entry in await _read(log, record.channel) if entry.run_id == record.run_id]
            assert (told[0].type, told[-1].type) == ("started", "done")
            run = await StoredRuns(log).read(record)
            assert run.participants["one"].text == f"one two to {record.message!r}"
        assert len(await log.turns("talk", "one")) > 0
        assert await log.owners() == {}
        assert await log.count_ended() == len(ASKED)
    finally:
        await log.aclose()
