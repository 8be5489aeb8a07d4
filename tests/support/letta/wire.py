"""A small server that speaks Letta's wire, for the faults that a real one cannot be made to have."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SECRET = "sk-letta-secret-that-must-not-leak"
RUN, CONVERSATION = "run-1", "conv-1"


@dataclass
class Stream:
    """A 200 whose body is *parts*: objects become messages, strings and bytes stand as they are.

    `then` is what follows: a clean end, a reset, or nothing until the client leaves.
    """

    parts: Sequence[dict[str, Any] | str | bytes]
    then: str = "end"


@dataclass
class Answer:
    """Any other answer. `drop` closes the connection without a byte; `hang` waits until the client leaves."""

    status: int = 200
    body: str = json.dumps({"detail": f"refused {SECRET}"})
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    hang: bool = False


def text(words: str, seq: int | None = None, *, kind: str = "assistant_message") -> dict[str, Any]:
    """A piece of an answer, or with *kind* ``reasoning_message`` of its reasoning."""
    key = "reasoning" if kind == "reasoning_message" else "content"
    return {"message_type": kind, "id": "message-1", "run_id": RUN, "seq_id": seq, key: words}


def ping(seq: int | None = None) -> dict[str, Any]:
    return {"message_type": "ping", "id": "ping-1", "run_id": RUN, "seq_id": seq}


def stop(reason: str = "end_turn") -> dict[str, Any]:
    return {"message_type": "stop_reason", "stop_reason": reason}


def usage(read: int = 7, written: int = 3) -> dict[str, Any]:
    return {"message_type": "usage_statistics", "prompt_tokens": read, "completion_tokens": written}


def error(kind: str = "llm_error") -> str:
    """The `error` event that comes after HTTP 200."""
    body = {"message_type": "error_message", "run_id": RUN, "error_type": kind, "message": SECRET}
    return f"event: error\ndata: {json.dumps(body)}\n\n"


def call(kind: str = "tool_call_message", **piece: Any) -> dict[str, Any]:
    return {"message_type": kind, "id": "message-2", "run_id": RUN, "tool_call": piece, "tool_calls": piece}


def returned(call_id: str, output: str | list[Any], status: str = "success") -> dict[str, Any]:
    one = {"tool_return": output, "status": status, "tool_call_id": call_id}
    return {
        "message_type": "tool_return_message",
        "name": "roll",
        "run_id": RUN,
        **one,
        "tool_returns": [one],
    }


DONE = "data: [DONE]\n\n"
WELL = (stop(), usage(), DONE)
"""How an answer ends that is whole."""


class LettaWire:
    """The server, from enter to exit. `answers` are given to the requests for streams, in turn.

    Attributes:
        calls: Method, path and body of every request. left: Set once a client has left a stream.
        cancelled: Set once a cancel has come. asked: Set once a path that contains `holds`
            was asked for; it has to wait for `answer_now`.
    """

    def __init__(self, *answers: Stream | Answer, conversations: bool = True) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.asked = asyncio.Event()
        self.answer_now = asyncio.Event()
        self.answer_now.set()
        self.made = 0
        self.kept: list[str] | None = None
        """Ids of the calls that wait for approval, as a list of messages tells them; None: there is none."""
        self.holds = "/messages"
        self._conversations = conversations

    async def __aenter__(self) -> LettaWire:
        server = web.Server(self._handle, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._runner.cleanup()

    def paths(self, part: str = "") -> list[str]:
        """The paths asked for that contain *part*, in order."""
        return [path for _, path, _ in self.calls if part in path]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        self.calls.append((request.method, request.path, json.loads(raw) if raw else None))
        self.headers.append(dict(request.headers))
        path = request.path
        if path.endswith("/cancel"):
            self.cancelled.set()
            return web.json_response({RUN: "cancelled"})
        if self.holds in path:
            self.asked.set()
            await self.answer_now.wait()
        if request.method == "GET" and path.endswith("/messages") and self.kept is not None:
            calls = [{"name": "roll", "arguments": "{}", "tool_call_id": call_id} for call_id in self.kept]
            asking = {
                "message_type": "approval_request_message",
                "id": "message-2",
                "date": "2026-01-01T00:00:00Z",
            }
            return web.json_response(
                [{**text("so"), "date": asking["date"]}, {**asking, "tool_calls": calls}]
            )
        if path.endswith(("/messages", "/stream")):
            return await self._answer(request)
        if path == "/v1/conversations/" and self._conversations:
            self.made += 1
            return web.json_response({"id": f"conv-{self.made}", "agent_id": "agent-1"})
        if path.endswith("/fork") and self._conversations:
            return web.json_response({"id": f"{path.split('/')[3]}f", "agent_id": "agent-1"})
        return web.json_response({"detail": "Not Found"}, status=404)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = self.answers.pop(0) if self.answers else Answer(599)
        if isinstance(answer, Stream):
            return await self._stream(request, answer)
        if answer.drop:
            _reset(request)
        if answer.drop or answer.hang:
            await self._until_gone(request)
        headers = {"X-Debug": SECRET, **answer.headers}
        return web.Response(
            status=answer.status, text=answer.body, content_type=answer.content_type, headers=headers
        )

    async def _stream(self, request: web.BaseRequest, answer: Stream) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for part in answer.parts:
            if isinstance(part, dict):
                part = f"data: {json.dumps(part)}\n\n"
            await response.write(part.encode() if isinstance(part, str) else part)
        if answer.then == "reset":
            # What was written must leave first, or the reset would take it along.
            await asyncio.sleep(0.05)
            _reset(request)
        if answer.then != "end":
            await self._until_gone(request)
        return response

    async def _until_gone(self, request: web.BaseRequest) -> None:
        try:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.01)
        finally:
            self.left.set()


def _reset(request: web.BaseRequest) -> None:
    if request.transport is not None:
        raw = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        request.transport.abort()


class EchoWire(LettaWire):
    """Thinks, then says what it was asked, word by word, for as many runs at once as there are."""

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = next(body for _, path, body in reversed(self.calls) if path == request.path)
        asked = str(body["messages"][-1]["content"]).split()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        thoughts = (text(f"{word} ", kind="reasoning_message") for word in asked)
        for message in (ping(), *thoughts, *(text(f"{word} ") for word in asked), stop(), usage()):
            await response.write(f"data: {json.dumps(message)}\n\n".encode())
            await asyncio.sleep(0.005)
        await response.write(DONE.encode())
        return response
