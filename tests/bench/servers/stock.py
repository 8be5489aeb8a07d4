"""Stock `aiostream.stream.merge` over the agents, an aiohttp `StreamResponse`, one write per token."""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncGenerator, AsyncIterator

from aiohttp import web
from aiostream import stream

from ..sources import parse_plan, sources
from .launch import launch, serve


def encode(agent_id: str, text: str) -> bytes:
    data = json.dumps({"agent_id": agent_id, "type": "token", "text": text})
    return f"event: {agent_id}.token\ndata: {data}\n\n".encode()


async def named(agent_id: str, source: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
    async for text in source:
        yield encode(agent_id, text)


async def run(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    agents = sources(parse_plan(request.query["plan"]))
    async with stream.merge(*(named(*agent) for agent in agents.items())).stream() as merged:
        async for frame in merged:
            await response.write(frame)
    await response.write_eof()
    return response


async def main(options: argparse.Namespace) -> None:
    app = web.Application()
    app.router.add_get("/stream", run)
    await serve(app)


if __name__ == "__main__":
    launch(main)
