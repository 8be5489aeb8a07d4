"""Covers `server/http/guards/security.py` and `origin.py`: requests over real sockets, spellings without."""

from __future__ import annotations

import base64
import dataclasses
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError, web
from pytest_aiohttp import AiohttpClient

from orchestrator.backends.base import AgentInput
from orchestrator.errors import ConfigError, Conflict
from orchestrator.server.app import create_app
from orchestrator.server.http.guards.origin import parse_authority
from orchestrator.server.http.guards.security import (
    SECURITY_HEADERS,
    HostRule,
    SecuritySettings,
    check_bind,
    setup_security,
)
from orchestrator.server.http.guards.tokens import TOKEN_PROTOCOL_PREFIX, WEBSOCKET_PROTOCOL
from orchestrator.server.http.problem import setup_problems
from tests.support.probe import Answer, Ask, Listen

FRIEND = "https://app.example"
TOKEN = "correct-horse"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def make_app(**settings: Any) -> web.Application:
    app = web.Application()
    setup_problems(app)
    setup_security(app, SecuritySettings(**settings))

    async def plain(request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def fail(request: web.Request) -> web.StreamResponse:
        raise Conflict("No.")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Run-Id": "run_1"})
        await response.prepare(request)
        await response.write(b": hi\n\n")
        return response

    async def socket(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(protocols=(WEBSOCKET_PROTOCOL,))
        await ws.prepare(request)
        await ws.send_str("hello")
        await ws.close()
        return ws

    app.router.add_get("/", plain)
    app.router.add_get("/metrics", plain)
    app.router.add_post("/elsewhere", plain)
    app.router.add_get("/v1/agents", plain)
    app.router.add_post("/v1/runs", plain)
    app.router.add_get("/v1/fail", fail)
    app.router.add_get("/v1/stream", stream)
    app.router.add_get("/v1/ws", socket)
    return app


Call = Callable[..., Awaitable[Answer]]


@pytest.fixture
def call(ask: Ask) -> Call:
    """Ask an application with these security settings once."""

    async def call_once(
        method: str = "GET", path: str = "/v1/agents", headers: dict[str, str] | None = None, **settings: Any
    ) -> Answer:
        return await ask(lambda: make_app(**settings), method, path, headers=headers or {})

    return call_once


# ── Host ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:9999", "127.8.9.1", "localhost", "LocalHost:8080", "localhost.:80",
     "a.localhost", "[::1]:8080", "[::1]", "[::ffff:127.0.0.1]:80"],
)  # fmt: skip
async def test_loopback_hosts_are_answered(host: str, call: Call) -> None:
    """A tunnel or a forwarded port changes the number, so any port does."""
    assert (await call(headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example",
     "192.168.1.5", "0.0.0.0:8080", "[::]:8080"],
)  # fmt: skip
async def test_foreign_hosts_are_refused(host: str, call: Call) -> None:
    """DNS rebinding: the name is the attacker's, the address is ours."""
    assert (await call(headers={"Host": host})).problem["status"] == 403


@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing"])
async def test_foreign_hosts_are_refused_everywhere(path: str, call: Call) -> None:
    assert (await call(path=path, headers={"Host": "evil.example"})).problem["status"] == 403


@pytest.mark.parametrize(
    "host", ["", "a b", "localhost:port", "localhost:99999", "user@localhost", "::1", "[::1"]
)
async def test_a_malformed_host_is_refused(host: str, call: Call) -> None:
    assert (await call(headers={"Host": host})).problem["status"] == 400


@pytest.mark.parametrize(
    ("allowed", "host", "expected"),
    [
        ("api.example", "api.example", True),
        ("api.example", "API.example.:444", True),
        ("api.example:443", "api.example:443", True),
        ("api.example:443", "api.example:80", False),
        ("api.example", "x.api.example", False),
        ("fd00::7", "[fd00::7]:8080", True),
        ("[fd00::7]:1", "[fd00::7]:2", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "A.b.example.com.:444", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.badexample.com", False),
        ("*.example.com", "a.example.com.evil.example", False),
        ("*.example.com:443", "a.example.com:443", True),
        ("*.example.com:443", "a.example.com:80", False),
        ("*.0.0.1", "10.0.0.1", False),
    ],
)
def test_allow_host_adds_names(allowed: str, host: str, expected: bool) -> None:
    authority = parse_authority(host)
    assert authority is not None
    assert HostRule(SecuritySettings(allow_hosts=(allowed,))).allows(authority) is expected


@pytest.mark.parametrize(
    ("bound", "host", "expected"),
    [
        ("10.0.0.7", "10.0.0.7:8080", True),
        ("10.0.0.7", "10.0.0.8:8080", False),
        ("box.lan", "box.lan", True),
        ("fd00::7", "[fd00::7]:8080", True),
        ("0.0.0.0", "10.1.2.3", True),
        ("::", "[fd00::7]", True),
        ("", "10.1.2.3", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", "0.0.0.0", False),
    ],
)
def test_the_bound_host_is_answered(bound: str, host: str, expected: bool) -> None:
    """Bound to every interface, any address literal is ours, but no name is: rebinding needs a name."""
    authority = parse_authority(host)
    assert authority is not None
    assert HostRule(SecuritySettings(host=bound)).allows(authority) is expected


# ── Origin ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("LOCALHOST:8080", "http://localhost:8080"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost", "https://localhost"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
async def test_our_own_pages_may_post(host: str, origin: str, call: Call) -> None:
    """TLS may end at a proxy, so the page may be https where the request is not."""
    answer = await call("POST", "/v1/runs", {"Host": host, "Origin": origin})
    assert answer.status == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


FOREIGN = [
    "https://evil.example",
    "http://localhost:3000",
    "http://127.0.0.1:8080",
    "https://localhost:80",
    "null",
    "",
    "garbage",
    "file://",
    "chrome-extension://localhost",
    "http://localhost:8080@evil.example",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/agents"), ("POST", "/v1/runs"), ("POST", "/elsewhere")]
)
async def test_foreign_pages_are_refused(method: str, path: str, origin: str, call: Call) -> None:
    answer = await call(method, path, {"Host": "localhost:8080", "Origin": origin})
    assert answer.problem["status"] == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_foreign_pages_may_load_the_page_itself(call: Call) -> None:
    """It changes nothing, and the browser keeps the answer from them."""
    answer = await call("GET", "/", {"Origin": "https://evil.example"})
    assert answer.status == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("method", "fetch", "status"),
    [
        ("POST", {"Site": "cross-site"}, 403),
        ("POST", {"Site": "same-site"}, 403),
        ("POST", {"Site": "cross-site", "Mode": "navigate", "Dest": "document"}, 403),
        ("POST", {"Site": "same-origin"}, 200),
        ("POST", {"Site": "none"}, 200),
        ("GET", {"Site": "cross-site", "Mode": "no-cors", "Dest": "script"}, 403),
        ("GET", {"Site": "cross-site", "Mode": "navigate", "Dest": "iframe"}, 403),
        ("GET", {"Site": "cross-site", "Mode": "navigate", "Dest": "document"}, 200),
        ("GET", {"Site": "same-origin", "Mode": "cors", "Dest": "empty"}, 200),
    ],
)
async def test_fetch_metadata_counts_where_no_origin_is_sent(
    method: str, fetch: dict[str, str], status: int, call: Call
) -> None:
    """A script or image element of a foreign page sends no Origin, but says where it comes from."""
    headers = {f"Sec-Fetch-{name}": value for name, value in fetch.items()}
    path = "/v1/runs" if method == "POST" else "/v1/agents"
    assert (await call(method, path, headers)).status == status


async def test_null_can_be_allowed(call: Call) -> None:
    """A page from a file has this origin; so has every sandboxed frame, hence only by name."""
    answer = await call("POST", "/v1/runs", {"Origin": "null"}, allow_origins=("null",))
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "null")


# ── CORS ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/agents", 200), ("/v1/stream", 200), ("/v1/fail", 409), ("/v1/x", 404)]
)
async def test_allowed_origins_can_read_every_answer(path: str, status: int, call: Call) -> None:
    """Streams and failures too: without the headers a page sees a failure as an opaque network error."""
    answer = await call("GET", path, {"Origin": FRIEND}, allow_origins=("https://App.Example:443/",))
    assert answer.status == status
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
    assert answer.headers["Vary"] == "Origin"
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert {"Run-Id", "Location", "Retry-After"} <= set(exposed.split(", "))


async def test_a_401_can_be_read_too(call: Call) -> None:
    answer = await call("GET", "/v1/agents", {"Origin": FRIEND}, allow_origins=(FRIEND,), token=TOKEN)
    assert answer.problem["status"] == 401
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND


async def test_a_preflight_needs_no_token(call: Call) -> None:
    """Browsers send preflights without credentials."""
    headers = {
        "Origin": FRIEND,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = await call("OPTIONS", "/v1/runs", headers, allow_origins=(FRIEND,), token=TOKEN)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
    assert {"GET", "POST", "DELETE"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    allowed = {name.lower() for name in answer.headers["Access-Control-Allow-Headers"].split(", ")}
    assert {"authorization", "content-type", "last-event-id", "idempotency-key"} <= allowed
    assert answer.headers["Access-Control-Allow-Private-Network"] == "true"
    assert answer.headers["Vary"] == "Origin"


async def test_a_foreign_preflight_is_refused(call: Call) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in ("/v1/runs", "/"):
        answer = await call("OPTIONS", path, headers, allow_origins=(FRIEND,))
        assert answer.problem["status"] == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


# ── the token ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path", ["/v1/agents", "/%76%31/agents", "/v1/%61gents", "/v1/nothing", "/v1", "/v1/ws"]
)
async def test_everything_below_v1_needs_the_token(path: str, call: Call) -> None:
    answer = await call(path=path, token=TOKEN)
    assert answer.problem["status"] == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "value",
    [
        "Bearer wrong",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer é",
    ],
)
async def test_other_credentials_are_refused(value: str, call: Call) -> None:
    answer = await call(headers={"Authorization": value}, token=TOKEN)
    assert answer.problem["status"] == 401
    assert TOKEN.encode() not in answer.body


@pytest.mark.parametrize("value", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
async def test_the_token_opens(value: str, call: Call) -> None:
    assert (await call(headers={"Authorization": value}, token=TOKEN)).status == 200


@pytest.mark.parametrize("path", ["/", "/metrics"])
async def test_what_is_outside_v1_stays_open(path: str, call: Call) -> None:
    assert (await call(path=path, token=TOKEN)).status == 200


async def test_a_token_in_the_query_does_not_count(call: Call) -> None:
    """Addresses end up in logs and histories."""
    answer = await call(path=f"/v1/agents?token={TOKEN}&access_token={TOKEN}", token=TOKEN)
    assert answer.problem["status"] == 401


def subprotocol(token: str) -> str:
    return TOKEN_PROTOCOL_PREFIX + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


@pytest.mark.parametrize("token", [TOKEN, "a?b>c~~~", "x"])
async def test_a_websocket_may_offer_the_token_as_a_subprotocol(token: str, listen: Listen) -> None:
    """Browsers' WebSocket can set no header. The answer names our protocol, so the token is not echoed."""
    client = await listen(make_app(token=token))
    url = "/v1/ws"
    async with client.ws_connect(url, protocols=(WEBSOCKET_PROTOCOL, subprotocol(token))) as ws:
        assert ws.protocol == WEBSOCKET_PROTOCOL
        assert await ws.receive_str() == "hello"


@pytest.mark.parametrize(
    ("protocols", "status"),
    [
        ((WEBSOCKET_PROTOCOL,), 401),
        ((WEBSOCKET_PROTOCOL, subprotocol("wrong")), 401),
        ((WEBSOCKET_PROTOCOL, "bearer.====="), 401),
        ((WEBSOCKET_PROTOCOL, "bearer."), 401),
        ((subprotocol(TOKEN),), 400),
        ((WEBSOCKET_PROTOCOL, subprotocol(TOKEN), subprotocol("b")), 400),
    ],
)
async def test_other_subprotocols_do_not_open(
    protocols: tuple[str, ...], status: int, caplog: pytest.LogCaptureFixture, listen: Listen
) -> None:
    """A token without our own protocol is refused before aiohttp logs it as unknown."""
    caplog.set_level(logging.DEBUG)
    client = await listen(make_app(token=TOKEN))
    with pytest.raises(WSServerHandshakeError) as caught:
        await client.ws_connect("/v1/ws", protocols=protocols)
    assert caught.value.status == status
    assert TOKEN_PROTOCOL_PREFIX not in caplog.text


async def test_a_foreign_page_cannot_open_a_websocket(listen: Listen) -> None:
    """WebSockets know no CORS: the server must look at the Origin itself."""
    client = await listen(make_app())
    url = "/v1/ws"
    with pytest.raises(WSServerHandshakeError) as caught:
        await client.ws_connect(url, origin="https://evil.example", protocols=(WEBSOCKET_PROTOCOL,))
    assert caught.value.status == 403
    origin = f"http://127.0.0.1:{client.port}"
    async with client.ws_connect(url, origin=origin, protocols=(WEBSOCKET_PROTOCOL,)) as ws:
        assert await ws.receive_str() == "hello"


async def test_every_answer_carries_the_guarding_headers(call: Call) -> None:
    for path in ("/", "/v1/stream", "/v1/fail", "/nothing"):
        answer = await call(path=path)
        assert SECURITY_HEADERS.items() <= dict(answer.headers).items()


# ── start ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_needs_no_token(host: str) -> None:
    check_bind(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "2001:db8::1", "::ffff:0.0.0.0", "0"])
def test_another_host_without_a_token_refuses_to_start(host: str) -> None:
    with pytest.raises(ConfigError, match="ORCHESTRATOR_TOKEN"):
        check_bind(host, None)
    check_bind(host, STRONG)
    with pytest.raises(ConfigError):
        check_bind(host, "a-token")


@pytest.mark.parametrize("token", ["", " ", "a b", "tök", "a\nb"])
def test_a_token_that_no_header_can_carry_refuses_to_start(token: str) -> None:
    """An empty variable is a mistake, not a wish for an open server."""
    with pytest.raises(ConfigError, match="--token"):
        check_bind("127.0.0.1", token)


def test_a_name_that_cannot_be_resolved_refuses_to_start() -> None:
    with pytest.raises(ConfigError, match="resolved"):
        check_bind("a" * 70 + ".invalid", None)


@pytest.mark.parametrize(
    "settings",
    [
        {"allow_origins": ("app.example",)},
        {"allow_origins": ("*",)},
        {"allow_hosts": ("http://a",)},
        {"allow_hosts": ("*",)},
        {"allow_hosts": ("*.",)},
        {"allow_hosts": ("*.a b",)},
        {"allow_hosts": ("a.*.example",)},
    ],
)
def test_an_entry_that_cannot_be_read_refuses_to_start(settings: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ConfigError, match="--allow-"):
        setup_security(web.Application(), dataclasses.replace(SecuritySettings(), **settings))  # type: ignore[arg-type]


async def test_token_is_asked_for_wherever_the_application_is_mounted(
    aiohttp_client: AiohttpClient,
) -> None:
    """As a sub-application its paths no longer begin with /v1."""

    async def echo(request: AgentInput) -> AsyncIterator[str]:
        yield request.message

    parent = web.Application()
    parent.add_subapp("/ai", create_app(agents={"echo": echo}, security=SecuritySettings(token="secret")))
    client = await aiohttp_client(parent)
    assert (await client.get("/ai/v1/agents")).status == 401
    assert (await client.post("/ai/v1/runs", json={"message": "hi"})).status == 401
    assert (await client.get("/ai/healthz")).status == 200
    bearer = {"Authorization": "Bearer secret"}
    assert (await client.get("/ai/v1/agents", headers=bearer)).status == 200
    foreign = {**bearer, "Origin": "http://evil.example"}
    assert (await client.get("/ai/v1/agents", headers=foreign)).status == 403
    started = await client.post("/ai/v1/runs", json={"message": "hi"}, headers=bearer)
    assert started.status == 201
    assert started.headers["Location"].startswith("/ai/v1/runs/run_")
    assert (await client.get(started.headers["Location"], headers=bearer)).status == 200


STRONG = "6f1c9b0d4e8a27355bd0c41f9e7a8832"
