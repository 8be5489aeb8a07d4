"""The same log behind a Unix socket, Sentinels and in a Redis Cluster, with real processes that fail over and move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from redis.crc import key_slot

from orchestrator.errors import ConfigError, GapError, LogUnavailable
from orchestrator.eventlog.base import Cursor, Draft, Store
from orchestrator.eventlog.open import open_log
from orchestrator.eventlog.redis.connection.address import Place, RedisAddress, parse_address
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.redis.partitioned.log import PartitionedLog
from orchestrator.eventlog.redis.partitioned.partition import RedisPartition
from orchestrator.eventlog.run_store import Fence, RunRecord
from tests.support.listening import free_port
from tests.support.patience import PATIENCE_SECONDS, eventually, soon

from ..support.redis_server import RedisServer, redis_server
from ..support.redis_topologies import SERVICE, RedisNodes, redis_nodes, redis_watched

Log = TypeVar("Log", RedisLog, PartitionedLog)
Answer = TypeVar("Answer")


def draft(n: int) -> Draft:
    return Draft("r", "agent", "token", b"%d" % n)


async def persistently(log: Store, n: int, channel: str = "c") -> Cursor:
    """Append as a run does that will not lose an event; return where it is."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                (entry,) = await log.append(channel, [draft(n)])
            except LogUnavailable:
                await asyncio.sleep(0.02)
            else:
                return Cursor(entry.epoch, entry.seq)


async def everything(log: Store, after: Cursor, count: int, channel: str = "c") -> list[int]:
    """Follow the channel until *count* entries have come."""
    heard: list[int] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(heard) < count:
            if await log.wait(channel, after, 1.0):
                for entry in await log.read(channel, after, most=100):
                    heard.append(int(entry.data))
                    after = Cursor(entry.epoch, entry.seq)
    return heard


@asynccontextmanager
async def opened(*logs: Log) -> AsyncIterator[list[Log]]:
    for log in logs:
        await log.start()
    try:
        yield list(logs)
    finally:
        for log in logs:
            await log.aclose()


# ── addresses ────────────────────────────────────────────────────────────────────────────────


def test_addresses_say_where_to_ask() -> None:
    assert parse_address("redis+unix:///run/r.sock?db=2") == RedisAddress(
        kind="socket", path="/run/r.sock", db=2
    )
    assert parse_address("redis+sentinel://u:p@a:1,b,[::1]:3/main/4?sentinel_password=s") == RedisAddress(
        (Place("a", 1), Place("b", 26379), Place("::1", 3)), 4, "sentinel",
        username="u", password="p", service="main", sentinel_password="s",
    )  # fmt: skip
    assert parse_address("rediss+cluster://a:1,b?ssl_ca_certs=ca.pem") == RedisAddress(
        (Place("a", 1), Place("b", 6379)), kind="cluster", tls=True, ssl_ca_certs="ca.pem"
    )


@pytest.mark.parametrize(
    "url",
    ["redis+unix://host/r.sock", "redis+unix://", "redis+unix:///r.sock?db=x", "redis+unix:///r.sock?ssl_ca_certs=x",
     "redis+sentinel://u:secret@a:1", "redis+sentinel://u:secret@a:1/ma%20in", "redis+sentinel://u:secret@a:x/main",
     "redis+sentinel://u:secret@a:1,/main", "redis+cluster://u:secret@a:1/2", "redis+cluster://",
     "redis+cluster://a?sentinel_password=secret", "redis://u:secret@a:1,b:2/0", "redis+http://u:secret@a"],
)  # fmt: skip
def test_strange_addresses_are_refused_without_their_passwords(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_log(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [("redis+unix:///run/r.sock", "redis+unix:///run/r.sock"),
     ("rediss+sentinel://u:secret@a,[::1]:2/main/3?sentinel_password=secret",
      "rediss+sentinel://a:26379,[::1]:2/main/3"),
     ("redis+cluster://u:secret@a:1,b", "redis+cluster://a:1,b:6379/0")],
)  # fmt: skip
def test_shown_address_has_no_credentials(url: str, shown: str) -> None:
    assert str(parse_address(url)) == shown
    assert "secret" not in repr(parse_address(url))


# ── a Unix socket ────────────────────────────────────────────────────────────────────────────


async def test_log_behind_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "r.sock"
    url = f"redis+unix://:sesame@{path}?db=1"
    async with (
        redis_server(tmp_path / "redis", unixsocket=str(path), requirepass="sesame"),
        opened(*(RedisLog(url, patience_s=PATIENCE_SECONDS) for _ in range(2))) as (one, other),
    ):
        start = Cursor((await other.open("c")).epoch, 0)
        reading = asyncio.ensure_future(everything(other, start, 3))
        for n in range(3):
            await persistently(one, n)
        assert await reading == [0, 1, 2]


async def test_socket_that_is_not_there_is_told_in_time(tmp_path: Path) -> None:
    log = RedisLog(f"redis+unix://{tmp_path}/none.sock")
    with pytest.raises(LogUnavailable):
        await soon(log.start())
    await log.aclose()


# ── Sentinel ─────────────────────────────────────────────────────────────────────────────────


async def test_log_follows_the_primary_that_sentinels_name(tmp_path: Path) -> None:
    """The promoted replica may lack what the primary had: so readers of before get a gap, and nothing silent."""
    async with (
        redis_watched(tmp_path) as watched,
        opened(*(RedisLog(watched.url) for _ in range(2))) as (one, other),
    ):
        for wrong, message in (
            (watched.url.replace(f"/{SERVICE}/", "/other/"), "'other'"),
            (f"redis://127.0.0.1:{watched.sentinel.port}/0", "Sentinel"),
        ):
            with pytest.raises(ConfigError, match=message):
                await soon(RedisLog(wrong).start())
        before = [await persistently(one, n) for n in range(3)]
        assert await everything(other, Cursor(before[0].epoch, 0), 3) == [0, 1, 2]
        await watched.primary.stop(kill=True)
        after = await persistently(one, 3)
        assert after.epoch != before[0].epoch
        await eventually(lambda: one.available and other.available)
        with pytest.raises(GapError):
            await other.read("c", before[-1], most=10)
        assert await watched.replica.ask("EXISTS", one.keys.channel("c").log) == 1


async def test_sentinels_that_are_away_are_told_in_time() -> None:
    log = RedisLog(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/main")
    with pytest.raises(LogUnavailable):
        await soon(log.start())
    await log.aclose()


# ── Redis Cluster ────────────────────────────────────────────────────────────────────────────


def _record(run_id: str) -> RunRecord:
    return RunRecord(
        run_id=run_id, channel=run_id, message="?", agents=["a"], conversation_id=None,
        on_disconnect="continue", created_at=1, owner="edge",
    )  # fmt: skip


async def again(call: Callable[..., Awaitable[Answer]], *args: object, **keys: object) -> Answer:
    """Make a call until the store has answered it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await call(*args, **keys)
            except LogUnavailable:
                await asyncio.sleep(0.02)


async def _work_and_requests_get_through(one: PartitionedLog, other: PartitionedLog, run_id: str) -> None:
    offering, taker = one.cluster(), other.cluster()
    await again(one.create_run, _record(run_id))
    await again(offering.offer_work, run_id)
    assert await soon(taker.take_work("worker")) == run_id
    assert await again(other.claim_run, run_id, owner="worker", token=1) is not None
    commands = taker.commands("worker")
    sending = asyncio.ensure_future(offering.send("worker", b"ask"))
    request = await soon(anext(commands))
    await request.reply(b"answer")
    assert await sending == b"answer"
    await commands.aclose()


async def _nothing_is_done_by_halves(log: PartitionedLog) -> None:
    """A run's end touches its record first, then the index of ended runs, which has moved already."""
    end = Fence("run_before", 2), "completed", 5
    with pytest.raises(LogUnavailable):
        await log.end_run(*end)


def _names_in(partition: RedisPartition, log: PartitionedLog, stem: str) -> Iterator[str]:
    """Make names that are in a partition."""
    assert log._partitions is not None
    partitions = log._partitions
    return (name for n in count() if partitions.of(name := f"{stem}{n}") is partition)


def _slot_of(partition: RedisPartition) -> int:
    return key_slot(partition.keys.sizes.encode())


async def _elsewhere(nodes: RedisNodes, log: PartitionedLog, owner: RedisServer) -> str:
    """Return a channel that another node has."""
    assert log._partitions is not None
    for n in count():
        channel = f"elsewhere{n}"
        if await nodes.owner_of(_slot_of(log._partitions.of(channel))) is not owner:
            return channel
    raise LookupError


async def _fail_over(
    nodes: RedisNodes, log: PartitionedLog, other: PartitionedLog, partition: RedisPartition, channel: str
) -> None:
    """Only the channels of the shard that failed have a gap, and the others go on meanwhile."""
    owner = await nodes.owner_of(_slot_of(partition))
    spared = await _elsewhere(nodes, log, owner)
    lost, kept = await persistently(log, 1000, channel), await persistently(log, 1000, spared)
    await owner.stop(kill=True)
    assert await persistently(log, 1001, spared) == Cursor(kept.epoch, kept.seq + 1)
    assert (await persistently(log, 1001, channel)).epoch != lost.epoch
    with pytest.raises(GapError):
        await soon(_read_on(other, channel, lost))
    assert await everything(other, kept, 1, spared) == [1001]
    await eventually(lambda: log.available and other.available)
    await _work_and_requests_get_through(log, other, next(_names_in(partition, log, "run_after")))


async def _comes_to(ask: Callable[[], Awaitable[Answer]], wanted: Answer) -> None:
    """Ask until the answer is *wanted*: a partition whose node is slow is left out."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await ask() != wanted:
            await asyncio.sleep(0.1)


async def _read_on(log: PartitionedLog, channel: str, after: Cursor) -> None:
    while True:
        if await log.wait(channel, after, 0.1):
            assert await log.read(channel, after, most=10) == [], (
                "nothing may take the place of what was lost"
            )


async def test_log_in_a_cluster_of_six_outlives_resharding_and_a_failover(tmp_path: Path) -> None:
    """A partition's slot moves, key by key, while runs append: each event is there once; then its primary dies."""
    async with (
        redis_nodes(tmp_path, primaries=3, replicas=3) as nodes,
        opened(PartitionedLog(nodes.url), PartitionedLog(nodes.url)) as (one, other),
    ):
        await _work_and_requests_get_through(one, other, "run_before")
        assert one._partitions is not None
        partition = one._partitions.of("run_before")
        channel, names = next(_names_in(partition, one, "c")), _names_in(partition, one, "run_")
        source = await nodes.owner_of(_slot_of(partition))
        target = next(node for node in nodes.primaries if node is not source)
        cursors: list[Cursor] = []
        runs: list[str] = []
        moved = asyncio.Event()

        async def run() -> None:
            """Start runs and end every second one; a call that failed is made again, as its caller would."""
            while not moved.is_set():
                run_id = next(names)
                await again(one.create_run, _record(run_id))
                if len(runs) % 2:
                    await again(one.end_run, Fence(run_id, 1), "completed", 5)
                runs.append(run_id)

        async def write() -> None:
            while not (moved.is_set() and len(cursors) >= 50):
                cursors.append(await persistently(one, len(cursors), channel))

        working = asyncio.gather(write(), run())
        await eventually(lambda: len(cursors) >= 20 and len(runs) >= 20)
        async for _ in nodes.move(_slot_of(partition), target, first=partition.keys.ended):
            await _nothing_is_done_by_halves(other)
        moved.set()
        await soon(working)
        assert await nodes.owner_of(_slot_of(partition)) is target
        assert [at.seq for at in cursors] == list(range(1, len(cursors) + 1)), "none twice, none missing"
        newest = Cursor((await again(other.open, channel)).epoch, 0)
        assert await everything(other, newest, len(cursors), channel) == list(range(len(cursors)))
        running = {run.run_id: run.status for run in await again(other.running_runs)}
        assert running == dict.fromkeys(["run_before", *runs[::2]], "running")
        await _comes_to(other.owners, {"edge": len(runs[::2]), "worker": 1})
        await _comes_to(other.count_ended, len(runs[1::2]))
        await _fail_over(nodes, one, other, partition, channel)


async def test_server_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    async with redis_server(tmp_path / "redis") as server:
        log = PartitionedLog(f"redis+cluster://127.0.0.1:{server.port}")
        with pytest.raises((ConfigError, LogUnavailable), match="cluster"):
            await soon(log.start())
        await log.aclose()
