"""What one agent said and nobody has fetched yet."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.agent.mailbox import BURST_PIECES, MAX_CHARS, MAX_EVENT_CHARS, Mailbox
from orchestrator.events import Payload, Reasoning, Status, Token
from tests.support.patience import soon


async def fetch(box: Mailbox, most: int = 32) -> list[Payload]:
    """Wait until there is something to take, and take it."""
    ready = asyncio.Event()
    box.watch(lambda _: ready.set())
    await ready.wait()
    return box.take(most)


async def test_neighbouring_tokens_are_joined() -> None:
    box = Mailbox("a")
    for text in "abc":
        box.say(text)
    assert await fetch(box, 32) == [Token("abc")]


async def test_tokens_are_not_joined_across_another_event_kind_speaker_or_parent() -> None:
    box = Mailbox("a")
    box.say("1")
    box.post(Status("thinking"))
    box.say("2")
    box.say("3", Reasoning)
    box.say("4", Token, "other")
    box.say("5", Token, None, "call")
    box.say("6")
    assert await fetch(box, 32) == [
        Token("1"), Status("thinking"), Token("2"), Reasoning("3"),
        Token("4", speaker="other"), Token("5", parent="call"), Token("6"),
    ]  # fmt: skip


async def test_what_was_fetched_is_not_added_to() -> None:
    box = Mailbox("a")
    box.say("1")
    first = await fetch(box, 32)
    box.say("2")
    assert first == [Token("1")]
    assert await fetch(box, 32) == [Token("2")]


async def test_a_batch_has_at_most_so_many_events() -> None:
    box = Mailbox("a")
    for n in range(5):
        box.post(Status(str(n)))
    assert len(await fetch(box, 3)) == 3
    assert len(await fetch(box, 3)) == 2


async def test_agent_is_held_back_at_the_limit_and_goes_on_after_a_fetch() -> None:
    """Joined pieces count as pieces, else an endless flood of tokens would never fill it."""
    box = Mailbox("a", limit=3)
    assert box.say("1")
    assert box.say("2")
    assert not box.say("3")
    waiting = asyncio.ensure_future(box.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await fetch(box, 32)
    await soon(waiting)


def in_burst(box: Mailbox, text: str) -> None:
    """Put the pieces of *text* into a burst of *box* that nobody has looked at."""

    def judge(pieces: list[str]) -> None:
        box.more("".join(pieces), len(pieces))

    pieces = box.begin_burst(judge)
    assert pieces is not None
    pieces += text


async def test_a_burst_is_looked_at_before_anything_else_comes_or_is_taken() -> None:
    box = Mailbox("a")
    for text in "abc":
        box.more(text)
    in_burst(box, "def")
    assert len(box) == 6
    box.post(Status("thinking"))
    box.more("g")
    box.more("h")
    in_burst(box, "ij")
    box.say("k", Reasoning)
    assert len(box) == 12
    assert await fetch(box) == [Token("abcdef"), Status("thinking"), Token("ghij"), Reasoning("k")]
    assert len(box) == 0


async def test_a_burst_that_nobody_looked_at_is_in_the_mailbox_when_it_closes() -> None:
    box = Mailbox("a")
    box.more("a")
    box.more("b")
    in_burst(box, "cd")
    box.close()
    assert not box.drained
    assert await fetch(box) == [Token("abcd")]
    assert box.drained


async def test_a_burst_counts_as_the_pieces_it_has_and_begins_only_if_all_have_room() -> None:
    """Else the agent would not be held back by it."""
    box = Mailbox("a", limit=BURST_PIECES + 4)
    assert box.begin_burst(lambda _: None) is None  # nothing waits that it would join
    assert box.more("1")
    assert box.more("2")
    in_burst(box, "x" * BURST_PIECES)
    assert box.more("3")
    assert box.begin_burst(lambda _: None) is None
    assert not box.more("4")
    assert box.full
    assert await fetch(box) == [Token("12" + "x" * BURST_PIECES + "34")]
    assert not box.full


async def test_characters_hold_the_agent_back_too() -> None:
    box = Mailbox("a", limit=1000)
    count = 0
    while box.say("x" * MAX_EVENT_CHARS):
        count += 1
    assert (count + 1) * MAX_EVENT_CHARS == MAX_CHARS


async def test_fetch_waits_and_wakes() -> None:
    box = Mailbox("a")
    fetching = asyncio.ensure_future(fetch(box, 32))
    await asyncio.sleep(0)
    assert not fetching.done()
    box.say("x")
    assert await soon(fetching) == [Token("x")]


async def test_closed_mailbox_gives_the_rest_then_nothing() -> None:
    box = Mailbox("a")
    box.say("x")
    box.close()
    assert await fetch(box, 32) == [Token("x")]
    assert await fetch(box, 32) == []


async def test_cancelling_a_fetch_loses_nothing() -> None:
    box = Mailbox("a")
    fetching = asyncio.ensure_future(fetch(box, 32))
    await asyncio.sleep(0)
    box.say("x")
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert await fetch(box, 32) == [Token("x")]


async def test_gathering_delays_text_but_neither_the_first_nor_other_events() -> None:
    box = Mailbox("a", coalesce_s=1e6)
    box.say("first")
    assert await soon(fetch(box, 32)) == [Token("first")]
    box.say("later")
    fetching = asyncio.ensure_future(fetch(box, 32))
    await asyncio.sleep(0.05)
    assert not fetching.done()
    box.post(Status("tool"))
    assert await soon(fetching) == [Token("later"), Status("tool")]
