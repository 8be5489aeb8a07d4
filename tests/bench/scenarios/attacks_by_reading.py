"""Attacks by what a caller asks to see again: long runs, large answers, lists, scores, conversations."""

from __future__ import annotations

import asyncio
import json

from .attack_target import Target

AT_ONCE = 8


async def folds(target: Target) -> None:
    """Readers of one run of 20,000 events, in each dialect that folds it"""
    run_id = await target.finished(agents=["restless"])
    short = run_id.removeprefix("run_")
    paths = [
        f"/v1/responses/resp_{short}", f"/v1/responses/resp_{short}?stream=true&starting_after=300000",
        f"/v1/runs/{run_id}", f"/v1/runs/{run_id}/events?framing=ai-sdk",
        f"/v1/runs/{run_id}/events?framing=ag-ui", f"/v1/a2a/restless/tasks/{run_id}",
    ]  # fmt: skip
    await target.many(
        target.options.pick(20, 1) * len(paths), AT_ONCE, lambda n: target.get(paths[n % len(paths)])
    )


async def snapshots(target: Target) -> None:
    """Readers of runs whose answers are as large as they may be"""
    agents = ["full", "wordy", "brief"]
    runs = [await target.finished(agents=agents) for _ in range(target.options.pick(4, 1))]
    await target.many(
        target.options.pick(60, 4), AT_ONCE, lambda n: target.get(f"/v1/runs/{runs[n % len(runs)]}")
    )


async def talk(target: Target) -> None:
    """Conversations of many long turns"""
    for _ in range(target.options.pick(200, 5)):
        await target.finished(agents=["wordy"], message="m" * 90_000, conversation_id="talk")
    for _ in range(target.options.pick(10, 1)):
        await target.finished(agents=["wordy", "brief"], conversation_id="talk")


async def searches(target: Target) -> None:
    """Searches for what no run has, over many runs"""
    await target.many(target.options.pick(3000, 50), AT_ONCE, lambda n: target.start(message=f"question {n}"))

    async def one(n: int) -> None:
        cursor = ""
        while True:
            page = json.loads(await target.get(f"/v1/runs?limit=200&q=nowhere{n}{cursor}"))
            if page["next"] is None:
                return
            cursor = f"&cursor={page['next']}"

    await target.many(target.options.pick(40, 4), AT_ONCE, one)


async def scores(target: Target) -> None:
    """Votes, the scores that they come to, and exports of them"""

    async def vote(n: int) -> None:
        run_id = await target.finished(agents=["brief", "wordy"], message=f"question {n}")
        await target.post(b'{"agent_id":"brief"}', f"/v1/runs/{run_id}/vote")

    await target.many(target.options.pick(500, 10), AT_ONCE, vote)
    paths = ("/v1/scores?q=question", "/v1/scores.csv?by=vote", "/v1/scores/pairs")
    await target.many(target.options.pick(30, 3), 3, lambda n: target.get(f"{paths[n % 3]}"))


async def deletions(target: Target) -> None:
    """Deletions of runs of 20,000 events, in a channel that they share"""
    runs = [
        await target.finished(agents=["restless"], channel="shared") for _ in range(target.options.pick(8, 1))
    ]
    await asyncio.gather(*(target.delete(f"/v1/runs/{run_id}") for run_id in runs))
