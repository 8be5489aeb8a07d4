"""Covers `server/http/guards/request_scheduler.py`: one request's work every few rounds of the loop, in order."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from orchestrator.server.http.guards import request_scheduler as module
from orchestrator.server.http.guards.request_scheduler import (
    ROUND_SECONDS,
    ROUNDS_BETWEEN,
    RequestScheduler,
    RoundShare,
    setup_turns,
)
from orchestrator.server.http.problem import setup_problems
from tests.support.patience import soon
from tests.support.probe import ProblemServer


class Rounds:
    """Counts the rounds of the loop."""

    def __init__(self) -> None:
        self.now = 0
        self._handle = asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        self.now += 1
        self._handle = asyncio.get_running_loop().call_soon(self._tick)

    def close(self) -> None:
        self._handle.cancel()


async def test_of_a_crowd_one_goes_on_every_few_rounds_and_nobody_overtakes() -> None:
    """A stream's event takes some rounds from its agent to its clients, and shall meet one of the crowd at most."""
    turns, rounds = RequestScheduler(), Rounds()
    went: list[tuple[int, int]] = []

    async def work(n: int) -> None:
        await turns.take()
        went.append((n, rounds.now))

    await soon(asyncio.gather(*(work(n) for n in range(50))))
    rounds.close()
    assert [n for n, _ in went] == list(range(50))
    times = [at for _, at in went]
    assert min(later - at for at, later in pairwise(times)) >= ROUNDS_BETWEEN > 1


async def test_whoever_comes_alone_waits_for_nothing() -> None:
    turns = RequestScheduler()
    for _ in range(3):
        taking = turns.take()
        try:
            taking.send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError("it waited")
        for _ in range(ROUNDS_BETWEEN + 1):
            await asyncio.sleep(0)


async def test_whose_turn_a_round_is_needs_no_second_one_in_it() -> None:
    """A small request's body is there when its turn comes; what came later, or others have begun since, waits."""
    turns, rounds = RequestScheduler(), Rounds()

    async def work() -> list[int]:
        await turns.take()
        went = [rounds.now]
        await turns.keep()
        went.append(rounds.now)
        await asyncio.sleep(0)
        await turns.keep()
        return [*went, rounds.now]

    found = await soon(asyncio.gather(*(work() for _ in range(3))))
    rounds.close()
    for taken, kept, later in found:
        assert kept == taken
        assert later >= taken + ROUNDS_BETWEEN


async def test_who_is_cancelled_holds_up_nobody() -> None:
    turns = RequestScheduler()
    await turns.take()
    tasks = [asyncio.create_task(turns.take()) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks[1:4]:
        task.cancel()
    await soon(tasks[4])
    assert [task.cancelled() for task in tasks] == [False, True, True, True, False]
    await soon(turns.take())


async def test_of_many_who_catch_up_so_many_go_on_in_a_round_as_keep_it_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sixty clients that read a long run again would each send as much as their sockets take, in the same round."""
    now, piece = [0.0], ROUND_SECONDS / 4
    monkeypatch.setattr(module.time, "thread_time", lambda: now[0])
    share, rounds = RoundShare(), Rounds()
    sent: list[int] = []

    async def catch_up() -> None:
        for _ in range(10):
            await share.take()
            now[0] += piece
            sent.append(rounds.now)

    await soon(asyncio.gather(*(catch_up() for _ in range(60))))
    rounds.close()
    assert len(sent) == 600
    later = Counter(sent[200:])
    assert max(later.values()) <= 6, "about four, which the clock says"
    assert min(list(later.values())[:-1]) >= 1


async def test_pieces_that_take_long_go_one_a_round_and_nobody_overtakes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight readers reach the end of their answers in the same round, and each end takes as long as many pages."""
    now = [0.0]
    monkeypatch.setattr(module.time, "thread_time", lambda: now[0])
    share, rounds = RoundShare(), Rounds()
    went: list[tuple[int, int]] = []

    async def end(n: int) -> None:
        await share.take()
        now[0] += 3 * ROUND_SECONDS
        went.append((n, rounds.now))

    await soon(asyncio.gather(*(end(n) for n in range(20))))
    rounds.close()
    assert [n for n, _ in went] == list(range(20))
    assert max(Counter(at for _, at in went).values()) == 1


async def test_somebody_goes_on_in_each_round_of_a_busy_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others do in a round is not held against those that catch up, or they would never go on."""
    now = [0.0]

    def tick() -> float:
        now[0] += 10 * ROUND_SECONDS
        return now[0]

    monkeypatch.setattr(module.time, "thread_time", tick)
    share = RoundShare()
    await soon(asyncio.gather(*(share.take() for _ in range(20))))


async def test_one_who_catches_up_alone_goes_on_at_once() -> None:
    share = RoundShare()
    for _ in range(3):
        with pytest.raises(StopIteration):
            share.take().send(None)
        for _ in range(3):
            await asyncio.sleep(0)


class Crowded(RequestScheduler):
    """Nobody's turn ever comes."""

    async def take(self) -> None:
        await asyncio.Event().wait()


async def test_whether_the_process_lives_is_answered_before_the_crowd() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    setup_problems(app)
    setup_turns(app, Crowded())
    app.router.add_get("/{any}", answer)
    async with TestClient(ProblemServer(app)) as client:
        waiting = asyncio.create_task(client.get("/readyz"))
        alive = await soon(client.get("/healthz"))
        assert (alive.status, waiting.done()) == (200, False)
        waiting.cancel()
