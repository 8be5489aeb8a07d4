"""Covers `orchestrator/server/serve.py` and `workers.py`: signals, orphans, starts that fail, one scrape for all."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from orchestrator.telemetry.metrics import Metrics, add_up
from orchestrator.telemetry.observer import RunFacts
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.programs import children

from ..faults.oracle import begin, judge, patient_session
from ..support.commands import finish, line_with, orchestrate, spawn
from ..support.parts import require
from ..support.redis_server import RedisServer
from ..workers.agents import held
from ..workers.process import CONFIG, Process, until_ready, worker

AGENT = "backend: function\nstream: tests.workers.agents:chain\ndefault: true\n"


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    require("redis-server")
    server = RedisServer(tmp_path / "redis")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with patient_session() as session:
        yield session


def gone(pids: list[int]) -> bool:
    """Whether none of them runs any more; one that only waits to be reaped does not."""
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return False
        except FileNotFoundError:
            continue
    return True


def port_of(process: Process) -> int:
    return int(process.url.rpartition(":")[2])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


async def agents_at(http: ClientSession, url: str) -> set[str]:
    try:
        async with http.get(f"{url}/v1/agents") as answer:
            return {agent["agent_id"] for agent in (await answer.json())["agents"]}
    except ClientError:
        return set()


@pytest.mark.timeout(600)
async def test_a_signal_at_any_moment_after_listening_ends_all(
    redis: RedisServer,
) -> None:
    """It came between a fork and its note, and a worker that nobody knew of lived for ever."""
    chance = random.Random()
    for _ in range(int(os.environ.get("FAULT_ROUNDS", "3"))):
        process = await spawn(
            "serve", "--workers", "4", "--port", "0", "--config", CONFIG, "--log", redis.url, "--drain", "0"
        )
        await line_with(process.stdout, "Listening")
        await asyncio.sleep(chance.choice([0.0, 0.001, 0.01, 0.1, 1.0]) * chance.random())
        born = children(process.pid)
        process.terminate()
        code, _, _ = await finish(process)
        assert code == 0
        await eventually(lambda born=born: gone(born))


async def test_workers_whose_parent_was_killed_end_and_free_the_port(redis: RedisServer) -> None:
    async with worker(redis.url, "--workers", "2") as parent:
        born, port = children(parent.pid), port_of(parent)
        assert len(born) == 2
        await parent.end(signal.SIGKILL)
        await eventually(lambda: gone(born))
        await eventually(lambda: is_free(port))


async def test_sigquit_ends_all_at_once(redis: RedisServer) -> None:
    async with worker(redis.url, "--workers", "2", "--drain", "600") as parent:
        born = children(parent.pid)
        assert await parent.end(signal.SIGQUIT) == 128 + signal.SIGQUIT
        await eventually(lambda: gone(born))
    async with worker("memory:", "--drain", "600") as alone:
        assert await alone.end(signal.SIGQUIT) == 128 + signal.SIGQUIT


async def test_a_signal_to_parent_and_workers_drains_as_one_to_the_parent_does(
    redis: RedisServer, http: ClientSession
) -> None:
    """systemd and a terminal signal each process; the workers, told twice, ended instead of draining."""
    async with worker(redis.url, "--workers", "2", "--drain", "60") as parent:
        account = await begin(http, parent.url, "200", agents=["one"])
        reading = asyncio.create_task(account.connect(http, parent.url, most=1000))
        await asyncio.wait_for(reading, PATIENCE_SECONDS)
        for pid in children(parent.pid):
            os.kill(pid, signal.SIGTERM)
        await asyncio.sleep(0.2)
        parent.send(signal.SIGTERM)
        assert await asyncio.wait_for(parent.process.wait(), PATIENCE_SECONDS) == 0
    async with worker(redis.url) as later:
        await account.follow(http, later.url)
        judge(account.seen, links=200)


async def test_a_second_signal_ends_workers_that_drain(redis: RedisServer, http: ClientSession) -> None:
    async with worker(redis.url, "--workers", "2", "--drain", "600") as parent:
        born = children(parent.pid)
        account = await begin(http, parent.url, "100000", agents=["one"])
        reading = asyncio.create_task(account.connect(http, parent.url, most=1000))
        await asyncio.wait_for(reading, PATIENCE_SECONDS)
        parent.send(signal.SIGTERM)
        # Two that are pending at once are one to the kernel: the first has been taken when a worker drains.
        await until_ready(http, parent.url, 503)
        assert await parent.end(signal.SIGTERM) == 128 + signal.SIGTERM
        await eventually(lambda: gone(born))


async def test_sighup_takes_new_agents_and_lets_what_runs_end(
    redis: RedisServer, http: ClientSession, tmp_path: Path
) -> None:
    """The old workers go only when the new ones answer; a wrong file changes nothing, nor does an absent module."""
    folder, log = tmp_path / "agents", tmp_path / "log"
    folder.mkdir()
    (folder / "one.yaml").write_text(AGENT)
    options = ("--workers", "2", "--drain", "60")
    with log.open("wb") as stderr:
        async with worker(redis.url, *options, config=folder, stderr=stderr) as parent:
            await _reload(http, parent, folder, log)


async def _reload(http: ClientSession, parent: Process, folder: Path, log: Path) -> None:
    first = set(children(parent.pid))
    account = await begin(http, parent.url, "100", agents=["one"])
    wrong = ("backend: nonsense\n", AGENT.replace("agents:chain", "nowhere:chain"))
    for failures, text in enumerate(wrong, 1):
        (folder / "two.yaml").write_text(text)
        parent.send(signal.SIGHUP)
        await eventually(lambda failures=failures: log.read_text().count("reload_failed") == failures)
        assert set(children(parent.pid)) & first, "a busy machine may have lost one, not all"
    (folder / "two.yaml").write_text(AGENT)
    parent.send(signal.SIGHUP)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while set(children(parent.pid)) & first:
            assert await agents_at(http, parent.url), "somebody answers all the while"
            await asyncio.sleep(0.05)
    assert await agents_at(http, parent.url) == {"one", "two"}
    await account.follow(http, parent.url)
    judge(account.seen, links=100)
    assert await parent.end() == 0


async def test_sighup_reloads_a_process_that_is_alone(http: ClientSession, tmp_path: Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "one.yaml").write_text(AGENT)
    async with worker(f"sqlite:///{tmp_path}/log.db", config=folder) as alone:
        account = await begin(http, alone.url, "3", agents=["one"])
        await account.follow(http, alone.url)
        (folder / "two.yaml").write_text(AGENT)
        alone.send(signal.SIGHUP)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await agents_at(http, alone.url) != {"one", "two"}:
                await asyncio.sleep(0.05)
        await until_ready(http, alone.url)
        async with http.get(f"{alone.url}/v1/runs/{account.run_id}") as answer:
            assert (await answer.json())["status"] == "completed"
        assert await alone.end() == 0


async def test_sighup_reloads_although_an_agent_blocks_a_thread(http: ClientSession, tmp_path: Path) -> None:
    """The loop never closes then, and the service ended instead of reading its agents anew."""
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "one.yaml").write_text(AGENT.replace("chain", "blocked"))
    async with worker(f"sqlite:///{tmp_path}/log.db", "--drain", "0", config=folder) as alone:
        async with http.post(f"{alone.url}/v1/runs", json={"message": "Wait.", "agents": ["one"]}) as started:
            run_id = (await started.json())["run_id"]
        async with http.get(f"{alone.url}/v1/runs/{run_id}/events") as stream:
            async for line in stream.content:
                if line.startswith(b"event: one.token"):
                    break
        (folder / "two.yaml").write_text(AGENT)
        alone.send(signal.SIGHUP)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await agents_at(http, alone.url) != {"one", "two"}:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("workers", ["1", "3"])
async def test_a_start_that_fails_says_why_once(workers: str) -> None:
    """Several workers used to be started again and again, for ever."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        log = f"redis://127.0.0.1:{nobody.getsockname()[1]}"
        ended = await asyncio.to_thread(
            orchestrate, "serve", "--workers", workers, "--port", "0", "--config", CONFIG, "--log", log
        )
    assert ended.returncode == 1
    assert ended.stderr.count("orchestrator: Redis at") == 1
    assert "does not answer" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_an_agent_that_cannot_be_loaded_ends_runs_that_have_begun_in_words(
    http: ClientSession, tmp_path: Path
) -> None:
    """The others may be asked before the last is read; their streams used to break off."""
    gate, folder = tmp_path / "gate", tmp_path / "agents"
    folder.mkdir()
    (folder / "one.yaml").write_text(AGENT)
    (folder / "two.yaml").write_text(AGENT.replace("agents:chain", "late:chain"))
    process = await spawn("serve", "--port", "0", "--config", str(folder), LATE_GATE=str(gate))
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().rpartition(" ")[2].strip()
    account = await begin(http, url, held(40, tmp_path / "never"), agents=["one"])
    async with http.get(f"{url}/v1/runs/{account.run_id}/events") as stream:
        while not (await stream.content.readline()).startswith(b"event: one.token"):
            pass
        gate.touch()
        rest = await stream.read()
    assert b'"code":"shutdown"' in rest
    assert b"event: run.done" in rest
    returncode, _, err = await finish(process)
    assert returncode == 2
    assert "An agent or a panel cannot be loaded" in err
    assert "tests.workers.late" in err


async def test_one_scrape_answers_for_all_workers(redis: RedisServer, http: ClientSession) -> None:
    async with worker(redis.url, "--workers", "3") as parent:
        for _ in range(9):
            account = await begin(http, parent.url, "3")
            await account.follow(http, parent.url)
        for _ in range(5):
            async with ClientSession() as fresh, fresh.get(f"{parent.url}/metrics") as answer:
                lines = (await answer.text()).splitlines()
            assert "orchestrator_runs_started_total 9.0" in lines
        os.kill(children(parent.pid)[0], signal.SIGKILL)
        async with ClientSession() as fresh, fresh.get(f"{parent.url}/metrics") as answer:
            assert answer.status == 200


def test_samples_are_summed_and_the_worst_of_a_state_counts() -> None:
    one, two = Metrics(), Metrics()
    for metrics, runs, size in ((one, 2, 5), (two, 3, 7)):
        for n in range(runs):
            metrics.run_started(RunFacts(f"run_{n}", None, 0))
        metrics.log_bytes(size)
        metrics.retried("a")
        metrics.loop_lag(size / 1000)
    lines = add_up([one.render()[0], two.render()[0]]).decode().splitlines()
    assert "orchestrator_runs_started_total 5.0" in lines
    assert "orchestrator_runs_running 5.0" in lines
    assert 'orchestrator_agent_retries_total{agent="a"} 2.0' in lines
    assert "orchestrator_log_bytes 7.0" in lines
    assert "orchestrator_event_loop_lag_seconds_count 2.0" in lines
    assert "orchestrator_event_loop_lag_last_seconds 0.007" in lines
