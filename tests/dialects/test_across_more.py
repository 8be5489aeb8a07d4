"""A panel, a retry and an approval are taken up in any dialect where another was cut: no character lost, none twice."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from orchestrator import AgentError, AgentInput
from orchestrator.backends.base import Emission
from orchestrator.sse_parser import SSEParser
from tests.support.patience import PATIENCE_SECONDS
from tests.support.service import Serve, Service

from .agents import AGENTS, CHATTY, ODD, TOOLED
from .test_across import SPEAKERS, pieces, read_up_to_last_id
from .test_panels import PANEL

CUTS = 3
AGAIN = ["Once more: ", ODD, " end."]


async def flaky(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Break off in the middle of a word, and say all of it in the next attempt."""
    if request.attempt == 1:
        yield "half a "
        yield "wo"
        raise AgentError("upstream_unavailable", "The provider went away.")
    for word in AGAIN:
        yield word


async def ask_a_panel(service: Service) -> str:
    return await service.start(panel=PANEL)


async def ask_twice(service: Service) -> str:
    return await service.start(agents=["flaky", "tooled"])


async def ask_and_approve(service: Service) -> str:
    run_id = await service.start(agents=["asking", "chatty"])
    path = f"/v1/runs/{run_id}/agents/asking/approvals/c9"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (
            await service.call("POST", path, json={"approve": True})
        ).status != 202:  # it has not asked yet
            await asyncio.sleep(0.01)
    return run_id


RUNS: dict[str, tuple[Callable[[Service], Awaitable[str]], list[str]]] = {
    "a panel": (ask_a_panel, [*CHATTY, *TOOLED]),
    "a retry": (ask_twice, [*AGAIN, *TOOLED]),
    "an approval": (ask_and_approve, ["May I? ", "Sent.", *CHATTY]),
}


def told_in(name: str, body: bytes) -> list[tuple[int, str]]:
    """Return the texts of a dialect's frames, each with the number of the event that it is of."""
    found: list[tuple[int, str]] = []
    held: list[str] = []
    for event in SSEParser().feed(body):
        held += [text for _, text in pieces(name, event.data)]
        if event.id is not None:  # of the frames of one event the last one has its cursor
            found += [(number(event.id), text) for text in held]
            held = []
    return found + [(sys.maxsize, text) for text in held]


def number(cursor: str | None) -> int:
    return 0 if cursor is None else int(cursor.rpartition("-")[2])


@pytest.mark.parametrize("which", RUNS)
async def test_it_goes_on_in_every_other(serve: Serve, which: str, pytestconfig: pytest.Config) -> None:
    """At random bytes of each. What each tells of it differs, so the rest is held against its own whole stream."""
    ask, words = RUNS[which]
    chance = random.Random(f"{which} {pytestconfig.getoption('fuzz_seed')}")
    policy = {"retry": {"attempts": 2, "backoff_s": 0.001, "after_first_token": True}}
    service = await serve({**AGENTS, "flaky": flaky}, keys={"flaky": policy})
    run_id = await ask(service)
    await service.ended(run_id)
    path = f"/v1/runs/{run_id}/events?framing="
    whole = {name: await service.body(path + name) for name in SPEAKERS}
    native = "".join(text for _, text in told_in("event", whole["event"]))
    assert all(word in native for word in words)
    assert all(told_in(name, whole[name]) for name in SPEAKERS)
    for first in SPEAKERS:
        for _ in range(CUTS):
            cursor, _ = read_up_to_last_id(first, whole[first][: chance.randrange(len(whole[first]))])
            headers = {} if cursor is None else {"Last-Event-ID": cursor}
            for second in SPEAKERS:
                answer = await service.call("GET", path + second, headers=headers)
                rest = told_in(second, answer.body) if answer.status == 200 else []
                expected = [text for at, text in told_in(second, whole[second]) if at > number(cursor)]
                assert "".join(text for _, text in rest) == "".join(expected), (first, second, cursor)
