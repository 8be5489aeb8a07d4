"""One suite for every `RunStore`, and for the fence between it and the events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from orchestrator.errors import Fenced, Gone, NotFound
from orchestrator.eventlog import Cursor, Draft
from orchestrator.eventlog.base import Store
from orchestrator.eventlog.queued_status import CLAIMED, UNCLAIMED
from orchestrator.eventlog.run_list import SCANNED_ROWS, RunQuery, RunSummary
from orchestrator.eventlog.run_store import GONE_SECONDS, Fence, OwnedRun, RunRecord
from orchestrator.events.base import RunStatus
from tests.support.patience import PATIENCE_SECONDS

from .stores import STORES, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    async with STORES[request.param](tmp_path, clock) as opened:
        yield opened


def record(n: int, **keys: object) -> RunRecord:
    return msgspec.structs.replace(
        RunRecord(
            run_id=f"run_{n}",
            channel=f"run_{n}",
            message="Why ä?",
            agents=["a", "b"],
            conversation_id=None,
            on_disconnect="continue",
            created_at=1_700_000_000_000 + n,
            owner="worker_1",
        ),
        **keys,
    )


def draft(n: int, run_id: str = "run_1") -> Draft:
    return Draft(run_id, "a", "token", b'{"n":%d}' % n)


def ids(records: list[RunRecord]) -> list[str]:
    return [one.run_id for one in records]


async def create(store: Store, count: int) -> None:
    for n in range(1, count + 1):
        await store.create_run(record(n))


# ── runs ─────────────────────────────────────────────────────────────────────────────────────


async def test_run_comes_back_as_it_was_kept(store: Store) -> None:
    made = record(1, channel="room", conversation_id="talk", key="k", request='{"message":"Why ä?"}')
    assert await store.create_run(made) == made
    assert await store.find_run("run_1") == made
    assert await store.find_run("run_2") is None


async def test_known_key_gives_the_run_that_it_started(store: Store) -> None:
    first = record(1, key="k", request="1")
    await store.create_run(first)
    assert await store.create_run(record(2, key="k", request="2")) == first
    assert await store.find_run("run_2") is None
    other = record(3, key="other")
    assert await store.create_run(other) == other
    assert await store.create_run(record(4)) == record(4)
    assert await store.create_run(record(5)) == record(5)


async def test_of_creations_at_once_with_one_key_one_wins(store: Store) -> None:
    made = await asyncio.gather(*(store.create_run(record(n, key="k")) for n in range(1, 9)))
    assert len(set(ids(made))) == 1
    assert ids(await store.list_runs(limit=9)) == [made[0].run_id]


async def test_creating_a_run_again_keeps_the_first(store: Store) -> None:
    """A caller who does not know whether it worked may ask again."""
    await store.create_run(record(1))
    assert await store.create_run(record(1, message="other")) == record(1)


async def test_runs_are_listed_newest_first_in_pages(store: Store) -> None:
    await create(store, 5)
    assert ids(await store.list_runs(limit=2)) == ["run_5", "run_4"]
    assert ids(await store.list_runs(limit=2, before="run_4")) == ["run_3", "run_2"]
    assert ids(await store.list_runs(limit=9, before="run_2")) == ["run_1"]
    assert await store.list_runs(limit=9, before="run_1") == []
    with pytest.raises(NotFound):
        await store.list_runs(limit=2, before="run_9")
    await store.forget_run("run_3", "was deleted")
    with pytest.raises(Gone):
        await store.list_runs(limit=2, before="run_3")
    assert ids(await store.list_runs(limit=9)) == ["run_5", "run_4", "run_2", "run_1"]


async def test_a_page_of_a_list_looks_at_a_bounded_number_of_runs(store: Store) -> None:
    """What a page costs follows from the page, not from what is stored."""
    for n in range(1, SCANNED_ROWS + 12):
        await store.create_run(
            record(n, channel="c" if n < 3 else "d", summary=RunSummary(f"Ä {n}", {"a": "queued"}))
        )
    newest = await store.page_runs(RunQuery(2))
    assert [row.run_id for row in newest.rows] == [f"run_{SCANNED_ROWS + 11}", f"run_{SCANNED_ROWS + 10}"]
    assert newest.rows[0].summary == RunSummary(f"Ä {SCANNED_ROWS + 11}", {"a": "queued"})
    second = await store.page_runs(RunQuery(2, newest.next))
    assert second.rows[0].run_id == f"run_{SCANNED_ROWS + 9}"
    found, before, pages = [], None, 0
    while pages == 0 or before is not None:
        page = await store.page_runs(RunQuery(5, before, text="ä 2", channel="c"))
        found, before, pages = [*found, *page.rows], page.next, pages + 1
    assert ([row.run_id for row in found], pages <= 2) == (["run_2"], True)
    await store.end_run(Fence("run_2", 1), "partial", 7000, agents={"a": "done"})
    (row,) = (
        await store.page_runs(RunQuery(5, await store.place_of("run_3"), channel="c", status="partial"))
    ).rows
    assert (row.run_id, row.status, row.ended_at) == ("run_2", "partial", 7000)
    assert row.summary == RunSummary("Ä 2", {"a": "done"})
    with pytest.raises(NotFound):
        await store.place_of("run_x")


async def test_lists_tell_runs_that_wait_for_a_worker_from_those_that_run(store: Store) -> None:
    """Each of a second ago or more; one that has just begun is taken before anybody looks."""
    for n, made in enumerate((record(1), record(2), record(3, token=CLAIMED), record(4)), 1):
        kept = made if n < 4 else msgspec.structs.replace(made, created_at=int(time.time() * 1000) + 60_000)
        await store.create_run(kept)
    assert await store.claim_run("run_2", owner="worker_2", token=UNCLAIMED) is not None
    for status, wanted in (("queued", ["run_1"]), ("running", ["run_4", "run_3", "run_2"]), ("failed", [])):
        page = await store.page_runs(RunQuery(5, status=cast(RunStatus, status)))
        assert [(row.run_id, row.status) for row in page.rows] == [(run_id, status) for run_id in wanted]
    await store.end_run(Fence("run_1", UNCLAIMED), "failed", 7000)
    assert [row.status for row in (await store.page_runs(RunQuery(5))).rows] == [*["running"] * 3, "failed"]


async def test_runs_of_a_channel_come_oldest_first(store: Store) -> None:
    for n, channel in enumerate(["x", "y", "x", "x"], 1):
        await store.create_run(record(n, channel=channel))
    assert ids(await store.runs_in("x")) == ["run_1", "run_3", "run_4"]
    await store.forget_run("run_3", "was deleted")
    assert ids(await store.runs_in("x")) == ["run_1", "run_4"]
    assert await store.runs_in("nowhere") == []


async def test_run_is_found_by_its_key(store: Store) -> None:
    await store.create_run(record(1, key="k", channel="x"))
    await store.create_run(record(2, channel="x"))
    assert await store.create_run(record(3, key="k")) == record(1, key="k", channel="x")
    assert await store.run_of_key("k") == "run_1"
    assert await store.run_of_key("other") is None
    await store.forget_run("run_1", "was deleted")
    assert await store.run_of_key("k") is None


async def test_ended_run_keeps_its_end_and_runs_no_more(store: Store) -> None:
    await create(store, 3)
    await store.end_run(Fence("run_2", 1), "partial", 7000)
    assert sorted(ids(await store.running_runs())) == ["run_1", "run_3"]
    assert await store.find_run("run_2") == record(2, status="partial", ended_at=7000)
    await store.end_run(Fence("run_2", 1), "failed", 9000)
    found = await store.find_run("run_2")
    assert found is not None
    assert (found.status, found.ended_at) == ("partial", 7000)


async def test_ended_runs_come_by_the_time_of_their_end(store: Store) -> None:
    await create(store, 4)
    for n, ended_at in ((1, 3000), (2, 1000), (3, 2000)):
        await store.end_run(Fence(f"run_{n}", 1), "completed", ended_at)
    assert ids(await store.ended_runs(before=9000, limit=9)) == ["run_2", "run_3", "run_1"]
    assert ids(await store.ended_runs(before=3000, limit=9)) == ["run_2", "run_3"]
    assert ids(await store.ended_runs(before=9000, limit=1)) == ["run_2"]
    assert await store.count_ended() == 3
    await store.forget_run("run_2", "has expired")
    assert await store.count_ended() == 2
    assert ids(await store.ended_runs(before=9000, limit=1)) == ["run_3"]


# ── forgetting ───────────────────────────────────────────────────────────────────────────────


async def test_forgotten_run_is_gone_with_its_events(store: Store, clock: Clock) -> None:
    await store.create_run(record(1, key="k"))
    await store.append("run_1", [draft(1)], fence=Fence("run_1", 1))
    await store.forget_run("run_1", "was deleted")
    with pytest.raises(Gone, match="was deleted"):
        await store.find_run("run_1")
    assert (await store.open("run_1")).last == 0
    assert store.size == 0
    assert await store.running_runs() == []
    assert await store.create_run(record(2, key="k")) == record(2, key="k"), "its key is free again"


async def test_forgetting_a_run_leaves_the_others_in_its_channel(store: Store) -> None:
    for n in (1, 2):
        await store.create_run(record(n, channel="x"))
        await store.append("x", [draft(n, f"run_{n}")])
    await store.forget_run("run_1", "was deleted")
    start = Cursor((await store.open("x")).epoch, 0)
    assert [entry.run_id for entry in await store.read("x", start, most=9)] == ["run_2"]


async def test_forgetting_twice_or_the_unknown_does_nothing(store: Store) -> None:
    await create(store, 1)
    await store.forget_run("run_1", "was deleted")
    await store.forget_run("run_1", "has expired")
    await store.forget_run("run_9", "was deleted")
    with pytest.raises(Gone, match="was deleted"):
        await store.find_run("run_1")
    assert await store.find_run("run_9") is None


async def test_forgotten_run_is_known_as_such_for_its_time_only(store: Store, clock: Clock) -> None:
    await create(store, 1)
    await store.forget_run("run_1", "has expired")
    clock.ahead = GONE_SECONDS - 60
    with pytest.raises(Gone):
        await store.find_run("run_1")
    clock.ahead = GONE_SECONDS + 60
    assert await store.find_run("run_1") is None


# ── who may append ───────────────────────────────────────────────────────────────────────────


async def test_owner_appends_until_another_took_the_run(store: Store) -> None:
    """Nothing of a worker that was only frozen gets into the log after the takeover."""
    await create(store, 2)
    old = Fence("run_1", 1)
    await store.append("run_1", [draft(1)], fence=old)
    taken = await store.claim_run("run_1", owner="worker_2", token=1)
    assert taken == record(1, owner="worker_2", token=2)
    with pytest.raises(Fenced):
        await store.append("run_1", [draft(2)], fence=old)
    with pytest.raises(Fenced):
        await store.end_run(old, "failed", 1)
    (entry,) = await store.append("run_1", [draft(3)], fence=Fence("run_1", 2))
    assert entry.seq == 2, "what was refused took no number"
    await store.append("run_2", [draft(1, "run_2")], fence=Fence("run_2", 1))
    await store.end_run(Fence("run_1", 2), "failed", 1)


async def test_one_fenced_append_spares_those_beside_it(store: Store) -> None:
    """Several runs' appends may be one write of the store."""
    await create(store, 9)
    for n in range(1, 10):
        await store.append(f"run_{n}", [draft(0, f"run_{n}")], fence=Fence(f"run_{n}", 1))
    await store.claim_run("run_5", owner="worker_2", token=1)
    appends = (
        store.append(f"run_{n}", [draft(1, f"run_{n}")], fence=Fence(f"run_{n}", 1)) for n in range(1, 10)
    )
    ended = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(end) for end in ended].count(list) == 8
    assert isinstance(ended[4], Fenced)
    assert [(await store.open(f"run_{n}")).last for n in range(1, 10)] == [2, 2, 2, 2, 1, 2, 2, 2, 2]


async def test_forgotten_run_takes_no_more_events(store: Store) -> None:
    """What its agents still say must not bring its channel back."""
    await create(store, 1)
    await store.append("run_1", [draft(1)], fence=Fence("run_1", 1))
    await store.forget_run("run_1", "was deleted")
    with pytest.raises(Fenced):
        await store.append("run_1", [draft(2)], fence=Fence("run_1", 1))
    with pytest.raises(Fenced):
        await store.end_run(Fence("run_1", 1), "failed", 1)
    assert (await store.open("run_1")).last == 0


async def test_of_takeovers_at_once_one_wins(store: Store) -> None:
    await create(store, 1)
    claims = (store.claim_run("run_1", owner=f"worker_{n}", token=1) for n in range(8))
    won = [taken for taken in await asyncio.gather(*claims) if taken is not None]
    assert len(won) == 1
    assert await store.find_run("run_1") == won[0]
    assert won[0].token == 2


async def test_ended_or_unknown_run_is_not_taken_over(store: Store) -> None:
    await create(store, 1)
    await store.end_run(Fence("run_1", 1), "completed", 1)
    assert await store.claim_run("run_1", owner="worker_2", token=1) is None
    assert await store.claim_run("run_9", owner="worker_2", token=1) is None


# ── workers ──────────────────────────────────────────────────────────────────────────────────


async def test_worker_lives_as_long_as_it_said(store: Store) -> None:
    assert await store.living() == set()
    await store.beat("worker_1", 600)
    await store.beat("worker_2", 0.05)
    assert "worker_1" in await store.living()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "worker_2" in await store.living():
            await asyncio.sleep(0.02)
    await store.beat("worker_2", 600)
    assert await store.living() == {"worker_1", "worker_2"}
    await store.beat("worker_1", 0.0)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "worker_1" in await store.living():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("hours", [3, -3])
async def test_setting_the_clock_kills_no_worker_and_revives_none(
    store: Store, clock: Clock, hours: float
) -> None:
    """Summer time, or a clock that was wrong: nobody's lease may end, or become endless, by that."""
    await store.beat("alive", PATIENCE_SECONDS)
    await store.beat("dead", 2)
    await store.beat("parted", PATIENCE_SECONDS)
    assert await store.living() == {"alive", "dead", "parted"}
    await store.beat("parted", 0.0)
    assert await store.living() == {"alive", "dead"}
    clock.ahead += hours * 3600
    assert await store.living() == {"alive", "dead"}
    await store.beat("alive", PATIENCE_SECONDS)
    await store.beat("new", PATIENCE_SECONDS)
    assert await store.living() == {"alive", "dead", "new"}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "dead" in await store.living():
            await asyncio.sleep(0.02)
    assert await store.living() == {"alive", "new"}


# ── conversations ────────────────────────────────────────────────────────────────────────────


async def test_turns_come_back_oldest_first_and_the_newest_stay(store: Store) -> None:
    for n in range(7):
        await store.add_turn("talk", "a", b"turn %d \x00\xff" % n, keep=3)
    await store.add_turn("talk", "b", b"of b", keep=3)
    await store.add_turn("other", "a", b"elsewhere", keep=3)
    assert list(await store.turns("talk", "a")) == [b"turn %d \x00\xff" % n for n in (4, 5, 6)]
    assert list(await store.turns("talk", "b")) == [b"of b"]
    assert list(await store.turns("talk", "nobody")) == []
    assert list(await store.turns("nowhere", "a")) == []


async def test_turns_that_are_large_together_go_the_oldest_first_but_the_newest_stays(store: Store) -> None:
    for n in range(6):
        await store.add_turn("talk", "a", b"%d" % n * 40, keep=9, keep_bytes=100)
    assert [turn[:1] for turn in await store.turns("talk", "a")] == [b"4", b"5"]
    await store.add_turn("talk", "b", b"x" * 200, keep=9, keep_bytes=100)
    assert [len(turn) for turn in await store.turns("talk", "b")] == [200]
    await store.add_turn("talk", "b", b"y" * 10, keep=9, keep_bytes=100)
    assert [len(turn) for turn in await store.turns("talk", "b")] == [10]
    assert [turn[:1] for turn in await store.turns("talk", "a")] == [b"4", b"5"]


async def test_one_running_run_at_a_time_has_a_conversation(store: Store) -> None:
    await create(store, 3)
    assert await store.hold_conversation("talk", "run_1") == "run_1"
    assert await store.hold_conversation("talk", "run_1") == "run_1"
    assert await store.hold_conversation("talk", "run_2") == "run_1"
    assert await store.hold_conversation("other", "run_2") == "run_2"
    await store.release_conversation("talk", "run_2")
    assert await store.hold_conversation("talk", "run_2") == "run_1", "only who has it gives it back"
    await store.release_conversation("talk", "run_1")
    assert await store.hold_conversation("talk", "run_3") == "run_3"


async def test_conversation_is_free_when_its_run_has_ended_or_is_forgotten(store: Store) -> None:
    """A worker that died gave nothing back."""
    await create(store, 3)
    await store.hold_conversation("talk", "run_1")
    await store.end_run(Fence("run_1", 1), "failed", 1)
    assert await store.hold_conversation("talk", "run_2") == "run_2"
    await store.forget_run("run_2", "was deleted")
    assert await store.hold_conversation("talk", "run_3") == "run_3"


async def test_of_holders_at_once_one_wins(store: Store) -> None:
    await create(store, 8)
    held = await asyncio.gather(*(store.hold_conversation("talk", f"run_{n}") for n in range(1, 9)))
    assert len(set(held)) == 1


async def test_owners_are_counted_and_their_runs_named_without_what_was_asked(store: Store) -> None:
    """Whoever looks after lost workers asks twice a second: it must not cost more with each run."""
    await create(store, 4)
    await store.create_run(record(5, owner="worker_2"))
    await store.create_run(record(6, status="completed", ended_at=9))
    assert await store.owners() == {"worker_1": 4, "worker_2": 1}
    assert await store.owned_by("worker_1", limit=3) == [OwnedRun(f"run_{n}", 1) for n in (1, 2, 3)]
    await store.end_run(Fence("run_1", 1), "completed", 10)
    await store.forget_run("run_2", "was deleted")
    assert await store.claim_run("run_3", owner="worker_2", token=1) is not None
    assert await store.owners() == {"worker_1": 1, "worker_2": 2}
    assert await store.owned_by("worker_1", limit=9) == [OwnedRun("run_4", 1)]
    assert await store.owned_by("worker_2", limit=9) == [OwnedRun("run_3", 2), OwnedRun("run_5", 1)]
    assert await store.owned_by("nobody", limit=9) == []


async def test_workers_say_of_what_they_have_subscribers(store: Store) -> None:
    await store.watch("w1", ["run_1", "channel c"], [])
    await store.watch("w2", ["run_2"], [])
    keys = ["run_1", "run_2", "channel c", "run_3"]
    assert await store.watched(keys, by=["w1", "w2"]) == {"run_1", "run_2", "channel c"}
    assert await store.watched(keys, by=["w2", "w3"]) == {"run_2"}
    await store.watch("w1", [], ["run_1"])
    await store.watch("w2", ["run_3"], ["run_2"])
    assert await store.watched(keys, by=["w1", "w2"]) == {"channel c", "run_3"}
    assert await store.watched([], by=["w1"]) == set()
    assert await store.watched(keys, by=[]) == set()
