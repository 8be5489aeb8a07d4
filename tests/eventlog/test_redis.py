"""What is particular to the log in Redis: faults of the server and of the connection, and several workers."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from orchestrator.errors import ConfigError, Fenced, GapError, LogUnavailable
from orchestrator.eventlog import Cursor, Draft, open_log
from orchestrator.eventlog.redis import listener as listener_module
from orchestrator.eventlog.redis.connection.address import Place, RedisAddress, parse_address
from orchestrator.eventlog.redis.connection.client import unfit
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.redis.runs import UNTIDIED_MS
from orchestrator.eventlog.run_list import RunQuery, RunSummary
from orchestrator.eventlog.run_store import Fence, RetentionBounds, RunRecord
from tests.support.listening import free_port
from tests.support.patience import PATIENCE_SECONDS, eventually, soon

from ..support.redis_proxy import lose_answer, proxied
from ..support.redis_server import RedisServer, redis_server

RUN, ROOM = "run_1", "room"
FENCE = Fence(RUN, 1)


def draft(n: int, run_id: str = RUN) -> Draft:
    return Draft(run_id, "a", "token", b'{"n":%d}' % n)


def numbers(entries: list) -> list[int]:
    return [int(entry.data[5:-1]) for entry in entries]


def record(run_id: str = RUN, channel: str = RUN) -> RunRecord:
    return RunRecord(
        run_id=run_id, channel=channel, message="?", agents=["a"], conversation_id=None,
        on_disconnect="continue", created_at=1, owner="worker_1",
    )  # fmt: skip


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def durable(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path / "redis", append_only=True) as running:
        yield running


BRIEF: dict[str, float] = {"patience_s": 4.0}
"""For a log of which a test expects that it gives up: the others wait long for a Redis that a busy machine holds up."""


@asynccontextmanager
async def opened(
    server: RedisServer, count: int = 1, url: str = "", *, patience_s: float = PATIENCE_SECONDS
) -> AsyncIterator[list[RedisLog]]:
    """That many workers' logs on one server."""
    async with AsyncExitStack() as stack:
        logs = []
        for _ in range(count):
            log = RedisLog(url or server.url, patience_s=patience_s)
            stack.push_async_callback(log.aclose)
            await log.start()
            logs.append(log)
        yield logs


@pytest.fixture
async def log(server: RedisServer) -> AsyncIterator[RedisLog]:
    async with opened(server) as (one,):
        yield one


async def follow(log: RedisLog, channel: str, cursor: Cursor, until: int) -> list[int]:
    """Read like a subscriber from *cursor* on, until the event numbered *until* came."""
    heard: list[int] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not heard or heard[-1] != until:
            page = await log.read(channel, cursor, most=256)
            if page:
                heard += numbers(page)
                cursor = Cursor(page[-1].epoch, page[-1].seq)
            else:
                await log.wait(channel, cursor, 15)
    return heard


async def everything(log: RedisLog, channel: str) -> list[int]:
    bounds = await log.open(channel)
    heard: list[int] = []
    cursor = Cursor(bounds.epoch, bounds.first - 1)
    while page := await log.read(channel, cursor, most=1000):
        heard += numbers(page)
        cursor = Cursor(page[-1].epoch, page[-1].seq)
    return heard


async def persistently(log: RedisLog, channel: str, drafts: list[Draft], fence: Fence | None = None) -> None:
    """Append as a run does that will not lose an event: the same again while the store is away."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await log.append(channel, drafts, fence=fence)
                return
            except LogUnavailable:
                await asyncio.sleep(0.05)


# ── addresses and servers that will not do ───────────────────────────────────────────────────


def test_address_says_where_and_as_whom() -> None:
    assert parse_address("redis://h") == RedisAddress((Place("h", 6379),))
    assert parse_address("rediss://u:p%40ss@h:1/3?prefix=x:&ssl_ca_certs=ca.pem") == RedisAddress(
        (Place("h", 1),), 3, tls=True, username="u", password="p@ss", prefix="x:", ssl_ca_certs="ca.pem"
    )
    assert isinstance(open_log("redis://127.0.0.1:1/0"), RedisLog)


def test_log_lines_name_the_partition_that_is_meant_and_no_password() -> None:
    address = parse_address("redis+cluster://u:secret@h:1")
    assert address.log_fields == {"address": "redis+cluster://h:1/0"}
    assert replace(address, slot_key="{fanin:default:3}").log_fields == {
        "address": "redis+cluster://h:1/0",
        "partition": "{fanin:default:3}",
    }


@pytest.mark.parametrize(
    "rest",
    ["", "/0", "[::1", "h:0x", "h:99999", "h/x", "h/0/1", "h?socket_timeout=1", "h?prefix=", "h?prefix=a{b}",
     "h?prefix=a&prefix=b", "h?ssl_ca_certs=x"],
)  # fmt: skip
def test_strange_address_is_refused_without_its_password(rest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_log(f"redis://user:secret@{rest}" if rest[:1].isalpha() else f"redis://{rest}")
    assert "secret" not in str(caught.value)


async def test_nobody_there_is_told_in_time() -> None:
    log = RedisLog(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(LogUnavailable):
        await soon(log.start())
    assert not log.available
    await log.aclose()


async def test_authorities_that_are_not_there_are_a_mistake_of_the_configuration() -> None:
    log = RedisLog(f"rediss://127.0.0.1:{free_port()}?ssl_ca_certs=/nowhere/ca.pem")
    with pytest.raises(ConfigError, match=r"no file '/nowhere/ca\.pem'"):
        await log.start()
    await log.aclose()


async def test_wrong_credentials_are_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    async with redis_server(tmp_path / "redis", requirepass="sesame") as server:
        for user in ("", ":wrong@", "nobody:sesame@"):
            log = RedisLog(f"redis://{user}127.0.0.1:{server.port}/0")
            with pytest.raises(ConfigError) as caught:
                await log.start()
            assert "sesame" not in str(caught.value)
            await log.aclose()
        async with opened(server, url=f"redis://:sesame@127.0.0.1:{server.port}/1") as (log,):
            assert len(await log.append("c", [draft(1)])) == 1


async def test_redis_cluster_is_refused(tmp_path: Path) -> None:
    async with redis_server(
        tmp_path / "redis", cluster_enabled="yes", cluster_port=str(free_port())
    ) as server:
        log = RedisLog(server.url)
        with pytest.raises(ConfigError, match="Redis Cluster"):
            await log.start()
        await log.aclose()


def test_old_server_is_refused_and_valkey_is_not() -> None:
    assert "7.0" in (unfit({"redis_version": "6.2.14", "redis_mode": "standalone"}, "server") or "")
    valkey = {"server_name": "valkey", "redis_version": "7.2.4", "valkey_version": "8.1.0"}
    assert unfit({**valkey, "redis_mode": "standalone"}, "server") is None
    assert unfit({"redis_version": "255.255.255", "redis_mode": "standalone"}, "server") is None


async def test_prefixes_keep_logs_apart(server: RedisServer) -> None:
    async with opened(server) as (one,), opened(server, url=f"{server.url}?prefix=other:") as (other,):
        await one.append("c", [draft(1)])
        assert (await other.open("c")).last == 0
        keys = {bytes(key).decode() for key in await server.ask("KEYS", "*")}
    assert all(key.startswith(("fanin:", "other:")) for key in keys)
    assert "fanin:default:{c}:log" in keys


# ── how events lie there ─────────────────────────────────────────────────────────────────────


async def test_batch_is_one_entry_and_can_be_read_from_its_middle(server: RedisServer, log: RedisLog) -> None:
    await log.append("c", [draft(n) for n in range(1, 33)])
    assert await server.ask("XLEN", "fanin:default:{c}:log") == 1
    epoch = (await log.open("c")).epoch
    for after in (0, 1, 17, 31):
        page = await log.read("c", Cursor(epoch, after), most=5)
        assert numbers(page) == list(range(after + 1, min(after + 6, 33)))


async def test_appends_at_once_go_together(server: RedisServer, log: RedisLog) -> None:
    """Also those to one channel; each gets its own entries back."""
    await log.append("c0", [draft(0)])
    await server.ask("CONFIG", "RESETSTAT")
    appends = [log.append(f"c{n % 2}", [draft(n), draft(n)]) for n in range(100)]
    added = await asyncio.gather(*appends)
    assert [numbers(entries) for entries in added] == [[n, n] for n in range(100)]
    stats = await server.ask("INFO", "commandstats")
    assert stats["cmdstat_evalsha"]["calls"] <= 10
    assert await everything(log, "c1") == [n for n in range(1, 100, 2) for _ in range(2)]


async def test_forgotten_scripts_are_loaded_again(server: RedisServer, log: RedisLog) -> None:
    for n in range(3):
        await server.ask("SCRIPT", "FLUSH")
        await log.append("c", [draft(n)])
    await server.ask("SCRIPT", "FLUSH")
    assert await everything(log, "c") == [0, 1, 2]


async def test_channel_beyond_its_bytes_loses_its_oldest_entries(server: RedisServer) -> None:
    log = RedisLog(server.url, max_channel_bytes=50_000, patience_s=PATIENCE_SECONDS)
    for _ in range(200):
        await log.append("c", [Draft(RUN, "a", "token", b"x" * 400)])
    bounds = await log.open("c")
    assert log.size <= 50_000
    assert bounds.last == 200
    assert 50 < bounds.first < 150
    assert len(await log.read("c", Cursor(bounds.epoch, bounds.first - 1), most=500)) == 201 - bounds.first
    await log.aclose()


async def test_size_is_known_before_anything_was_written(log: RedisLog) -> None:
    """The janitor asks for it on a worker that has only just begun."""
    assert log.size == 0


async def test_channels_that_nobody_wrote_go_by_themselves(server: RedisServer, log: RedisLog) -> None:
    """Names that clients make up must not fill Redis."""
    await log.open("made-up")
    assert 0 < await server.ask("PTTL", "fanin:default:{made-up}:meta") <= 60_000
    await log.append("made-up", [draft(1)])
    assert await server.ask("PTTL", "fanin:default:{made-up}:meta") == -1


async def test_huge_event_is_one_page(log: RedisLog) -> None:
    await log.append("c", [Draft(RUN, "a", "token", b"x" * 10_000_000), draft(2)])
    epoch = (await log.open("c")).epoch
    page = await log.read("c", Cursor(epoch, 0), most=256)
    assert len(page[0].data) == 10_000_000
    assert numbers(await log.read("c", Cursor(epoch, 1), most=256)) == [2]


BACKLOG = 30_000
"""Entries: some eight megabytes of objects, if they were all read at once."""


async def test_long_backlog_is_read_in_bounded_memory(log: RedisLog) -> None:
    for start in range(0, BACKLOG, 500):
        await log.append("c", [draft(n) for n in range(start, start + 500)])
    cursor, heard = Cursor((await log.open("c")).epoch, 0), 0
    tracemalloc.start()
    try:
        while page := await log.read("c", cursor, most=256):
            assert numbers(page) == list(range(heard, heard + len(page)))
            heard += len(page)
            cursor = Cursor(page[-1].epoch, page[-1].seq)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert heard == BACKLOG
    assert peak < 2_000_000


async def test_trimmed_away_during_replay_is_a_gap(server: RedisServer) -> None:
    async with opened(server, 2) as (log, janitor):
        for start in range(0, 10_000, 100):
            await log.append("c", [draft(n) for n in range(start, start + 100)])
        cursor = Cursor((await log.open("c")).epoch, 0)
        for _ in range(4):
            page = await log.read("c", cursor, most=256)
            cursor = Cursor(page[-1].epoch, page[-1].seq)
        await janitor.shrink(log.size // 2)
        with pytest.raises(GapError) as caught:
            await log.read("c", cursor, most=256)
        assert caught.value.reason == "trimmed"
        bounds = await log.open("c")
        assert (caught.value.earliest, caught.value.latest) == (
            f"{bounds.epoch}-{bounds.first}",
            bounds.id(10_000),
        )
        assert len(await everything(log, "c")) == 10_000 - bounds.first + 1


# ── several workers ──────────────────────────────────────────────────────────────────────────


async def test_append_on_one_worker_wakes_readers_on_the_other(server: RedisServer) -> None:
    async with opened(server, 2) as (a, b):
        cursor = Cursor((await b.open("c")).epoch, 0)
        for n in range(20):
            # Nothing but the append ends this wait: a test that takes longer than its patience fails.
            waiting = asyncio.ensure_future(b.wait("c", cursor, 2 * PATIENCE_SECONDS))
            await asyncio.sleep(0.02)
            await a.append("c", [draft(n)])
            assert await soon(waiting)
            assert numbers(await b.read("c", cursor, most=9)) == [n]
            cursor = Cursor(cursor.epoch, cursor.seq + 1)


async def test_many_channels_many_readers_two_workers(server: RedisServer) -> None:
    """Every reader hears all of its channel, whichever worker writes it, while both write."""
    async with opened(server, 2) as logs:
        names = [f"c{n}" for n in range(20)]
        starts = {name: Cursor((await logs[0].open(name)).epoch, 0) for name in names}
        readers = [
            asyncio.ensure_future(follow(log, name, starts[name], 50)) for name in names for log in logs * 2
        ]

        async def write(name: str, which: int) -> None:
            for n in range(1, 51):
                await logs[(which + n // 10) % 2].append(name, [draft(n)])

        await asyncio.gather(*(write(name, n) for n, name in enumerate(names)))
        assert all(heard == list(range(1, 51)) for heard in await asyncio.gather(*readers))


async def test_live_readers_share_the_entries(server: RedisServer) -> None:
    """Decoded once for all readers of a process, whether it wrote them itself or not."""
    async with opened(server, 2) as (a, b):
        cursor = Cursor((await a.open("c")).epoch, 0)
        for reader in (a, b):
            waiting = [asyncio.ensure_future(reader.wait("c", cursor, 10)) for _ in range(3)]
            await asyncio.sleep(0.1)
            await a.append("c", [draft(cursor.seq)])
            assert await asyncio.gather(*waiting) == [True] * 3
            pages = [await reader.read("c", cursor, most=9) for _ in range(3)]
            assert pages[0][0] is pages[1][0] is pages[2][0]
            cursor = Cursor(cursor.epoch, 1)


async def test_owner_that_was_only_frozen_cannot_append_any_more(server: RedisServer) -> None:
    async with opened(server, 2) as (a, b):
        await a.create_run(record())
        await a.append(RUN, [draft(1)], fence=FENCE)
        reading = asyncio.ensure_future(follow(a, RUN, Cursor((await a.open(RUN)).epoch, 1), 3))
        taken = await b.claim_run(RUN, owner="worker_2", token=1)
        assert taken is not None
        with pytest.raises(Fenced):
            await a.append(RUN, [draft(2)], fence=FENCE)
        await b.append(RUN, [draft(3)], fence=Fence(RUN, 2))
        assert await reading == [3], "its readers follow the new owner"
        assert await everything(a, RUN) == [1, 3]


async def test_erased_on_one_worker_is_gone_on_the_other(server: RedisServer) -> None:
    async with opened(server, 2) as (a, b):
        for run_id in (RUN, "run_2"):
            await a.create_run(record(run_id, ROOM))
            await a.append(ROOM, [draft(1, run_id)], fence=Fence(run_id, 1))
        start = Cursor((await b.open(ROOM)).epoch, 0)
        await b.wait(ROOM, start, 5)
        waiting = asyncio.ensure_future(b.wait(ROOM, Cursor(start.epoch, 2), 10))
        await asyncio.sleep(0.1)
        await a.forget_run(RUN, "was deleted")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await waiting, "those who wait look again"
        assert [entry.run_id for entry in await b.read(ROOM, start, most=9)] == ["run_2"]


async def test_tails_without_readers_go(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "IDLE_TAIL_SECONDS", 0.2)
    async with opened(server) as (log,):
        for n in range(10):
            await log.wait(f"c{n}", Cursor((await log.open(f"c{n}")).epoch, 0), 0.001)
        listener = await log.listening()
        assert listener.tails
        await eventually(lambda: not listener.tails)


# ── Redis goes and comes ─────────────────────────────────────────────────────────────────────


async def test_restart_keeps_all_and_readers_go_on(durable: RedisServer) -> None:
    async with opened(durable) as (log,):
        await log.create_run(record())
        await log.append(RUN, [draft(n) for n in range(1, 41)], fence=FENCE)
        before = await log.open(RUN)
        reading = asyncio.ensure_future(follow(log, RUN, Cursor(before.epoch, 20), 60))
        await asyncio.sleep(0.1)
        await durable.restart(kill=True)
        for n in range(41, 61):
            await persistently(log, RUN, [draft(n)], FENCE)
        assert await reading == list(range(21, 61))
        assert await log.open(RUN) == (before.epoch, 1, 60)
        assert await log.find_run(RUN) == record()
        assert log.available


async def test_flush_gives_a_gap_and_the_run_goes_on(server: RedisServer) -> None:
    """On both workers; the run's record comes back with its next event."""
    async with opened(server, 2) as logs:
        await logs[0].create_run(record())
        await logs[0].append(RUN, [draft(1)], fence=FENCE)
        cursor = Cursor((await logs[0].open(RUN)).epoch, 1)
        waiting = [asyncio.ensure_future(log.wait(RUN, cursor, PATIENCE_SECONDS)) for log in logs]
        await asyncio.sleep(0.1)
        await server.flush()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await asyncio.gather(*waiting) == [True, True]
        for log in logs:
            with pytest.raises(GapError) as caught:
                await log.read(RUN, cursor, most=9)
            assert caught.value.reason == "epoch"
        (entry,) = await logs[0].append(RUN, [draft(2)], fence=FENCE)
        assert (entry.seq, entry.epoch == cursor.epoch) == (1, False)
        assert await logs[1].find_run(RUN) == record()
        await logs[0].end_run(FENCE, "completed", 5)
        assert (await logs[1].ended_runs(before=9, limit=9))[0].run_id == RUN


async def test_forgotten_run_does_not_come_back_like_a_flushed_one(server: RedisServer) -> None:
    async with opened(server, 2) as (a, b):
        await a.create_run(record())
        await a.append(RUN, [draft(1)], fence=FENCE)
        await b.forget_run(RUN, "was deleted")
        with pytest.raises(Fenced):
            await a.append(RUN, [draft(2)], fence=FENCE)
        with pytest.raises(Fenced):
            await a.end_run(FENCE, "completed", 5)


async def test_redis_that_lost_its_newest_events_says_so(tmp_path: Path) -> None:
    """Ids must not be given twice: who saw events that Redis lost gets a gap, not others in their place."""
    async with redis_server(tmp_path / "redis") as server, opened(server, 2) as (writer, other):
        await writer.append("c", [draft(n) for n in range(1, 6)])
        await server.ask("SAVE")
        await writer.append("c", [draft(n) for n in range(6, 11)])
        seen = Cursor((await other.open("c")).epoch, 10)
        await server.restart(kill=True)
        await persistently(writer, "c", [draft(n) for n in range(11, 31)])
        with pytest.raises(GapError) as caught:
            await other.read("c", seen, most=99)
        assert caught.value.reason == "epoch"
        assert await everything(other, "c") == [*range(1, 6), *range(11, 31)]


async def test_frozen_redis_is_unavailable_and_the_retry_adds_once(server: RedisServer) -> None:
    """The write waits in the frozen server's socket and is carried out later: its answer is lost."""
    async with opened(server, **BRIEF) as (log,):
        await log.create_run(record())
        await log.append(RUN, [draft(1)], fence=FENCE)
        cursor = Cursor((await log.open(RUN)).epoch, 0)
        reading = asyncio.ensure_future(follow(log, RUN, cursor, 9))
        await asyncio.sleep(0.1)
        server.pause()
        began = time.monotonic()
        with pytest.raises(LogUnavailable):
            await log.append(RUN, [draft(2)], fence=FENCE)
        assert time.monotonic() - began > 1
        assert not log.available
        with pytest.raises(LogUnavailable):
            await log.find_run(RUN)
        await asyncio.sleep(max(0.0, began + 3 - time.monotonic()))
        assert await log.read("elsewhere", cursor, most=9) == [], "readers just find nothing"
        server.resume()
        await persistently(log, RUN, [draft(2)], FENCE)
        await eventually(lambda: log.available)
        await persistently(log, RUN, [draft(9)], FENCE)
        assert await reading == [1, 2, 9]


async def test_leases_outlive_an_outage(server: RedisServer) -> None:
    """Nobody could beat meanwhile; the first to come back must not take the others for dead."""
    async with opened(server, 2, **BRIEF) as (a, b):
        await a.beat("worker_a", 2.0)
        await b.beat("worker_b", 2.0)
        assert await a.living() == {"worker_a", "worker_b"}
        await server.stop(kill=True)
        await eventually(lambda: not a.available)
        await asyncio.sleep(2.1)
        await server.start()
        await eventually(lambda: a.available)
        assert await a.living() == {"worker_a", "worker_b"}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await a.living():
                await asyncio.sleep(0.02)


async def test_full_redis_refuses_whole_appends_and_recovers(tmp_path: Path) -> None:
    limits = {"maxmemory": "5mb", "maxmemory_policy": "noeviction"}
    async with redis_server(tmp_path / "redis", **limits) as server, opened(server, **BRIEF) as (log,):
        await log.create_run(record())
        await log.create_run(record("run_2", "run_2"))
        added = 0

        async def fill() -> None:
            nonlocal added
            while True:
                drafts = [Draft("run_2", "a", "token", b"x" * 20_000)] * 3
                await log.append("run_2", drafts, fence=Fence("run_2", 1))
                added += 3

        with pytest.raises(LogUnavailable):
            await fill()
        assert not log.available
        assert (await log.open("run_2")).last == added
        start = Cursor((await log.open("run_2")).epoch, 0)
        assert await log.read("run_2", start, most=9), "what is there can be read"
        await log.end_run(Fence("run_2", 1), "failed", 1)
        await log.forget_run("run_2", "has expired")
        await eventually(lambda: log.available)
        await log.append(RUN, [draft(1)], fence=FENCE)
        assert await everything(log, RUN) == [1]


async def test_redis_that_became_a_replica_is_unavailable(server: RedisServer) -> None:
    async with opened(server, **BRIEF) as (log,):
        await log.append("c", [draft(1)])
        await server.ask("REPLICAOF", "127.0.0.1", str(free_port()))
        with pytest.raises(LogUnavailable):
            await log.append("c", [draft(2)])
        await eventually(lambda: not log.available)
        await server.ask("REPLICAOF", "NO", "ONE")
        await persistently(log, "c", [draft(2)])
        await eventually(lambda: log.available)
        assert await everything(log, "c") == [1, 2]


async def test_cut_connections_lose_nothing_and_repeat_nothing(server: RedisServer) -> None:
    """All connections are cut again and again in the middle of appends; a reader on another worker hears each once."""
    links = 100
    async with opened(server, 2) as (log, other):
        names = [f"c{n}" for n in range(4)]
        starts = {name: Cursor((await log.open(name)).epoch, 0) for name in names}
        readers = [asyncio.ensure_future(follow(other, name, starts[name], links - 1)) for name in names]
        done = asyncio.Event()

        written = 0

        async def cut() -> int:
            cuts = 0
            while not done.is_set():
                before = written
                cuts += await server.kill_clients()
                await asyncio.sleep(0.015)
                # A slow machine needs longer to connect again: cut all the time, it would get nowhere.
                await eventually(lambda before=before: written > before or done.is_set())
            return cuts

        async def write(name: str) -> None:
            nonlocal written
            for n in range(links):
                await persistently(log, name, [draft(n)])
                written += 1

        cutting = asyncio.ensure_future(cut())
        await asyncio.gather(*(write(name) for name in names))
        done.set()
        assert await cutting > 10
        for name, heard in zip(names, await asyncio.gather(*readers), strict=True):
            assert heard == list(range(links)) == await everything(log, name)


# ── answers that are lost ────────────────────────────────────────────────────────────────────


async def test_write_whose_answer_was_lost_is_there_once(server: RedisServer) -> None:
    """The connection breaks after Redis carried the append out; it is sent again by itself."""
    async with proxied(server) as (proxy, url), opened(server, url=url) as (log,):
        await log.append("c", [draft(0)])
        for n in range(1, 20):
            losing = asyncio.ensure_future(lose_answer(proxy, b'{"n":%d}' % n))
            (entry,) = await log.append("c", [draft(n)])
            await losing
            assert entry.seq == n + 1
        assert proxy.cuts == 19
        assert await everything(log, "c") == list(range(20))


async def test_retry_by_the_caller_adds_once_too(server: RedisServer) -> None:
    """No answer got through for so long that the caller was told; its retry finds what was added."""
    async with proxied(server) as (proxy, url), opened(server, url=url, **BRIEF) as (log,):
        await log.append("c", [draft(0)])
        proxy.marker = b'{"n":7}'
        at_once = [log.append("c", [draft(n)]) for n in (6, 7, 8)]
        assert all(
            isinstance(end, LogUnavailable) for end in await asyncio.gather(*at_once, return_exceptions=True)
        )
        proxy.marker = b""
        for n in (8, 9, 6, 7):
            await persistently(log, "c", [draft(n)])
        assert await everything(log, "c") == [0, 6, 7, 8, 9]


async def test_write_that_comes_too_late_is_refused(server: RedisServer) -> None:
    """It hung in the network until its retry was through; nothing may come twice, or after its successors."""
    async with proxied(server) as (proxy, url), opened(server, url=url, **BRIEF) as (log,):
        await log.append("c", [draft(0)])
        proxy.delayed = b'{"n":1}'
        with pytest.raises(LogUnavailable):
            await log.append("c", [draft(1)])
        proxy.delayed = b""
        for n in (1, 2):
            await persistently(log, "c", [draft(n)])
        await server.ask("CONFIG", "RESETSTAT")
        proxy.release.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "cmdstat_evalsha" not in await server.ask("INFO", "commandstats"):
                await asyncio.sleep(0.01)
        await log.append("c", [draft(3)])
        assert await everything(log, "c") == [0, 1, 2, 3]


async def test_other_calls_may_be_sent_twice(server: RedisServer) -> None:
    async with proxied(server) as (proxy, url), opened(server, url=url) as (log,):
        # Once without a fault: what is lost below must not be "there is no such script".
        await log.create_run(record("warm"))
        await log.claim_run("warm", owner="warm", token=1)
        await log.add_turn("warm", "warm", b"warm", keep=1)
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(lose_answer(proxy, b"run_1"))
            assert await log.create_run(record()) == record()
            tasks.create_task(lose_answer(proxy, b"worker_2"))
            taken = await log.claim_run(RUN, owner="worker_2", token=1)
            assert taken is not None
            assert taken.token == 2
            assert await log.claim_run(RUN, owner="worker_2", token=1) is None
            tasks.create_task(lose_answer(proxy, b"turn"))
            await log.add_turn("talk", "a", b"turn", keep=9)
            await log.add_turn("talk", "a", b"turn", keep=9)
            assert await log.turns("talk", "a") == [b"turn", b"turn"]
        assert proxy.cuts == 3


async def test_cancelled_calls_disturb_nobody(server: RedisServer) -> None:
    """Appends and reads cancelled at any moment; those beside them get their own answers."""
    async with opened(server) as (log,):
        for n in range(200):
            doomed = [
                asyncio.ensure_future(log.append("doomed", [draft(n)])),
                asyncio.ensure_future(log.find_run("run_9")),
                asyncio.ensure_future(log.wait("c", Cursor("abcd", 0), 5)),
            ]
            kept = asyncio.ensure_future(log.append("c", [draft(n)]))
            for _ in range(n % 12):
                await asyncio.sleep(0)
            for task in doomed:
                task.cancel()
            assert numbers(await kept) == [n]
            await asyncio.gather(*doomed, return_exceptions=True)
        assert await everything(log, "c") == list(range(200))
        doomed_numbers = await everything(log, "doomed")
        assert doomed_numbers == sorted(set(doomed_numbers))


async def test_closing_wakes_readers_and_leaves_nothing_behind(server: RedisServer) -> None:
    before = asyncio.all_tasks()
    async with opened(server) as (log,):
        cursor = Cursor((await log.open("c")).epoch, 0)
        waiting = asyncio.ensure_future(log.wait("c", cursor, PATIENCE_SECONDS))
        await asyncio.sleep(0.05)
    assert await waiting
    with pytest.raises(LogUnavailable):
        await log.append("c", [draft(1)])
    assert asyncio.all_tasks() == before
    async with asyncio.timeout(PATIENCE_SECONDS):
        while bytes(await server.ask("CLIENT", "LIST")).count(b"\n") > 1:
            await asyncio.sleep(0.02)


# ── servers that may have gone back ──────────────────────────────────────────────────────────


async def test_replica_that_lacks_the_tail_is_a_gap_for_whoever_has_seen_it(tmp_path: Path) -> None:
    """Nobody who is left was told of the tail; a client at -15 must not be given another -16."""
    async with redis_server(tmp_path / "primary") as primary:
        replicated = f"127.0.0.1 {primary.port}"
        async with redis_server(tmp_path / "replica", replicaof=replicated) as replica:
            async with opened(primary) as (log,):
                await log.append("c", [draft(n) for n in range(1, 11)])
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not await replica.ask("EXISTS", "fanin:default:{c}:log"):
                        await asyncio.sleep(0.02)
                await replica.ask("REPLICAOF", "NO", "ONE")
                at = (await log.append("c", [draft(n) for n in range(11, 16)]))[-1]
            await primary.stop(kill=True)
            async with opened(replica) as (log,):
                await log.append("c", [draft(n) for n in range(90, 99)])
                with pytest.raises(GapError) as gap:
                    await log.read("c", Cursor(at.epoch, at.seq), most=9)
                assert gap.value.reason == "epoch"
                start = await log.open("c")
                page = await log.read("c", Cursor(start.epoch, 0), most=99)
                assert numbers(page) == [*range(1, 11), *range(90, 99)]
                async with opened(replica) as (other,):
                    assert (await other.open("c")).epoch == start.epoch, "once is enough"


async def test_restart_with_its_append_only_file_is_no_gap(tmp_path: Path) -> None:
    async with redis_server(tmp_path / "redis", append_only=True) as server, opened(server) as (log,):
        (entry,) = await log.append("c", [draft(1)])
        await server.restart()
        await eventually(lambda: log.available)
        async with opened(server) as (other,):
            assert await other.read("c", Cursor(entry.epoch, 1), most=9) == []


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"\x90"])
async def test_a_list_marks_a_run_whose_record_cannot_be_read(server: RedisServer, body: bytes) -> None:
    """Its summary is kept beside the record, and may be good all the same."""
    async with opened(server) as (log,):
        summary = RunSummary("title", {"a": "queued"})
        for run_id in (RUN, "run_2"):
            await log.create_run(msgspec.structs.replace(record(run_id), summary=summary))
        await log._link.call("HSET", f"{log.keys.prefix}run:{RUN}", "body", body)
        page = await log.page_runs(RunQuery(10))
        assert [(row.run_id, row.summary) for row in page.rows] == [("run_2", summary), (RUN, None)]


async def test_conversations_end_by_themselves_where_no_worker_is_left_to_tidy(server: RedisServer) -> None:
    async with opened(server) as (log,):
        for n, stays in enumerate((60.0, 3600.0)):
            await log.tidy(RetentionBounds(stays, 10**9, 10**6))
            await log.add_turn(f"talk{n}", "a", b"hello", keep=5)
            for key in (log.keys.turns(f"talk{n}", "a"), f"{log.keys.prefix}speakers:talk{n}"):
                left_s = int(await log._link.call("PTTL", key)) / 1000
                assert stays < left_s <= stays + UNTIDIED_MS / 1000
        await log.forget_conversation("talk0")
        assert await log.turns("talk0", "a") == []
