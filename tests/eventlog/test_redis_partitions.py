"""Covers the log in several partitions of a Redis Cluster: what lies where, and what a crash between two steps leaves.

The contract suites hold it with `TEST_REDIS=cluster`; nodes that fail and slots that move are in
`test_redis_topologies`. Each test has a log of its own, by its prefix, in one cluster of three nodes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import msgspec
import pytest
from redis.crc import key_slot

from orchestrator.errors import GapError, LogUnavailable
from orchestrator.eventlog import work_taker as taking_module
from orchestrator.eventlog.base import Cursor, Draft
from orchestrator.eventlog.open import open_log
from orchestrator.eventlog.redis import listener
from orchestrator.eventlog.redis.connection import endpoints
from orchestrator.eventlog.redis.layout import PARTITIONS, Layout, partition_tags
from orchestrator.eventlog.redis.partitioned import idempotency
from orchestrator.eventlog.redis.partitioned.log import PartitionedLog
from orchestrator.eventlog.redis.partitioned.partition import RedisPartition
from orchestrator.eventlog.redis.partitioned.partitions import Partitions
from orchestrator.eventlog.redis.partitioned.runs import merge_pages
from orchestrator.eventlog.redis.partitioned.work import PartitionedWork
from orchestrator.eventlog.run_list import RunPage, RunQuery, RunRow
from orchestrator.eventlog.run_store import Fence, RetentionBounds, RunRecord
from tests.support.patience import PATIENCE_SECONDS, eventually, soon

from ..support.redis_topologies import SLOTS, RedisNodes, redis_nodes
from .test_redis_layout import restore

PREFIXES = (f"log{n}:" for n in count())


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisNodes]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        folder: Path = tmp_path_factory.mktemp("nodes")
        try:
            yield runner.run(stack.enter_async_context(redis_nodes(folder, primaries=3)))
        finally:
            runner.run(stack.aclose())


@pytest.fixture
def url(nodes: RedisNodes) -> str:
    return f"{nodes.url}?prefix={next(PREFIXES)}"


@pytest.fixture
async def logs(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[PartitionedLog]]:
    """Two workers' logs. No node is given up because the machine is slow."""
    monkeypatch.setattr(endpoints, "LOOK_UP_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(idempotency, "LATE_SECONDS", PATIENCE_SECONDS)
    opened = [PartitionedLog(url, patience_s=PATIENCE_SECONDS) for _ in range(2)]
    for log in opened:
        await log.start()
    yield opened
    for log in opened:
        await log.aclose()


@pytest.fixture
def log(logs: list[PartitionedLog]) -> PartitionedLog:
    return logs[0]


def partitions_of(log: PartitionedLog) -> Partitions:
    assert log._partitions is not None
    return log._partitions


def record(run_id: str, channel: str = "", **keys: object) -> RunRecord:
    one = RunRecord(
        run_id=run_id, channel=channel or run_id, message="?", agents=["a"], conversation_id=None,
        on_disconnect="continue", created_at=1, owner="worker_1",
    )  # fmt: skip
    return msgspec.structs.replace(one, **keys)


def draft(n: int, run_id: str = "r") -> Draft:
    return Draft(run_id, "a", "token", b"%d" % n)


def apart(log: PartitionedLog, *stems: str) -> list[str]:
    """Make names that are each in another partition."""
    found: list[str] = []
    taken: set[RedisPartition] = set()
    for stem in stems:
        found.append(next(f"{stem}{n}" for n in count() if partitions_of(log).of(f"{stem}{n}") not in taken))
        taken.add(partitions_of(log).of(found[-1]))
    return found


# ── where things lie ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("partitions", [1, 2, 3, 16])
def test_partitions_are_as_far_from_each_other_as_slots_can_be(partitions: int) -> None:
    """So any number of shards, each with a range of slots, shares them evenly."""
    tags = list(partition_tags("fanin:", Layout(2, partitions)))
    assert [key_slot(tag.encode()) * partitions // SLOTS for tag in tags] == list(range(partitions))
    assert tags == list(partition_tags("fanin:", Layout(2, partitions)))


async def test_channels_are_spread_and_what_belongs_to_one_is_in_one_slot(
    nodes: RedisNodes, logs: list[PartitionedLog], url: str
) -> None:
    prefix = url.partition("prefix=")[2]
    for n in range(40):
        await logs[0].create_run(record(f"run_{n}", summary=None))
        await logs[0].append(f"run_{n}", [draft(n)], fence=Fence(f"run_{n}", 1))
        await logs[1].end_run(Fence(f"run_{n}", 1), "completed", n)
    slots, shares = Counter[int](), []
    for node in nodes.primaries:
        keys = [bytes(key) for key in await node.ask("KEYS", f"*{prefix}*")]
        shares.append(sum(key.endswith(b":log") for key in keys))
        slots.update(key_slot(key) for key in keys)
    assert len(slots) <= PARTITIONS + 1, "and the home"
    assert all(share >= 5 for share in shares), shares
    await logs[1].tidy(RetentionBounds(60, 10**6, 10))
    assert logs[1].size == logs[0].size > 0


async def test_an_idle_worker_asks_the_partitions_for_nothing(
    log: PartitionedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One read is blocked for all that comes to a worker; a partition has another one while somebody reads there."""
    monkeypatch.setattr(listener, "IDLE_TAIL_SECONDS", 0.05)
    members = partitions_of(log).members
    channel, other = apart(log, "c", "d")
    start = Cursor((await log.open(channel)).epoch, 0)
    waiting = asyncio.ensure_future(log.wait(channel, start, PATIENCE_SECONDS))
    lines = {member: (await member.listening())._line for member in members}
    await eventually(lambda: lines[partitions_of(log).of(channel)]._connection is not None)
    await log.append(other, [draft(1)])
    assert sum(line._connection is not None for line in lines.values()) == 1
    await log.append(channel, [draft(1)])
    assert await waiting
    rests = (await partitions_of(log).of(channel).listening())._needed
    await eventually(lambda: not partitions_of(log).of(channel)._listener.tails)
    await eventually(lambda: not rests.is_set())
    page = await log.read(channel, start, most=5)
    assert [entry.data for entry in page] == [b"1"]


async def test_a_server_that_may_have_gone_back_is_a_gap_for_its_partition_alone(
    nodes: RedisNodes, logs: list[PartitionedLog]
) -> None:
    """Also if it knows the scripts, because another partition of the same shard was there before."""
    gone, kept = apart(logs[0], "gone", "kept")
    (lost,), (still,) = [await logs[0].append(channel, [draft(1)]) for channel in (gone, kept)]
    keys = partitions_of(logs[0]).of(gone).keys
    node = await nodes.owner_of(key_slot(keys.server.encode()))
    await node.ask("SET", keys.server, "another server")
    for each in nodes.primaries:
        await each.kill_clients()
    (entry,) = await logs[0].append(gone, [draft(2)])
    assert entry.epoch != lost.epoch
    with pytest.raises(GapError):
        await logs[1].read(gone, Cursor(lost.epoch, 1), most=5)
    (entry,) = await logs[0].append(kept, [draft(2)])
    assert (entry.epoch, entry.seq) == (still.epoch, 2)


async def test_cluster_log_of_the_release_before_stays_in_its_slot(nodes: RedisNodes, url: str) -> None:
    prefix = url.partition("prefix=")[2]
    root = f"{{{prefix}}}"
    await restore(await nodes.owner_of(key_slot(root.encode())), root=root)
    log = PartitionedLog(url, patience_s=PATIENCE_SECONDS)
    assert isinstance(open_log(url), PartitionedLog)
    listed = [run.run_id for run in await log.list_runs(limit=9)]
    assert listed == ["run_waiting", "run_room2", "run_room1", "run_ended", "run_running"]
    assert (await log.open("run_running")).last == 4
    assert await soon(log.cluster().take_work("worker_3")) == "run_waiting"
    await log.create_run(record("run_new", key="k"))
    assert (await log.create_run(record("run_other", key="k"))).run_id == "run_new"
    page = await log.page_runs(RunQuery(2))
    assert [row.run_id for row in page.rows] == ["run_new", "run_waiting"]
    for node in nodes.primaries:
        keys = [bytes(key).decode() for key in await node.ask("KEYS", f"*{prefix}*")]
        assert {key_slot(key.encode()) for key in keys} <= {key_slot(root.encode())}
    await log.aclose()


# ── lists ────────────────────────────────────────────────────────────────────────────────────


async def test_lists_are_whole_and_in_order_over_all_partitions(logs: list[PartitionedLog]) -> None:
    names = [f"run_{n}" for n in range(60)]
    for n, name in enumerate(names):
        await logs[n % 2].create_run(
            record(name, "room" if n % 7 == 0 else "", conversation_id=f"talk{n % 3}")
        )
        if n % 2:
            await logs[1].end_run(Fence(name, 1), "completed", 1000 - n)
    newest = names[::-1]
    assert [run.run_id for run in await logs[1].list_runs(limit=7, before="run_50")] == newest[10:17]
    for query, wanted in (
        (RunQuery(7), newest),
        (RunQuery(7, conversation_id="talk1"), [name for name in newest if int(name[4:]) % 3 == 1]),
        (RunQuery(4, status="queued", channel="room"), [n for n in newest if int(n[4:]) % 14 == 0]),
    ):
        found, before = [], None
        while found == [] or before is not None:
            page = await logs[0].page_runs(query if before is None else RunQuery(
                query.limit, before, query.status, query.channel, query.conversation_id
            ))  # fmt: skip
            assert len(page.rows) <= query.limit
            found, before = [*found, *(row.run_id for row in page.rows)], page.next
        assert found == wanted
    ended = await logs[0].ended_runs(before=1000, limit=5)
    assert [run.run_id for run in ended] == [f"run_{n}" for n in (59, 57, 55, 53, 51)]
    assert await logs[0].count_ended() == 30
    assert await logs[0].owners() == {"worker_1": 30}
    assert [run.run_id for run in await logs[0].owned_by("worker_1", limit=3)] == ["run_0", "run_2", "run_4"]


def test_joined_pages_reach_no_further_than_each_of_them() -> None:
    def row(place: int) -> RunRow:
        return RunRow(place, f"run_{place}", "c", None, "running", 0, None, None)

    whole, cut = RunPage([row(9), row(3), row(1)], None), RunPage([row(8), row(6)], 5)
    joined = merge_pages([whole, cut], 10)
    assert ([each.place for each in joined.rows], joined.next) == ([9, 8, 6], 5)
    joined = merge_pages([whole, cut], 2)
    assert ([each.place for each in joined.rows], joined.next) == ([9, 8], 8)
    assert merge_pages([whole], 3) == RunPage(whole.rows, None)


async def test_the_bound_on_conversations_is_that_of_all_partitions(log: PartitionedLog) -> None:
    talks = apart(log, "a", "b", "c")
    for talk in talks:
        await log.add_turn(talk, "a", b"x" * 1000, keep=5)
    await log.tidy(RetentionBounds(3600, 4000, 10))
    assert all([await log.turns(talk, "a") for talk in talks]), "together they are not too many"
    await log.tidy(RetentionBounds(3600, 1, 10))
    assert not any([await log.turns(talk, "a") for talk in talks])


async def test_the_largest_channels_shrink_first_wherever_they_are(log: PartitionedLog) -> None:
    small, large = apart(log, "s", "l")
    await log.append(small, [Draft("r", "a", "token", b"x" * 1000)])
    for _ in range(40):
        await log.append(large, [Draft("r", "a", "token", b"x" * 1000)])
    await log.shrink(10_000)
    assert log.size <= 10_000
    assert (await log.open(small)).first == 1
    assert (await log.open(large)).first > 20


# ── a crash between two steps ────────────────────────────────────────────────────────────────


async def test_key_whose_creator_crashed_before_its_run_starts_another(
    logs: list[PartitionedLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the run that came too late is not created beside it."""
    monkeypatch.setattr(idempotency, "LATE_SECONDS", 0.2)
    key, first, second = apart(logs[0], "key", "run_a", "run_b")
    late = record(first, key=key)
    await partitions_of(logs[0]).of(key).reserve(late, b"")
    made = await soon(logs[1].create_run(record(second, key=key)))
    assert made.run_id == second
    assert (await soon(logs[0].create_run(late))).run_id == second
    assert await logs[0].find_run(first) is None
    assert [run.run_id for run in await logs[1].list_runs(limit=9)] == [second]


async def test_creator_that_is_only_late_is_waited_for(
    logs: list[PartitionedLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "LATE_SECONDS", PATIENCE_SECONDS)
    key, first, second = apart(logs[0], "key", "run_a", "run_b")
    late = record(first, key=key)
    await partitions_of(logs[0]).of(key).reserve(late, b"")
    other = asyncio.ensure_future(logs[1].create_run(record(second, key=key)))
    await asyncio.sleep(0.1)
    assert await logs[0].create_run(late) == late
    assert (await soon(other)).run_id == first
    assert await logs[1].find_run(second) is None


async def test_key_is_told_free_if_who_made_its_run_impossible_crashed(
    logs: list[PartitionedLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "LATE_SECONDS", 0.1)
    key, first, second = apart(logs[0], "key", "run_a", "run_b")
    await partitions_of(logs[0]).of(key).reserve(record(first, key=key), b"")
    assert await partitions_of(logs[1]).of(first).void(first) is None
    with pytest.raises(LogUnavailable):
        await logs[0].create_run(record(first, key=key))
    assert (await soon(logs[0].create_run(record(second, key=key)))).run_id == second


@pytest.mark.parametrize("near", [True, False])
async def test_of_many_with_one_key_one_wins_wherever_their_runs_are(
    logs: list[PartitionedLog], near: bool
) -> None:
    """Some of the runs are in the key's own partition, where taking the key is one step."""
    (key,) = apart(logs[0], "key")
    of = partitions_of(logs[0]).of
    wanted = [name for n in range(100) if (of(name := f"run_{n}") is of(key)) is near][:2]
    runs = [*wanted, *(f"run_x{n}" for n in range(6))]
    made = await asyncio.gather(*(logs[n % 2].create_run(record(run, key=key)) for n, run in enumerate(runs)))
    assert len({run.run_id for run in made}) == 1
    winner = made[0].run_id
    assert [run.run_id for run in await logs[0].running_runs()] == [winner]
    await logs[1].forget_run(winner, "was deleted")
    assert (await logs[0].create_run(record("run_after", key=key))).run_id == "run_after", "the key is free"


async def test_forgetting_that_crashed_after_the_key_was_freed_is_done_again(
    logs: list[PartitionedLog],
) -> None:
    key, first, second = apart(logs[0], "key", "run_a", "run_b")
    await logs[0].create_run(record(first, key=key))
    await logs[0].end_run(Fence(first, 1), "completed", 5)
    await partitions_of(logs[0]).of(key).release_key(key, first)
    assert [run.run_id for run in await logs[1].ended_runs(before=9, limit=9)] == [first], "it expires again"
    assert (await logs[1].create_run(record(second, key=key))).run_id == second
    await logs[1].forget_run(first, "has expired")
    assert (await logs[0].create_run(record(first + "x", key=key))).run_id == second, "whose key it is by now"


async def test_conversation_whose_run_ended_elsewhere_is_free(logs: list[PartitionedLog]) -> None:
    talk, first, second = apart(logs[0], "talk", "run_a", "run_b")
    for run_id in (first, second):
        await logs[0].create_run(record(run_id, "room", conversation_id=talk))
    assert await logs[0].hold_conversation(talk, first) == first
    assert await logs[1].hold_conversation(talk, second) == first
    await logs[0].end_run(Fence(first, 1), "completed", 5)
    assert await logs[1].holder_of(talk) is None
    held = await asyncio.gather(*(log.hold_conversation(talk, second) for log in logs))
    assert held == [second, second]
    await logs[1].forget_run(second, "was deleted")
    assert await logs[0].hold_conversation(talk, "run_new") == "run_new"


async def test_work_that_was_taken_before_a_crash_is_looked_after(
    logs: list[PartitionedLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its taker died between taking it and looking whether its run still waits; some of the runs were over by then."""
    monkeypatch.setattr(taking_module, "LOOK_AFTER_SECONDS", 0.0)
    one, other = (PartitionedWork(log.home, log, idle_s=0.05) for log in logs)
    names = apart(logs[0], *(f"run_{n}x" for n in range(5)))
    for name in names:
        await logs[0].create_run(record(name, "room" if name == names[3] else ""))
        await one.offer_work(name)
    assert [await soon(one.take_work("worker_dead")) for _ in names] == names
    assert await logs[0].claim_run(names[0], owner="worker_dead", token=1) is not None
    await logs[0].end_run(Fence(names[1], 1), "cancelled", 5)
    await logs[0].forget_run(names[2], "was deleted")
    await logs[1].beat("worker_2", 60)
    assert [await soon(other.take_work("worker_2")) for _ in range(2)] == names[3:]
    taking = asyncio.ensure_future(other.take_work("worker_2"))
    await asyncio.sleep(0.3)
    taking.cancel()
    assert await other.count_work() == 3, "what is over is counted no more; what runs is, until it ends"


async def test_run_of_a_shared_channel_is_found_by_any_worker(logs: list[PartitionedLog]) -> None:
    """It is not in the partition of its name; what a worker remembers of it may be out of date."""
    room, run_id = apart(logs[0], "room", "run_a")
    await logs[0].create_run(record(run_id, room))
    claimed = await logs[1].claim_run(run_id, owner="worker_2", token=1)
    assert claimed is not None
    await logs[1].append(room, [draft(1, run_id)], fence=Fence(run_id, 2))
    assert await logs[0].state_of(run_id) == ("running", 2)
    await logs[1].end_run(Fence(run_id, 2), "completed", 5)
    found = await logs[0].find_run(run_id)
    assert found is not None
    assert (found.status, found.owner) == ("completed", "worker_2")
    assert await logs[0].claim_run("run_unknown", owner="worker_2", token=1) is None
