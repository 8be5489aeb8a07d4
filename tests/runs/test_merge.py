"""The fan-in is fair, open to late agents, and takes the first token at once."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator

import pytest

from orchestrator.agent.mailbox import Mailbox
from orchestrator.events import Status, Token
from orchestrator.run import merge
from orchestrator.run.merge import LOOKED_AT, Batch, Joining, fan_in

from ..support.spine import Seen, start, supervised
from ..support.spine import read as read_run


def joining(*boxes: Mailbox, closed: bool = True) -> Joining:
    queue = Joining()
    for box in boxes:
        queue.put_nowait(box)
    if closed:
        queue.put_nowait(None)
    return queue


async def batches(queue: Joining) -> AsyncGenerator[Batch, None]:
    async with fan_in(queue) as rounds:
        async for each in rounds:
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


async def test_in_a_crowd_each_agent_is_heard() -> None:
    """Only the first few are asked whether they keep filling; fairness must not end there."""
    boxes = [Mailbox(f"a{n}") for n in range(LOOKED_AT * 2 + 3)]
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


@pytest.mark.parametrize(("late", "rounds"), [(False, 3), (True, 2)])
async def test_gathers_while_the_loop_is_late_and_only_then(
    monkeypatch: pytest.MonkeyPatch, late: bool, rounds: int
) -> None:
    """A loop that has more to do than it can wakes everybody late: fewer, larger rounds cure that.

    The first word goes at once all the same: a storm of starts makes the loop late, and its answers no later.
    """
    if late:
        monkeypatch.setattr(merge, "LATE_SECONDS", -1.0)
        monkeypatch.setattr(merge, "GATHER_RATIO", float("inf"))
    monkeypatch.setattr(merge, "GATHER_SECONDS", 0.5)
    box = Mailbox("a")
    heard: list[Batch] = []

    async def speak() -> None:
        for word in ("zero ", "one ", "two"):
            await asyncio.sleep(0.05)
            box.say(word)
        box.close()

    async with asyncio.TaskGroup() as group:
        group.create_task(speak())
        heard += [batch async for batch in batches(joining(box))]
    texts = ["".join(event.text for event in batch.events if isinstance(event, Token)) for batch in heard]
    assert "".join(texts) == "zero one two"
    assert len([text for text in texts if text]) == rounds
    assert texts[0] == "zero "


async def test_rounds_grow_while_agents_give_way_at_each_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such agents never fill a mailbox, and a round for each turn of the loop would cost most just when it is busy."""
    monkeypatch.setattr(merge, "BUSY_SECONDS", float("inf"))
    monkeypatch.setattr(merge, "GATHER_SECONDS", float("inf"))
    assert await rounds_of_agents_that_give_way(400) < 400 / 8


async def test_rounds_grow_also_while_the_processor_is_with_other_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Time passes between the loop's turns, but it is not theirs; rounds that shrink would ask for more of it."""
    loop = asyncio.get_running_loop()
    passing = itertools.count(loop.time(), 0.002)
    monkeypatch.setattr(merge, "LATE_SECONDS", float("inf"))
    monkeypatch.setattr(merge, "CLOSE_SECONDS", float("inf"))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", lambda: next(passing))
        rounds = await rounds_of_agents_that_give_way(400)
    assert rounds < 400 / 8


async def rounds_of_agents_that_give_way(tokens: int) -> int:
    """Count the rounds of four agents that say something in each turn of the loop."""
    boxes = [Mailbox(f"a{n}") for n in range(4)]

    async def speak(box: Mailbox) -> None:
        for _ in range(tokens):
            await asyncio.sleep(0)
            box.say("x")
        box.close()

    rounds = 0
    async with asyncio.TaskGroup() as group:
        for box in boxes:
            group.create_task(speak(box))
        async with fan_in(joining(*boxes)) as merged:
            async for _ in merged:
                rounds += 1
    return rounds


async def test_what_comes_after_a_quiet_time_is_taken_at_once() -> None:
    """What had gathered before decides nothing for the next token."""
    box = Mailbox("a")
    arrivals = joining(box)
    turns: list[int] = []
    for n in range(200):
        box.say(str(n))
    async with fan_in(arrivals) as rounds:
        await anext(rounds)
        for _ in range(3):
            coming = asyncio.ensure_future(anext(rounds))
            await asyncio.sleep(0)
            box.say("now")
            count = 0
            while not coming.done():
                await asyncio.sleep(0)
                count += 1
            turns.append(count)
    assert max(turns) <= 4
