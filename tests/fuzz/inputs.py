"""Odd inputs made from a seed: requests, messages, cursors, files of agents, rows of stores. Sends nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

PATHS = (
    "/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/protocol", "/web/bundle/page.js",
    "/v1/agents", "/v1/panels", "/v1/runs", "/v1/runs?limit=3", "/v1/runs?cursor=1&q=x", "/v1/runs/RUN",
    "/v1/runs/RUN/events", "/v1/runs/RUN/cancel", "/v1/runs/RUN/vote", "/v1/runs/RUN/agents", "/v1/runs/RUN/panel",
    "/v1/runs/RUN/agents/a/cancel", "/v1/runs/RUN/agents/a/retry", "/v1/runs/RUN/agents/a/approvals/c",
    "/v1/channels/c/events", "/v1/conversations/talk", "/v1/ws", "/v1/scores", "/v1/scores?q=x&by=vote",
    "/v1/scores.csv", "/v1/scores/pairs?by=judge", "/v1/runs/RUN/agents/a",
)  # fmt: skip
_TEXT = {"type": "text", "text": "x"}
_ASKED: list[Any] = [
    {"role": "system", "content": "x"},
    {"role": "user", "content": [_TEXT]},
]
_ANSWERED: dict[str, Any] = {
    "type": "mcp_approval_response",
    "approval_request_id": "mcpr_RUN/a/c",
    "approve": True,
}
_PART: dict[str, Any] = {"state": "approval-responded", "approval": {"id": "RUN/a/c", "approved": True}}
_SENT: dict[str, Any] = {
    "message": {"messageId": "m", "contextId": "c", "parts": [{"text": "x"}], "metadata": {"agents": ["a"]}}
}
_TOOL: dict[str, Any] = {
    "name": "ask",
    "arguments": {"message": "x", "agents": ["a"]},
    "_meta": {"progressToken": 1},
}
DIALECTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "a+b", "messages": _ASKED, "stream": True, "stream_options": {"include_usage": True}, "agents": None
    },
    "/v1/responses": {
        "model": "a", "input": _ASKED, "instructions": "x", "previous_response_id": "resp_RUN", "background": True
    },
    "/v1/responses?": {"model": "a", "input": [_ANSWERED], "stream": True},
    "/v1/ai-sdk/chat": {
        "id": "c", "messages": [{"role": "user", "parts": [_TEXT, {"type": "file", "url": "x"}]}],
        "labels": True, "model": "a",
    },
    "/v1/ai-sdk/chat?": {"id": "c", "messages": [{"role": "assistant", "parts": [_PART]}]},
    "/v1/ag-ui": {
        "threadId": "t", "runId": "RUN", "messages": _ASKED, "protocolVersion": "1.0", "forwardedProps": {"model": "a"},
        "resume": [],
    },
    "/v1/ag-ui/a": {
        "threadId": "t", "runId": "r", "resume": [{"interruptId": "RUN/a/c", "payload": {"approved": True}}]
    },
    "/v1/a2a/a": {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": _SENT},
    "/v1/a2a/a?": {"jsonrpc": "2.0", "id": "x", "method": "GetTask", "params": {"id": "RUN"}},
    "/v1/a2a/a+b/message:send": _SENT,
    "/v1/a2a/default/message:stream": _SENT,
    "/v1/mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": _TOOL},
    "/v1/mcp?": {"jsonrpc": "2.0", "id": "RUN/a/c", "result": {"action": "accept", "content": {"approve": True}}},
    "/v1/mcp?x": {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
}  # fmt: skip
"""What the APIs of others are asked, by their paths; a query tells two bodies of one path apart."""

PATHS_OF_DIALECTS = (
    *DIALECTS, "/v1/models", "/v1/models/a", "/v1/responses/resp_RUN", "/v1/responses/resp_RUN?stream=true",
    "/v1/responses/resp_RUN?stream=true&starting_after=17", "/v1/responses/resp_RUN/cancel",
    "/v1/ai-sdk/chat/c/stream", "/v1/ai-sdk/chat/c/stop", "/v1/ag-ui/runs/r/cancel", "/.well-known/agent-card.json",
    "/v1/a2a/a/.well-known/agent-card.json", "/v1/a2a/a/tasks/RUN", "/v1/a2a/a/tasks/RUN:cancel",
    "/v1/a2a/a/tasks/RUN:subscribe", "/v1/mcp", "/v1/ag-ui/runs/RUN/events",
    "/v1/runs/RUN/events?framing=ai-sdk", "/v1/runs/RUN/events?framing=a2a",
)  # fmt: skip
PATHS_OF_OPERATORS = (
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/v1/runs",
    "/v1/mcp",
    "/nowhere",
)
METHODS = ("GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "get", "\x80")
HEADERS = (
    "Accept", "Accept-Encoding", "Authorization", "Content-Type", "Content-Encoding", "Expect", "Idempotency-Key",
    "If-None-Match", "Last-Event-ID", "Origin", "Range", "Sec-Fetch-Site", "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions", "TE", "Trailer", "Upgrade",
    "Connection", "traceparent", "X-Forwarded-For", "Cookie", "Access-Control-Request-Method",
)  # fmt: skip
PIECES = (
    b"", b"\x80", b"\xff\xfe", b"\xc3\xa9", b"\xed\xa0\x80", b"\x00", b"\t", b"\x7f", b"gzip", b"br",
    b"text/event-stream", b"application/json", b"100-continue", b"websocket", b"13", b"*", b"q=2", b";", b",",
    b"x" * 300, b"00-" + b"0" * 52,
    b"%ff", b"=?utf-8?q?x?=", b"null", b"chunked", b"orchestrator.v1", b"bearer.\xff",
)  # fmt: skip
TEXTS: tuple[str, ...] = (
    "", "x", "\ud800", "\udfff\ud800", "\x00", "é" * 40, "\u2028", "a" * 5000, "run_", "../..", "%s%n", "${env:HOME}",
    "\uffff",
)  # fmt: skip


PANEL_KEYS = ("method", "members", "moderator", "prompt", "description", "layers", "start_when", "limits")
ENDINGS = (b"?", b"/", b"%00", b"%ff", b"?limit=%ff", b"?after=\x80", b"?framing=x", b"?agents=,,", b"#x")
YAML_PIECES = (
    *PIECES, b"- ", b": ", b"&a ", b"*a", b"<<: ", b"!!python/object ", b"{", b"[", b"'", b"${env:", b"\n  ", b"? ",
    b"${file:",
)  # fmt: skip


class Odd:
    """Makes odd things, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, things: Sequence[Any]) -> Any:
        """Choose one of *things*."""
        return self._random.choice(things)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def bytes(self) -> bytes:
        return b"".join(self.pick(PIECES) for _ in range(self._random.randint(1, 3)))

    def value(self, depth: int = 0) -> Any:
        """Any JSON value."""
        kinds: list[Any] = [None, True, 0, -1, 1.5, 10**30, self.pick(TEXTS)]
        if depth < 4 and self.chance(0.4):
            if self.chance(0.5):
                return [self.value(depth + 1) for _ in range(self._random.randint(0, 4))]
            return {self.pick(TEXTS): self.value(depth + 1) for _ in range(self._random.randint(0, 4))}
        return self.pick(kinds)

    def start(self) -> dict[str, Any]:
        """A body of `POST /v1/runs` in which little is wrong, or much."""
        body: dict[str, Any] = {"message": "x", "agents": ["a"]}
        usual: dict[str, Any] = {
            "message": "x", "agents": ["a", "b"], "conversation_id": "talk", "channel": "c", "on_disconnect": "cancel",
            "images": ["data:image/png;base64,AAAA"], "blind": True,
            "panel": {"method": "race", "members": ["a", "b"], "description": "x"},
        }  # fmt: skip
        for key, plain in usual.items():
            if self.chance(0.3):
                body[key] = plain if self.chance(0.4) else self.value()
        panel = body.get("panel")
        if isinstance(panel, dict) and self.chance(0.6):
            key = self.pick(PANEL_KEYS)
            panel[key] = self.value()
        if isinstance(body.get("images"), list) and self.chance(0.5):
            body["images"].append(self.pick(TEXTS))
        return body

    def json(self) -> bytes:
        """JSON, mostly; as bytes that are UTF-8, mostly."""
        value = self.start() if self.chance(0.6) else self.value()
        text = json.dumps(value, ensure_ascii=self.chance(0.6))
        if self.chance(0.15):
            cut = self._random.randint(0, len(text))
            text = text[:cut] + self.pick((*TEXTS, "[" * 400, '{"a":' * 400, "NaN", '"', "\\")) + text[cut:]
        return text.encode("utf-8", "surrogatepass" if self.chance(0.3) else "replace")

    def changed(self, value: Any) -> Any:
        """*value* with something odd in some of its places."""
        if self.chance(0.06):
            return self.value(2)
        if isinstance(value, dict):
            return {key: self.changed(each) for key, each in value.items() if not self.chance(0.03)}
        return [self.changed(each) for each in value] if isinstance(value, list) else value

    def asked(self, path: str, run_id: str) -> bytes:
        """The body of another API's call, in which little is wrong, or much."""
        if path not in DIALECTS or self.chance(0.1):
            return self.json()
        return json.dumps(self.changed(DIALECTS[path])).replace("RUN", run_id).encode()

    def request(self, run_id: str, port: int, *, paths: Sequence[str] = ()) -> bytes:
        """A request as bytes, for one of *paths* or any; it asks for the connection to be closed."""
        named = self.pick(paths or (PATHS_OF_DIALECTS if self.chance(0.4) else PATHS))
        path = named.replace("RUN", run_id).encode()
        if self.chance(0.1):
            path += self.pick(ENDINGS)
        if self.chance(0.05):
            own = b"http://127.0.0.1:%d" % port
            path = self.pick((b"http://elsewhere.example" + path, own + path, b"*", b"//x", b"\x80"))
        usual = ("POST",) if named in DIALECTS else METHODS[:3]
        method = self.pick(usual if self.chance(0.85) else METHODS).encode("latin-1")
        body = (
            self.asked(named, run_id) if method in (b"POST", b"PUT", b"PATCH") or self.chance(0.05) else b""
        )
        lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: 127.0.0.1:%d" % port, b"Connection: close"]
        if body:
            lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
        if "a2a" in named and self.chance(0.9):
            lines.append(b"A2A-Version: 1.0")
        for _ in range(self._random.choice((0, 0, 1, 1, 2, 3))):
            lines.append(self.pick(HEADERS).encode() + b": " + self.bytes())
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def message(self, run_id: str) -> str:
        """A WebSocket message."""
        if self.chance(0.2):
            return self.json().decode("utf-8", "replace")
        op = self.pick(("start", "attach", "cancel", "detach", "nonsense"))
        told = {"op": op, "ref": self.value(3), **(self.start() if op == "start" else {})}
        for key in ("run_id", "channel", "after", "agents", "runs", "agent_id"):
            if self.chance(0.3):
                told[key] = run_id if key == "run_id" and self.chance(0.5) else self.value(3)
        text = json.dumps(told)
        return text + self.pick(("", "", "", "}", "[" * 2000))

    def cursor(self, known: str) -> bytes:
        """A `Last-Event-ID`, often near to one that is there."""
        odd = self.bytes().replace(b"\x00", b"").replace(b"\n", b"")
        near = known.encode()
        return self.pick((near, near + odd, odd, near + b"9", near[:-1], b"-", b"0-0"))

    def yaml(self, text: str) -> bytes:
        """A file of an agent with something wrong in it."""
        data = bytearray(text.encode())
        for _ in range(self._random.randint(1, 4)):
            at = self._random.randint(0, len(data))
            data[at : at + self._random.randint(0, 6)] = self.pick(YAML_PIECES)
        return bytes(data)

    def row(self, record: bytes) -> bytes:
        """A row of a store as another release, or a broken disk, might have left it."""
        if self.chance(0.3):
            return self.bytes()
        found = json.loads(record)
        for key in list(found):
            if self.chance(0.2):
                del found[key]
            elif self.chance(0.2):
                found[key] = self.value()
        found[self.pick(TEXTS)] = self.value()
        return json.dumps(found).encode()
