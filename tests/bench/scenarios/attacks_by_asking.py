"""Attacks by what a caller sends: bodies, messages, runs."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from urllib.parse import urlsplit

from .attack_target import Target


async def nothing(target: Target) -> None:
    await asyncio.sleep(3)


WIDE = "(?i)" + "".join(f"[\\U{0x10000 + 64 * n:08x}-\\U{0xE0000 + n:08x}]" for n in range(40))


async def patterns(target: Target) -> None:
    """Regular expressions that are slow to compile, each another one."""

    async def one(n: int) -> None:
        panel = {"method": "race", "members": ["brief", "wordy"], "valid": f"{WIDE}{n}"}
        await target.start(agents=["brief", "wordy"], panel=panel)

    await target.many(target.options.pick(12, 3), 6, one)


async def members(target: Target) -> None:
    """8 MiB of JSON with 600,000 keys."""
    body = (
        b'{"message":"x",'
        + b",".join(b'"k%d":1' % n for n in range(target.options.pick(600_000, 50_000)))
        + b"}"
    )
    await target.many(target.options.pick(8, 2), 4, lambda _: target.post(body))


async def quotes(target: Target) -> None:
    """8 MiB of quotation marks within one text."""
    body = b'{"message":"' + b'\\"' * target.options.pick(4_000_000, 100_000) + b'"}'
    await target.many(target.options.pick(8, 2), 4, lambda _: target.post(body))


async def deep(target: Target) -> None:
    """Deep JSON over WebSocket."""
    async with target.session.ws_connect(f"{target.url}/v1/ws") as ws:
        for _ in range(target.options.pick(50, 5)):
            await ws.send_str('{"op":' + "[" * 500_000)
            assert "error" in (await ws.receive()).data, "the socket was closed"


async def lists(target: Target) -> None:
    """Lists of runs with long answers."""
    await target.many(
        target.options.pick(200, 20), 8, lambda _: target.start(agents=["wordy"], message="m" * 90_000)
    )
    for _ in range(target.options.pick(10, 2)):
        async with target.session.get(f"{target.url}/v1/runs?limit=200") as answer:
            await answer.read()


async def gaps(target: Target) -> None:
    """A cursor that cannot be used, on a channel of many runs."""
    await target.many(target.options.pick(1200, 60), 8, lambda _: target.start(channel="busy"))
    headers = {"Last-Event-ID": "nowhere-1"}
    async with target.session.get(f"{target.url}/v1/channels/busy/events", headers=headers) as answer:
        async for line in answer.content:
            if b'"run.snapshot"' in line or b"event: run.snapshot" in line:
                return


async def deaf(target: Target) -> None:
    """Clients that ask for long JSON and never read it."""
    run = json.dumps({"message": "m" * 90_000, "agents": ["wordy"]}).encode()
    await target.many(10, 4, lambda _: target.post(run))
    async with target.session.get(f"{target.url}/v1/runs?limit=10") as answer:
        ids = [each["run_id"] for each in (await answer.json())["runs"]]
    address = urlsplit(target.url)
    socks = []
    for n in range(target.options.pick(100, 10)):
        sock = socket.create_connection((address.hostname or "", address.port or 80))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = f"GET /v1/runs/{ids[n % len(ids)]} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
        sock.sendall(request.encode() * 20)
        socks.append(sock)
    await asyncio.sleep(target.options.pick(5, 1))
    for sock in socks:
        sock.close()


async def images(target: Target) -> None:
    """Runs with images."""
    image = "data:image/png;base64," + base64.b64encode(b"\x89PNG" + bytes(750_000)).decode()
    body = json.dumps({"message": "look", "agents": ["brief"], "images": [image]}).encode()
    await target.many(target.options.pick(500, 10), 4, lambda _: target.post(body))


async def conversations(target: Target) -> None:
    """Conversations, each with a long message."""

    async def one(n: int) -> None:
        await target.start(conversation_id=f"c{n}", message="m" * 90_000)

    await target.many(target.options.pick(1000, 20), 8, one)


async def dialects(target: Target) -> None:
    """Large, deep and odd bodies in the other APIs, and variants with long settings"""
    text = "w" * target.options.pick(7_500_000, 50_000)
    said = [{"role": "user", "content": [{"type": "text", "text": text}]}]
    many = [{"role": "user", "content": "x" * 8000} for _ in range(240)]
    deep: object = "x"
    for _ in range(14):
        deep = [deep, deep] if isinstance(deep, str) else [deep]
    message = {"messageId": "m", "contextId": "c", "parts": [{"text": text}]}
    parts = [{"role": "user", "parts": [{"type": "text", "text": text}]}]
    tool = {"name": "ask", "arguments": {"message": text, "agents": ["brief"]}}
    changed = [{"agent_id": "brief", "as": f"v{n}", "instructions": "i" * 60_000} for n in range(32)]
    asked: dict[str, dict[str, object]] = {
        "/v1/chat/completions": {"model": "brief", "messages": said},
        "/v1/chat/completions?": {"model": "+".join(["brief"] * 400), "messages": many},
        "/v1/responses": {"model": "brief", "input": text, "instructions": text},
        "/v1/responses?": {"model": "brief", "input": deep, "previous_response_id": text},
        "/v1/ai-sdk/chat": {"id": text, "messages": parts},
        "/v1/ag-ui": {"threadId": text, "runId": text, "messages": said, "context": deep},
        "/v1/a2a/brief": {
            "jsonrpc": "2.0",
            "id": text,
            "method": "SendMessage",
            "params": {"message": message},
        },
        "/v1/a2a/brief/message:send": {"message": message},
        "/v1/mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool},
        "/v1/runs": {"message": "x", "agents": changed},
    }
    bodies = [(path, json.dumps(body).encode()) for path, body in asked.items()]
    count = target.options.pick(40, 1) * len(bodies)
    await target.many(count, 8, lambda n: target.post(bodies[n % len(bodies)][1], bodies[n % len(bodies)][0]))
