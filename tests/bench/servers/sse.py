"""aiohttp-sse: a task per agent, an `asyncio.Queue`, one `send` per token. Ways as the tutorial's."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from ..sources import parse_plan, sources
from .launch import launch, serve
from .rooms import Item, rooms, tell

watched = rooms()


async def forward(queue: asyncio.Queue[Item], response: EventSourceResponse) -> None:
    while (item := await queue.get()) is not None:
        agent_id, text = item
        data = json.dumps({"agent_id": agent_id, "type": "token", "text": text})
        await response.send(data, event=f"{agent_id}.token")


async def pump_all(agents: dict[str, AsyncGenerator[str, None]], queues: list[asyncio.Queue[Item]]) -> None:
    async def pump(agent_id: str, source: AsyncIterator[str]) -> None:
        async for text in source:
            tell(queues, (agent_id, text))

    await asyncio.gather(*(pump(*agent) for agent in agents.items()))
    tell(queues, None)


async def run(request: web.Request) -> web.StreamResponse:
    queue: asyncio.Queue[Item] = asyncio.Queue()
    async with sse_response(request) as response:
        task = asyncio.create_task(pump_all(sources(parse_plan(request.query["plan"])), [queue]))
        try:
            await forward(queue, response)
        finally:
            task.cancel()
    return response


async def watch(request: web.Request) -> web.StreamResponse:
    queue: asyncio.Queue[Item] = asyncio.Queue()
    async with sse_response(request) as response:
        watched[request.query["room"]].append(queue)
        await forward(queue, response)
    return response


async def start(request: web.Request) -> web.Response:
    await pump_all(sources(parse_plan(request.query["plan"])), watched.pop(request.query["room"]))
    return web.Response()


async def main(options: argparse.Namespace) -> None:
    app = web.Application()
    app.router.add_get("/stream", run)
    app.router.add_get("/watch", watch)
    app.router.add_post("/rooms", start)
    await serve(app)


if __name__ == "__main__":
    launch(main)
