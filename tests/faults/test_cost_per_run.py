"""What a run and an idle worker cost Redis does not depend on how many runs are kept, nor on how long they are.

Counted are the commands that Redis carries out, those inside of scripts included, and the bytes that it sends: on one
server, and on the three of a Redis Cluster. `FAULT_KEPT=10000` compares with so many kept.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from orchestrator.backends.base import AgentInput
from orchestrator.eventlog.base import Store
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.run.spec import StartRequest
from orchestrator.supervisor import supervisor as duties
from orchestrator.supervisor.presence import cancel_abandoned
from orchestrator.supervisor.supervisor import Supervisor
from tests.contract.stores import known_to_be_slow, log_of
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.redis_server import RedisServer, redis_server
from tests.support.redis_topologies import redis_nodes
from tests.support.spine import ScriptedRegistry

FEW, MANY = 100, int(os.environ.get("FAULT_KEPT") or 400)
RUNS, ROUNDS, AT_ONCE = 12, 8, 200
"""In so many rounds each of a cluster's partitions is asked once."""


MOST_OF_IDLE = 30
"""Commands of a round of all duties."""


class Cost(NamedTuple):
    commands: int
    sent: int


class Place(NamedTuple):
    """Where a log is, and the servers that hold it."""

    url: str
    servers: list[RedisServer]

    async def flush(self) -> None:
        for server in self.servers:
            await server.flush()


@pytest.fixture(params=["server", "cluster"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "server":
        async with redis_server(tmp_path / "redis") as server:
            yield Place(server.url, [server])
        return
    async with redis_nodes(tmp_path / "nodes", primaries=3) as nodes:
        yield Place(nodes.url, nodes.nodes)


class Meter:
    """Counts what Redis does, over connections of its own."""

    def __init__(self, place: Place) -> None:
        self._servers = place.servers

    async def _read(self) -> Cost:
        costs = [await self._read_one(each) for each in self._servers]
        return Cost(sum(each.commands for each in costs), sum(each.sent for each in costs))

    @staticmethod
    async def _read_one(server: RedisServer) -> Cost:
        told = await server.ask("INFO", "commandstats")
        ours = {
            name: row for name, row in told.items() if name not in ("cmdstat_info", "cmdstat_client|setinfo")
        }
        stats = await server.ask("INFO", "stats")
        return Cost(sum(row["calls"] for row in ours.values()), stats["total_net_output_bytes"])

    async def of(self, work: Any) -> Cost:
        await self._read()
        one, two = await self._read(), await self._read()
        await work
        three = await self._read()
        own = two.sent - one.sent
        return Cost(three.commands - two.commands, three.sent - two.sent - own)


async def talk(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "a word"


def record(run_id: str, owner: str, message: str = "?") -> RunRecord:
    return RunRecord(
        run_id=run_id, channel=run_id, message=message, agents=["a"], conversation_id=None,
        on_disconnect="cancel", created_at=int(time.time() * 1000), owner=owner,
    )  # fmt: skip


async def keep(log: Store, first: int, last: int) -> None:
    """Let the log hold further runs that have ended."""

    async def one(n: int) -> None:
        await log.create_run(record(f"run_before_{n}", "before"))
        await log.end_run(Fence(f"run_before_{n}", 1), "completed", int(time.time() * 1000))

    for begin in range(first, last, AT_ONCE):
        await asyncio.gather(*(one(n) for n in range(begin, min(last, begin + AT_ONCE))))


@asynccontextmanager
async def worker(place: Place) -> AsyncIterator[Supervisor]:
    """Run a worker whose duties come when they are called, and once at the start."""
    registry, log = ScriptedRegistry({"a": talk}), log_of(place.url)(place.url, patience_s=PATIENCE_SECONDS)
    await registry.load()
    async with (
        known_to_be_slow(),
        aclosing(log),
        Supervisor(registry, log, cluster=log.cluster()) as supervisor,
    ):
        yield supervisor


@pytest.fixture(autouse=True)
def _no_duties_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BEAT", "FAILOVER", "PRESENCE", "RETENTION", "TIDY", "ADMISSION"):
        monkeypatch.setattr(duties, f"{name}_SECONDS", 3600.0)


async def rounds(supervisor: Supervisor) -> None:
    """Do each duty as often as an idle worker does in some seconds."""
    assert supervisor.cluster is not None
    for _ in range(ROUNDS):
        await supervisor._heartbeat.beat()
        await supervisor._failover.look()
        await cancel_abandoned(supervisor._presence, supervisor._executor)
        await supervisor._retention.expire()
        await supervisor._admission.look(supervisor.cluster, supervisor.log, supervisor._observer)


async def start_and_end(supervisor: Supervisor, into: list[str]) -> None:
    async def one() -> None:
        run, _ = await supervisor.start(StartRequest("hi", ("a",)))
        into.append(run.spec.run_id)

    await asyncio.gather(*(one() for _ in range(RUNS)))
    await eventually(lambda: all(run_id in supervisor._stored._kept for run_id in into))


async def forget(supervisor: Supervisor, runs: list[str]) -> None:
    for run_id in runs:
        await supervisor.forget(run_id)


def close(one: float, other: float) -> bool:
    return abs(one - other) <= 0.2 * max(one, other)


async def test_commands_are_the_same_however_many_runs_are_kept(place: Place) -> None:
    costs: dict[str, list[Cost]] = {"idle": [], "started": [], "forgotten": []}
    async with worker(place) as supervisor:
        meter, kept = Meter(place), 0
        for count in (FEW, MANY):
            await keep(supervisor.log, kept, count)
            kept, runs = count, list[str]()
            await rounds(supervisor)  # what is kept was not kept by this worker
            costs["idle"].append(await meter.of(rounds(supervisor)))
            costs["started"].append(await meter.of(start_and_end(supervisor, runs)))
            costs["forgotten"].append(await meter.of(forget(supervisor, runs)))
    per = {"idle": ROUNDS, "started": RUNS, "forgotten": RUNS}
    for what, (few, many) in costs.items():
        print(
            f"{what}: {few.commands / per[what]:.1f} commands with {FEW}, {many.commands / per[what]:.1f} with {MANY}"
        )
    for what, (few, many) in costs.items():
        assert close(few.commands, many.commands), (what, costs[what])
        assert few.commands > 0
    # An idle worker asks a cluster little more than one server, though each of its partitions could have changed.
    assert costs["idle"][1].commands / ROUNDS <= MOST_OF_IDLE


async def test_an_idle_worker_fetches_no_bodies(place: Place) -> None:
    """Thirty silent runs of another worker, with short messages and with such of 90 kB."""
    sent = []
    for length in (10, 90_000):
        await place.flush()
        async with worker(place) as supervisor:
            await supervisor.log.beat("other", PATIENCE_SECONDS)
            for n in range(30):
                await supervisor.log.create_run(record(f"run_{n}", "other", "x" * length))
            sent.append((await Meter(place).of(rounds(supervisor))).sent)
    print(f"{sent[0] / ROUNDS:.0f} bytes a round with short messages, {sent[1] / ROUNDS:.0f} with long ones")
    assert close(sent[0], sent[1]), sent
