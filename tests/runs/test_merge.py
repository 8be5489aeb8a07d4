"""The fan-in is fair, open to late agents, and takes the first token at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator

import pytest

from orchestrator.agent.mailbox import Mailbox
from orchestrator.events import Status, Token
from orchestrator.run import merge
from orchestrator.run.merge import MAX_SOURCES, Batch, Joining, fan_in

from ..support.spine import Seen, start, supervised
from ..support.spine import read as read_run


def joining(*boxes: Mailbox, closed: bool = True) -> Joining:
    queue: Joining = asyncio.Queue()
    for box in boxes:
        queue.put_nowait(box)
    if closed:
        queue.put_nowait(None)
    return queue


async def batches(queue: Joining) -> AsyncGenerator[Batch, None]:
    async for each in fan_in(queue):
        for batch in each:
            yield batch


async def flood(box: Mailbox, stop: asyncio.Event, *, text: bool = False) -> None:
    count = 0
    while not stop.is_set():
        more = box.say("x") if text else box.post(Status("busy"))
        if not more:
            await box.room()
        count += 1
        if not count % 32:
            await asyncio.sleep(0)
    box.close()


async def test_always_ready_agents_share_the_first_thousand_events_equally() -> None:
    """Stock aiostream gives all of them to the first source."""
    boxes = [Mailbox(f"a{n}") for n in range(8)]
    stop = asyncio.Event()
    counts: Counter[str] = Counter()
    async with asyncio.TaskGroup() as group:
        for box in boxes:
            group.create_task(flood(box, stop))
        async for agent_id, events in batches(joining(*boxes)):
            if sum(counts.values()) < 1000:
                counts[agent_id] += len(events)
            else:
                stop.set()
    assert set(counts) == {box.agent_id for box in boxes}
    fair = sum(counts.values()) / 8
    assert all(abs(count - fair) <= 0.2 * fair for count in counts.values()), counts


@pytest.mark.parametrize("quiet_first", [True, False])
@pytest.mark.parametrize("text", [True, False])
async def test_quiet_agent_does_not_wait_for_floods(quiet_first: bool, text: bool) -> None:
    """Whatever the order of the list. Its delay is counted in the floods' batches, of which none pauses."""
    quiet = Mailbox("quiet")
    loud = [Mailbox(f"loud{n}") for n in range(4)]
    stop = asyncio.Event()
    delays: list[int] = []
    loud_batches = 0

    async def speak() -> None:
        for _ in range(200):
            await asyncio.sleep(0.002)
            quiet.say(f"{loud_batches};")
        quiet.close()

    async with asyncio.TaskGroup() as group:
        for box in loud:
            group.create_task(flood(box, stop, text=text))
        group.create_task(speak())
        async for agent_id, events in batches(joining(*([quiet, *loud] if quiet_first else [*loud, quiet]))):
            loud_batches += agent_id != "quiet"
            if agent_id == "quiet":
                for event in events:
                    assert isinstance(event, Token)
                    delays += [loud_batches - int(stamp) for stamp in event.text.split(";")[:-1]]
                if len(delays) == 200:
                    stop.set()
    assert sorted(delays)[len(delays) // 2] <= 2 * len(loud)


async def test_mailboxes_may_arrive_late() -> None:
    first, second = Mailbox("first"), Mailbox("second")
    arrivals = joining(first, closed=False)
    first.say("1")
    order = []
    async for agent_id, _ in batches(arrivals):
        order.append(agent_id)
        if agent_id == "first":
            arrivals.put_nowait(second)
            arrivals.put_nowait(None)
            second.say("2")
            second.close()
        else:
            first.close()
    assert order == ["first", "second"]


async def test_first_token_goes_at_once_also_beside_a_quiet_crowd() -> None:
    async def slow(request):
        await asyncio.sleep(0.2)
        yield "late"

    async def prompt(request):
        yield "now"
        await asyncio.sleep(0.3)

    arrived: dict[str, int] = {}

    def note(event: Seen) -> None:
        if event.type == "token":
            arrived.setdefault(str(event.agent_id), event.data["t"])

    async with supervised({"slow": slow, "prompt": prompt}) as supervisor:
        await read_run(supervisor, await start(supervisor), on_event=note)
    assert arrived["prompt"] < 100 <= arrived["slow"]


async def test_always_ready_agents_share_a_runs_events_equally() -> None:
    """The same through the whole spine, where tokens are joined."""

    async def busy(request):
        for n in range(4000):
            yield Status("step", str(n))

    async with supervised({f"a{n}": busy for n in range(8)}) as supervisor:
        events = await read_run(supervisor, await start(supervisor))
    counts = Counter(e.agent_id for e in events[:1001] if e.agent_id)
    assert all(100 <= counts[f"a{n}"] <= 150 for n in range(8)), counts


async def test_a_crowd_shares_the_sources_and_each_agent_is_heard() -> None:
    """aiostream's cost grows with its sources; fairness must not end where they are shared."""
    boxes = [Mailbox(f"a{n}") for n in range(MAX_SOURCES * 4 + 3)]
    stop = asyncio.Event()
    counts: Counter[str] = Counter()
    async with asyncio.TaskGroup() as group:
        for box in boxes:
            group.create_task(flood(box, stop))
        async for agent_id, events in batches(joining(*boxes)):
            counts[agent_id] += len(events)
            if sum(counts.values()) > 500 * len(boxes):
                stop.set()
    fair = sum(counts.values()) / len(boxes)
    assert len(counts) == len(boxes)
    assert all(abs(count - fair) <= 0.25 * fair for count in counts.values()), counts


@pytest.mark.parametrize(("late", "rounds"), [(False, 2), (True, 1)])
async def test_gathers_while_the_loop_is_late_and_only_then(
    monkeypatch: pytest.MonkeyPatch, late: bool, rounds: int
) -> None:
    """A loop that has more to do than it can wakes everybody late: fewer, larger rounds cure that."""
    if late:
        monkeypatch.setattr(merge, "LATE_SECONDS", -1.0)
        monkeypatch.setattr(merge, "GATHER_RATIO", float("inf"))
    monkeypatch.setattr(merge, "GATHER_SECONDS", 0.5)
    box = Mailbox("a")
    heard: list[Batch] = []

    async def speak() -> None:
        await asyncio.sleep(0.05)
        box.say("one ")
        await asyncio.sleep(0.05)
        box.say("two")
        box.close()

    async with asyncio.TaskGroup() as group:
        group.create_task(speak())
        heard += [batch async for batch in batches(joining(box))]
    assert len(heard) == rounds
    assert (
        "".join(event.text for batch in heard for event in batch.events if isinstance(event, Token))
        == "one two"
    )
