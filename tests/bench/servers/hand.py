"""What a good engineer writes in an afternoon: one shared aiohttp session, `readany`, msgspec, joined writes.

No SDK, no log, no resume, no cancel, no retry, no limit on anything. A wake-up of the writer takes all that the
agents have said by then and writes it at once; msgspec decodes nothing but `choices[0].delta.content`.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from ..sources import Plan, parse_plan, sources
from .launch import launch, serve

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
SESSION: web.AppKey[aiohttp.ClientSession] = web.AppKey("session", aiohttp.ClientSession)
UPSTREAM: web.AppKey[str] = web.AppKey("upstream", str)


class Delta(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    delta: Delta


class Chunk(msgspec.Struct):
    choices: list[Choice] = []


class Said(msgspec.Struct):
    agent_id: str
    type: str
    text: str


decode = msgspec.json.Decoder(Chunk).decode
encode = msgspec.json.Encoder().encode


def asked(plan: Plan) -> dict[str, Any]:
    """Return what the model server is asked for: as much as an SDK agent would."""
    return {
        "model": plan.model,
        "messages": [{"role": "user", "content": plan.text()}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def say(session: aiohttp.ClientSession, url: str, plan: Plan) -> AsyncGenerator[str, None]:
    """Ask the model server and yield the texts."""
    rest = b""
    async with session.post(f"{url}/chat/completions", json=asked(plan)) as answer:
        while data := await answer.content.readany():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(b"data: {"):
                    choices = decode(line[6:]).choices
                    if choices and choices[0].delta.content:
                        yield choices[0].delta.content


async def run(request: web.Request) -> web.StreamResponse:
    plan = parse_plan(request.query["plan"])
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    pending: list[bytes] = []
    ready = asyncio.Event()

    async def pump(agent_id: str, source: AsyncIterator[str]) -> None:
        head = f"event: {agent_id}.token\ndata: ".encode()
        async for text in source:
            pending.append(head + encode(Said(agent_id, "token", text)) + b"\n\n")
            ready.set()

    if plan.kind == "sdk":
        session, url = request.app[SESSION], request.app[UPSTREAM]
        agents = {f"a{n}": say(session, url, plan) for n in range(plan.agents)}
    else:
        agents = sources(plan)
    pumps = asyncio.gather(*(pump(*agent) for agent in agents.items()))
    pumps.add_done_callback(lambda _: ready.set())
    try:
        while not pumps.done() or pending:
            await ready.wait()
            ready.clear()
            data = b"".join(pending)
            pending.clear()
            await response.write(data)
        await pumps
    finally:
        pumps.cancel()
    await response.write_eof()
    return response


async def main(options: argparse.Namespace) -> None:
    app = web.Application()
    app.router.add_get("/stream", run)
    app[UPSTREAM] = options.upstream
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        app[SESSION] = session
        await serve(app)


if __name__ == "__main__":
    launch(main)
