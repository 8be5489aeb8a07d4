"""Covers `orchestrator/server/fair_loop.py`: of a crowd of sockets a few are heard in each round, in the end all."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter

from orchestrator.server.fair_loop import SOCKETS_AT_ONCE, fair_loop
from tests.support.patience import eventually


async def _hear(pairs: list[tuple[socket.socket, socket.socket]]) -> list[tuple[int, int]]:
    loop = asyncio.get_running_loop()
    heard: list[tuple[int, int]] = []
    now = 0

    def tick() -> None:
        nonlocal now
        now += 1
        if len(set(heard)) < len(pairs):
            loop.call_soon(tick)

    def hear(n: int) -> None:
        pairs[n][0].recv(1)
        heard.append((now, n))

    for n, (ours, theirs) in enumerate(pairs):
        theirs.send(b"x")
        loop.add_reader(ours, hear, n)
    loop.call_soon(tick)
    await eventually(lambda: len(heard) == len(pairs))
    for ours, _ in pairs:
        loop.remove_reader(ours)
    return heard


def test_a_crowd_is_heard_over_several_rounds() -> None:
    pairs = [socket.socketpair() for _ in range(3 * SOCKETS_AT_ONCE)]
    try:
        with asyncio.Runner(loop_factory=fair_loop) as runner:
            heard = runner.run(_hear(pairs))
    finally:
        for pair in pairs:
            for each in pair:
                each.close()
    assert sorted(n for _, n in heard) == list(range(len(pairs)))
    assert max(Counter(now for now, _ in heard).values()) <= SOCKETS_AT_ONCE
