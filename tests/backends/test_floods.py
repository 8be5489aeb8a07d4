"""A server that sends without an end ends its own agent, soon, whatever it sends and whoever reads it."""

from __future__ import annotations

import zlib
from functools import lru_cache
from itertools import repeat
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from orchestrator.backends.registry import create_backend, settings_class
from orchestrator.errors import AgentError
from tests.support.emissions import ask

MOST_SENT = 160 * 1024 * 1024
"""No backend holds more than 64 MiB of an answer; the rest is on its way."""
BLOCK = 64 * 1024

KINDS: dict[str, dict[str, Any]] = {
    "letta": {"backend": "letta", "letta_agent_id": "agent-00000000-0000-4000-8000-000000000000"},
    "chat": {"backend": "openai-agents", "model": "m", "api_key": "k"},
    "responses": {"backend": "openai-agents", "model": "m", "api_key": "k", "api": "responses"},
    "chat by the SDK": {"backend": "openai-agents", "model": "m", "api_key": "k", "transport": "sdk"},
    "responses by the SDK": {
        "backend": "openai-agents", "model": "m", "api_key": "k", "api": "responses", "transport": "sdk",
    },
    "a2a": {"backend": "a2a"},
    "ag-ui": {"backend": "ag-ui"},
    "remote": {"backend": "remote", "agent": "x"},
}  # fmt: skip
ADDRESS = {"letta": "base_url", "openai-agents": "base_url"}

FLOODS: dict[str, tuple[int, str, bytes]] = {
    "comments": (200, "text/event-stream", b": here\n\n" * (BLOCK // 8)),
    "one line": (200, "text/event-stream", b"x" * BLOCK),
    "lines of one event": (200, "text/event-stream", b"data: x\n" * (BLOCK // 8)),
    "a JSON text": (200, "application/json", b" " * BLOCK),
    "an error": (500, "application/json", b"x" * BLOCK),
}


def backend_at(kind: str, address: str) -> Any:
    keys = KINDS[kind]
    known = settings_class(keys["backend"])
    assert known is not None
    settings = known.model_validate({"agent_id": "a", **keys, ADDRESS.get(keys["backend"], "url"): address})
    return create_backend(settings, {"a": settings})


@lru_cache
def packed() -> bytes:
    """Return 100 MB of one line, packed to 100 KB."""
    pack = zlib.compressobj(1, wbits=31)
    return b"".join([*(pack.compress(b"x" * 1_000_000) for _ in range(100)), pack.flush()])


@pytest.mark.parametrize("how", [*FLOODS, "packed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_flood_ends_its_agent(kind: str, how: str, aiohttp_server: AiohttpServer) -> None:
    status, label, block = FLOODS["one line" if how == "packed" else how]
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        await request.read()
        head = {"Content-Type": label, **({"Content-Encoding": "gzip"} if how == "packed" else {})}
        response = web.StreamResponse(status=status, headers=head)
        await response.prepare(request)
        for piece in (packed(),) if how == "packed" else repeat(block):
            await response.write(piece)
            sent += len(piece)
            assert sent < MOST_SENT
        return response

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", flood)
    server = await aiohttp_server(app)
    backend = backend_at(kind, str(server.make_url("/")).rstrip("/"))
    try:
        with pytest.raises(AgentError) as failed:
            await ask(backend)
    finally:
        await backend.aclose()
    assert failed.value.code in ("upstream_invalid", "upstream_unavailable", "upstream_rejected")
    assert sent < MOST_SENT
