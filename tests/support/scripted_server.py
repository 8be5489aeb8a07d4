"""A small server that speaks the protocol over real sockets, and misbehaves on demand.

It holds one run as a log of events. Each connection to its stream takes the next `Plan`; without one it
sends all there is and waits for more. It is no model of the real server: it exists to fail in known ways.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from tests.support.patience import PATIENCE_SECONDS
from tests.support.probe import ProblemServer

RUN_ID = "run_scripted"
METRICS = {
    "queue_ms": 1,
    "ttft_ms": 210,
    "duration_ms": 1500,
    "output_chars": 5,
    "tokens_per_s": 31.0,
    "retries": 0,
}


@dataclass(frozen=True)
class Plan:
    """What one connection does: answer *status*, or send *events* entries and then *end*."""

    events: int | None = None
    end: Literal["close", "abort", "hang"] = "hang"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"
    prefix: bytes = b"retry: 10\n: hello\n\n"
    cut_bytes: int = 0
    """Bytes of the next entry that are still sent before the end."""


class ScriptedServer:
    """Holds the log, the plans and what was asked."""

    def __init__(self) -> None:
        self.entries: list[tuple[str | None, str, dict[str, Any]]] = []
        self.plans: deque[Plan] = deque()
        self.cursors: list[str | None] = []
        self.requests: list[tuple[str, str, Any, dict[str, str]]] = []
        self.refuse: dict[str, tuple[int, dict[str, Any], dict[str, str]]] = {}
        self.lose_answers = 0
        self.snapshot: dict[str, Any] = {
            "run_id": RUN_ID,
            "channel": RUN_ID,
            "conversation_id": None,
            "message": "hi",
            "status": "running",
            "agents": {},
        }
        self.runs: dict[str, dict[str, Any]] = {}
        """Run id → the snapshot of a further run, for a log of several."""
        self.over: dict[str, Any] | None = None
        """The run in which another panel sits over this one's answers; None: in this one."""
        self.on_cancel: dict[str | None, list[tuple[str, dict[str, Any]]]] = {}
        self.grown = asyncio.Condition()
        self.closed = 0
        self.asked = asyncio.Condition()
        self.base_url = ""

    # ── the log ───────────────────────────────────────────────────────────────────────────────

    def say(self, event_name: str, /, **data: Any) -> None:
        """Append an event, without waking those who wait for it."""
        name = event_name
        agent_id, _, kind = name.rpartition(".")
        who = {} if agent_id in ("run", "panel") else {"agent_id": agent_id}
        self.entries.append((f"ep-{len(self.entries) + 1}", name, {**who, "type": kind, "t": 0} | data))

    def begin(self, *agents: str) -> None:
        infos = [{"agent_id": a, "title": a.title(), "backend": "offline", "model": f"{a}-1"} for a in agents]
        self.say("run.started", run_id=RUN_ID, channel=RUN_ID, agents=infos)
        for agent_id in agents:
            self.snapshot["agents"][agent_id] = {"status": "running", "attempt": 1, "text": ""}
            self.say(f"{agent_id}.started", attempt=1)

    def done(self, agent_id: str, text: str) -> None:
        usage = {"input_tokens": 3, "output_tokens": 2}
        self.say(
            f"{agent_id}.done",
            text=text,
            usage=usage,
            finish_reason="stop",
            metrics=METRICS,
            attempt=1,
            t=1500,
        )

    def error(self, agent_id: str, message: str = "no such key", code: str = "upstream_auth") -> None:
        self.say(
            f"{agent_id}.error",
            code=code,
            message=message,
            error_id="e1",
            retryable=False,
            metrics=METRICS,
            attempt=1,
        )

    def end(self, status: str, **agents: str) -> None:
        outcomes = {agent_id: {"status": state, "attempt": 1} for agent_id, state in agents.items()}
        metrics = {
            "duration_ms": 1600,
            "output_chars": 5,
            "input_tokens": 3,
            "output_tokens": 2,
            "retries": 0,
        }
        self.say("run.done", status=status, agents=outcomes, metrics=metrics, t=1600)

    async def wake(self) -> None:
        async with self.grown:
            self.grown.notify_all()

    async def until_asked(self, method: str, path: str) -> None:
        """Wait until a request of that kind has come."""
        async with asyncio.timeout(PATIENCE_SECONDS), self.asked:
            await self.asked.wait_for(lambda: any(r[:2] == (method, path) for r in self.requests))

    # ── HTTP ──────────────────────────────────────────────────────────────────────────────────

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.raw_path, body, dict(request.headers)))
        async with self.asked:
            self.asked.notify_all()
        if request.path in self.refuse:
            status, problem, headers = self.refuse[request.path]
            return web.json_response(
                problem, status=status, headers=headers, content_type="application/problem+json"
            )
        if request.method == "POST" and self.lose_answers:
            self.lose_answers -= 1
            transport = request.transport
            assert transport is not None
            transport.abort()
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        method, path = request.method, request.path
        if path.endswith("/events"):
            return await self._stream(request)
        if path.endswith("/cancel"):
            return await self._cancel(path)
        if path.endswith("/panel"):
            return web.json_response(self.over or self.snapshot, status=202)
        if method == "POST" and path == "/v1/runs":
            return web.json_response(self.snapshot, status=201)
        if method == "POST":
            return web.json_response(self.snapshot, status=202)
        if method == "DELETE":
            return web.Response(status=204)
        if path == "/v1/agents":
            return web.json_response({"agents": [{"agent_id": "a"}]})
        if path == "/v1/panels":
            methods = [{"method": "judge"}, {"method": "race"}]
            return web.json_response(
                {"panels": [{"panel_id": "council", "title": "Council"}], "methods": methods}
            )
        if path == "/v1/runs":
            return web.json_response({"runs": [*reversed(self.runs.values())] or [self.snapshot]})
        return web.json_response(self.runs.get(path.rpartition("/")[2], self.snapshot))

    async def _cancel(self, path: str) -> web.Response:
        parts = path.split("/")
        agent_id = parts[5] if "agents" in parts else None
        for name, data in self.on_cancel.get(agent_id, []):
            self.say(name, **data)
        for one, state in self.snapshot["agents"].items():
            if agent_id in (None, one) and state["status"] == "running":
                state["status"] = "cancelling"
        answer = web.json_response(self.snapshot, status=202)
        await self.wake()
        return answer

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.cursors.append(request.headers.get("Last-Event-ID"))
        plan = self.plans.popleft() if self.plans else Plan()
        if plan.status != 200:
            return web.Response(status=plan.status, headers=plan.headers)
        response = web.StreamResponse(headers={"Content-Type": plan.content_type, **plan.headers})
        await response.prepare(request)
        await response.write(plan.prefix)
        try:
            await self._send(response, plan, self._start(self.cursors[-1]), self._only(request.path))
        finally:
            self.closed += 1
        if plan.end == "abort":
            assert request.transport is not None
            request.transport.abort()
        return response

    def _start(self, cursor: str | None) -> int:
        ids = [entry[0] for entry in self.entries]
        return ids.index(cursor) + 1 if cursor and cursor in ids else 0

    def _only(self, path: str) -> str | None:
        """Return the run whose stream alone is asked for, if there are several."""
        run_id = path.split("/")[3]
        return run_id if run_id in self.runs else None

    async def _send(self, response: web.StreamResponse, plan: Plan, at: int, only: str | None) -> None:
        sent = 0
        while plan.events is None or sent < plan.events:
            async with self.grown:
                while at >= len(self.entries):
                    await self.grown.wait()
            if only is not None and self.entries[at][2].get("run_id") != only:
                at += 1
                continue
            await response.write(encode(*self.entries[at]))
            if self.entries[at][1] == "run.done":
                return
            at, sent = at + 1, sent + 1
        if plan.cut_bytes:
            await response.write(encode(*self.entries[at])[: plan.cut_bytes])
        if plan.end == "hang":
            await asyncio.sleep(3600)


def encode(event_id: str | None, name: str, data: dict[str, Any]) -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n".encode()


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """Run a scripted server on a free port of the loopback."""
    script = ScriptedServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    async with ProblemServer(app, handler_cancellation=True) as server:
        script.base_url = f"http://127.0.0.1:{server.port}"
        yield script
