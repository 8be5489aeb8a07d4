"""The tutorial way: FastAPI, sse-starlette, a task per agent, an `asyncio.Queue`, one write per token.

`GET /stream?plan=` runs the plan for the one who asks. `GET /watch?room=` waits for what
`POST /rooms?room=&plan=` will say, with a queue for each who watches.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator

import uvicorn
from fastapi import FastAPI, Request
from sse_starlette import EventSourceResponse

from ..sources import parse_plan, sources
from .rooms import Item, rooms, tell
from .sdk import sdk_sources

app = FastAPI()
watched = rooms()


def encode(agent_id: str, text: str) -> dict[str, str]:
    return {
        "event": f"{agent_id}.token",
        "data": json.dumps({"agent_id": agent_id, "type": "token", "text": text}),
    }


async def pump(agent_id: str, source: AsyncIterator[str], queue: asyncio.Queue[Item]) -> None:
    async for text in source:
        await queue.put((agent_id, text))


async def run_all(agents: dict[str, AsyncGenerator[str, None]], queue: asyncio.Queue[Item]) -> None:
    try:
        await asyncio.gather(*(pump(agent_id, source, queue) for agent_id, source in agents.items()))
    finally:
        await queue.put(None)


async def drain(queue: asyncio.Queue[Item]) -> AsyncGenerator[dict[str, str], None]:
    while (item := await queue.get()) is not None:
        yield encode(*item)


@app.get("/stream")
async def stream(request: Request, plan: str) -> EventSourceResponse:
    parsed = parse_plan(plan)

    async def events() -> AsyncGenerator[dict[str, str], None]:
        queue: asyncio.Queue[Item] = asyncio.Queue()
        agents = sdk_sources(parsed, app.state.upstream) if parsed.kind == "sdk" else sources(parsed)
        task = asyncio.create_task(run_all(agents, queue))
        try:
            async for event in drain(queue):
                yield event
        finally:
            task.cancel()

    return EventSourceResponse(events())


@app.get("/watch")
async def watch(room: str) -> EventSourceResponse:
    queue: asyncio.Queue[Item] = asyncio.Queue()
    watched[room].append(queue)
    return EventSourceResponse(drain(queue))


@app.post("/rooms")
async def start(room: str, plan: str) -> dict[str, int]:
    queues = watched.pop(room)

    async def carry(agent_id: str, source: AsyncIterator[str]) -> None:
        async for text in source:
            tell(queues, (agent_id, text))

    agents = sources(parse_plan(plan))
    await asyncio.gather(*(carry(agent_id, source) for agent_id, source in agents.items()))
    tell(queues, None)
    return {"subscribers": len(queues)}


async def main(options: argparse.Namespace) -> None:
    app.state.upstream = options.upstream
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    await server.serve(sockets=[listener])


if __name__ == "__main__":
    from .launch import launch

    launch(main)
