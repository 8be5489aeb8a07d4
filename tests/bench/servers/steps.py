"""The agents' own steps: a task for each agent takes its tokens and does nothing with them. Below this is nothing.

When all have ended, as many marks as they said are written at once, for the client that counts them.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from ..sources import MARK, parse_plan, sources
from .launch import launch, serve


async def count(source: AsyncIterator[str]) -> int:
    tokens = 0
    async for _ in source:
        tokens += 1
    return tokens


async def run(request: web.Request) -> web.StreamResponse:
    plan = parse_plan(request.query["plan"])
    response = web.StreamResponse()
    await response.prepare(request)
    said = await asyncio.gather(*map(count, sources(plan).values()))
    await response.write(MARK.encode() * sum(said))
    await response.write_eof()
    return response


async def main(options: argparse.Namespace) -> None:
    app = web.Application()
    app.router.add_get("/stream", run)
    await serve(app)


if __name__ == "__main__":
    launch(main)
