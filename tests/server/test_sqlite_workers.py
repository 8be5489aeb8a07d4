"""Several worker processes on one SQLite file: any of them serves any run, and one that dies loses no event."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.support.patience import eventually
from tests.support.programs import children

from ..faults.oracle import begin, judge, patient_session
from ..workers.process import worker


async def test_workers_share_one_file(tmp_path: Path) -> None:
    """Behind one socket it is chance which worker is reached: requests find the run's, and streams hear of its events.

    A worker that is killed is replaced, and its runs are taken over.
    """
    log = f"sqlite:///{tmp_path / 'runs.db'}"
    async with worker(log, "--workers", "2") as parent, patient_session() as http:
        first = children(parent.pid)
        assert len(first) == 2
        asked = [await begin(http, parent.url, "500") for _ in range(6)]
        reading = [asyncio.ensure_future(account.follow(http, parent.url)) for account in asked]
        for account in asked:
            async with http.post(f"{parent.url}/v1/runs/{account.run_id}/cancel") as answer:
                assert answer.status == 202, await answer.text()
        await asyncio.gather(*reading)
        for account in asked:
            judge(account.seen)
            assert {event.type for event in account.seen} >= {"one.cancelled", "two.cancelled"}
        lost = [await begin(http, parent.url, "100") for _ in range(6)]
        await asyncio.sleep(0.2)
        os.kill(first[0], signal.SIGKILL)
        for account in lost:
            await account.follow(http, parent.url)
            judge(account.seen, links=100, codes=("worker_lost",))
        await eventually(lambda: len(set(children(parent.pid)) - {first[0]}) == 2)
        assert await parent.end() == 0
    assert list((tmp_path / "runs.db-workers").glob("*.news")) == [], "a killed worker's socket goes, too"
