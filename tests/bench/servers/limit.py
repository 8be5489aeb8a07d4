"""The limit: frames written in batches by bare aiohttp. No agents' tasks to own, no merge, no log, no resume.

A flood's frames are encoded beforehand. What is paced is put into its frame by one join and written with
whatever else is there, with one wake-up between the agent and the socket.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator

from aiohttp import web

from ..sources import WORDS, Plan, parse_plan, sources
from .launch import launch, serve

BATCH = 64
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
FRAMES = [
    f'event: a{n}.token\ndata: {{"agent_id":"a{n}","type":"token","text":"{WORDS[n]}"}}\n\n'.encode()
    for n in range(8)
]
BLOCK = b"".join(FRAMES[n % 8] for n in range(BATCH))

watchers: dict[str, asyncio.Future[Plan]] = {}


async def opened(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    return response


async def flood(response: web.StreamResponse, plan: Plan) -> None:
    """Take a batch of each agent in turn; write the frames, which were encoded beforehand."""
    left = [(FRAMES[n % 8], source) for n, source in enumerate(sources(plan).values())]
    while left:
        for agent in list(left):
            frame, source = agent
            batch = []
            async for _ in source:
                batch.append(frame)
                if len(batch) == BATCH:
                    break
            else:
                left.remove(agent)
            await response.write(b"".join(batch))


async def pipe(response: web.StreamResponse, plan: Plan) -> None:
    """Write as many frames as the plan's agents would have had tokens; there are no agents at all."""
    if plan.at and (left := plan.at - time.monotonic_ns()) > 0:
        await asyncio.sleep(left / 1e9)
    blocks, rest = divmod(plan.tokens * plan.agents, BATCH)
    for _ in range(blocks):
        await response.write(BLOCK)
    await response.write(b"".join(FRAMES[n % 8] for n in range(rest)))


async def relay(response: web.StreamResponse, plan: Plan) -> None:
    """Write what the agents say as it comes."""
    pending: list[bytes] = []
    ready = asyncio.Event()

    async def pump(agent_id: str, source: AsyncIterator[str]) -> None:
        head = f'event: {agent_id}.token\ndata: {{"agent_id":"{agent_id}","type":"token","text":"'.encode()
        count = 0
        async for text in source:
            pending.append(head + text.encode() + b'"}\n\n')
            ready.set()
            count += 1
            if count % BATCH == 0:
                await asyncio.sleep(0)

    async def write() -> None:
        while not ended or pending:
            await ready.wait()
            ready.clear()
            data = b"".join(pending)
            pending.clear()
            await response.write(data)

    ended = False
    writer = asyncio.create_task(write())
    await asyncio.gather(*(pump(*agent) for agent in sources(plan).items()))
    ended = True
    ready.set()
    await writer


async def run(request: web.Request) -> web.StreamResponse:
    plan = parse_plan(request.query["plan"])
    response = await opened(request)
    way = pipe if "pipe" in request.query else flood if plan.kind == "flood" else relay
    await way(response, plan)
    await response.write_eof()
    return response


async def watch(request: web.Request) -> web.StreamResponse:
    response = await opened(request)
    room = request.query["room"]
    if room not in watchers:
        watchers[room] = asyncio.get_running_loop().create_future()
    await pipe(response, await asyncio.shield(watchers[room]))
    await response.write_eof()
    return response


async def start(request: web.Request) -> web.Response:
    watchers.pop(request.query["room"]).set_result(parse_plan(request.query["plan"]))
    return web.Response()


async def main(options: argparse.Namespace) -> None:
    app = web.Application()
    app.router.add_get("/stream", run)
    app.router.add_get("/watch", watch)
    app.router.add_post("/rooms", start)
    await serve(app)


if __name__ == "__main__":
    launch(main)
