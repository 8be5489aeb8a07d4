"""Real AG-UI servers: Pydantic AI's adapter around an agent of it, and the frames of older ones, word for word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .asgi import AsgiServer, serving_asgi

Frames = Callable[[dict[str, Any]], AsyncIterator[dict[str, Any] | str]]


@asynccontextmanager
async def ag_ui_frames(
    frames: Frames, *, refuses: frozenset[str] = frozenset()
) -> AsyncIterator[tuple[AsgiServer, list[dict[str, Any]]]]:
    """Serve what *frames* yields for each request; also give the requests. *refuses* names keys it does not know."""
    asked: list[dict[str, Any]] = []

    async def run(request: Request) -> Response:
        body = await request.json()
        if refuses & body.keys():
            return JSONResponse({"detail": "extra fields not permitted"}, 422)
        asked.append(body)

        async def stream() -> AsyncIterator[str]:
            async for frame in frames(body):
                yield frame if isinstance(frame, str) else f"data: {json.dumps(frame)}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    async with serving_asgi(Starlette(routes=[Route("/", run, methods=["POST"])])) as server:
        yield server, asked


async def echo_frames(body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Repeat the question word by word."""
    yield {"type": "RUN_STARTED", "threadId": body["threadId"], "runId": body["runId"]}
    yield {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}
    for word in body["messages"][-1]["content"].split():
        await asyncio.sleep(0.01)
        yield {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": f"{word} "}
    yield {"type": "TEXT_MESSAGE_END", "messageId": "m"}
    yield {"type": "RUN_FINISHED", "threadId": body["threadId"], "runId": body["runId"]}


@asynccontextmanager
async def pydantic_ai_served(agent: Any) -> AsyncIterator[AsgiServer]:
    """Serve an agent of Pydantic AI by its own AG-UI adapter."""
    from pydantic_ai.ui.ag_ui import AGUIAdapter

    async def run(request: Request) -> Response:
        answer: Response = await AGUIAdapter.dispatch_request(request, agent=agent)
        return answer

    async with serving_asgi(Starlette(routes=[Route("/", run, methods=["POST"])])) as server:
        yield server
