"""Several worker processes on one real Redis: any of them serves any run, and one that dies loses no event.

What SIGKILL and SIGSTOP do to them is in `faults/test_lost_workers.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from orchestrator.server import workers
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.programs import children

from ..faults.oracle import begin, judge, patient_session
from ..support.commands import environment, orchestrate
from ..support.parts import require
from ..support.redis_server import RedisServer
from ..workers.agents import held
from ..workers.process import CONFIG, until_ready, worker


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    require("redis-server")
    server = RedisServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with patient_session() as session:
        yield session


async def test_any_worker_serves_and_commands_any_run(
    redis: RedisServer, http: ClientSession, tmp_path: Path
) -> None:
    """Without sticky sessions: started on one, read and cancelled on the other."""
    async with worker(redis.url) as a, worker(redis.url) as b:
        for start_at, ask_at in ((a, b), (b, a)):
            account = await begin(http, start_at.url, held(500, tmp_path / "never"))
            run = f"/v1/runs/{account.run_id}"
            reading = asyncio.ensure_future(account.follow(http, ask_at.url))
            await asyncio.sleep(0.3)
            for url, agent_id in ((ask_at.url, "one"), (start_at.url, "two")):
                async with http.post(f"{url}{run}/agents/{agent_id}/cancel") as answer:
                    assert answer.status == 202, await answer.text()
                    state = (await answer.json())["agents"][agent_id]["status"]
                    assert state in ("cancelling", "cancelled")
            async with http.post(f"{ask_at.url}{run}/agents/one/retry") as answer:
                assert answer.status in (202, 409)
            async with http.post(f"{ask_at.url}{run}/cancel") as answer:
                assert answer.status == 202
            await reading
            judge(account.seen)
            for agent_id in ("one", "two"):
                assert [e for e in account.seen if e.type == f"{agent_id}.cancelled"]
            async with http.get(f"{start_at.url}{run}") as answer:
                assert (await answer.json())["status"] == "cancelled"
        async with http.get(f"{a.url}/v1/runs") as listed:
            assert len((await listed.json())["runs"]) == 2


async def test_workers_behind_one_socket_replace_each_other(redis: RedisServer, http: ClientSession) -> None:
    """`--workers 2`: a killed process is replaced, and SIGTERM ends all of them."""
    async with worker(redis.url, "--workers", "2") as parent:
        first = children(parent.pid)
        assert len(first) == 2
        accounts = [await begin(http, parent.url, "100") for _ in range(6)]
        await asyncio.sleep(0.2)
        os.kill(first[0], signal.SIGKILL)
        for account in accounts:
            await account.follow(http, parent.url)
            judge(account.seen, links=100, codes=("worker_lost",))
        await eventually(lambda: len(set(children(parent.pid)) - {first[0]}) >= 2)
        assert await parent.end() == 0


async def test_draining_worker_takes_no_further_runs(
    redis: RedisServer, http: ClientSession, tmp_path: Path
) -> None:
    """It waits for work when it is told to drain: what comes then is for those who stay."""
    async with worker(redis.url, "--drain", "600") as leaving:
        gate = tmp_path / "gate"
        before = [await begin(http, leaving.url, held(40, gate)) for _ in range(2)]
        async with worker(redis.url) as staying:
            leaving.send(signal.SIGTERM)
            await until_ready(http, leaving.url, 503)
            # At once: more than the one that stays can take before the other does.
            meanwhile = await asyncio.gather(*(begin(http, staying.url, "400") for _ in range(12)))
            for account in meanwhile:
                await account.follow(http, staying.url)
                judge(account.seen, links=400)
            gate.touch()
            for account in before:
                await account.follow(http, staying.url)
                judge(account.seen, links=40)
            assert await asyncio.wait_for(leaving.process.wait(), PATIENCE_SECONDS) == 0


async def test_workers_with_a_wrong_log_end_and_say_why(redis: RedisServer) -> None:
    """Another start cannot help, and a traceback a second hides the reason."""
    ended = await asyncio.to_thread(
        orchestrate,
        "serve", "--workers", "2", "--port", "0", "--config", CONFIG, "--log", f"{redis.url}?nonsense=1",
    )  # fmt: skip
    assert ended.returncode == 2
    assert "'nonsense' does not exist" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_worker_without_its_redis_says_so_and_goes_on_when_it_is_back(
    redis: RedisServer, http: ClientSession
) -> None:
    async with worker(redis.url) as one:
        account = await begin(http, one.url, "300")
        reading = asyncio.ensure_future(account.follow(http, one.url))
        await asyncio.sleep(0.3)
        redis.pause()
        await until_ready(http, one.url, 503)
        async with http.post(f"{one.url}/v1/runs", json={"message": "5"}) as answer:
            assert answer.status == 503
            assert json.loads(await answer.text())["status"] == 503
        redis.resume()
        await until_ready(http, one.url)
        await reading
        judge(account.seen, links=300)
        account = await begin(http, one.url, "5")
        await account.follow(http, one.url)
        judge(account.seen, links=5)


async def test_run_that_is_deleted_while_a_worker_takes_it_harms_nobody(
    redis: RedisServer, http: ClientSession
) -> None:
    """Whoever has claimed it may say nothing any more: that must end the run there, and not the worker."""
    async with worker(redis.url) as one, worker(redis.url) as two:

        async def begin_and_delete(url: str) -> None:
            account = await begin(http, url, "50")
            status = 503  # as long as a busy machine holds Redis up; then it may be deleted already
            while status == 503:
                async with http.delete(f"{url}/v1/runs/{account.run_id}") as answer:
                    status = answer.status
            assert status in (204, 410)

        for _ in range(10):
            await asyncio.gather(*(begin_and_delete(at.url) for at in (one, two) for _ in range(10)))
        for at in (one, two):
            assert at.process.returncode is None
            account = await begin(http, at.url, "5")
            await account.follow(http, at.url)
            judge(account.seen, links=5)


ADOPTS_AN_ORPHAN = """
import ctypes, os, signal, time
from contextlib import suppress
from orchestrator.server.workers import run_workers

heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append("a signal"))
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: orphans become this one's

def prepare():
    def serve(ready):
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        parent = os.getppid()
        os.kill(parent, signal.SIGKILL)
        while os.getppid() == parent:
            time.sleep(0.001)
        ready()
        return 0
    return serve

if os.fork() == 0:
    os._exit(run_workers(1, prepare, announce=lambda: None))
ended = []
with suppress(ChildProcessError):
    while True:
        ended.append(os.waitstatus_to_exitcode(os.wait()[1]))
print(heard, ended)
"""


def test_a_worker_that_is_ready_after_its_parent_was_killed_signals_no_stranger() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ADOPTS_AN_ORPHAN],
        env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert ran.stdout == "[] [-9, 0]\n", ran.stderr


IGNORES_ITS_CHILDREN = """
import os, signal
from orchestrator.server import workers

class Parent(workers._Parent):
    def _bury(self, pid, code):
        super()._bury(pid, code)
        os.kill(os.getpid(), signal.SIGUSR1)  # as a worker does that is ready at the moment of its end

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
code = Parent(2, lambda: lambda ready: 0).run(lambda: os.kill(os.getpid(), signal.SIGTERM))
print("ended with", code)
"""


def test_a_parent_that_was_started_deaf_to_its_children_ends_with_them() -> None:
    """The kernel buried the workers itself, and the parent waited for ever; a late word of one ended it by a signal."""
    ran = subprocess.run(
        [sys.executable, "-c", IGNORES_ITS_CHILDREN],
        env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.returncode) == ("ended with 0\n", 0), ran.stderr


def test_a_worker_that_is_buried_as_the_last_new_one_is_ready_is_sent_no_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its number is nobody's by then, and the parent ended of it."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(pid))
    parent = workers._Parent(1, lambda: lambda ready: 0)
    dead, leaving, new = 1001, 1002, 1003
    parent._born = dict.fromkeys((dead, leaving, new), 0.0)
    parent._before, parent._retiring = (parent._serve, set()), {dead, leaving}
    os.write(parent._reports[1], f'{{"ready": {new}}}\n'.encode())
    parent._bury(dead, 0)
    assert sent == [leaving]
