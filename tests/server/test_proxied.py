"""Behind a proxy: a path prefix, what its headers say, and a Unix socket to reach us by."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from orchestrator.backends.base import AgentInput
from orchestrator.server.app import create_app
from orchestrator.server.http.guards.security import SecuritySettings
from orchestrator.server.options import ServerOptions
from tests.support.commands import environment
from tests.support.patience import soon
from tests.support.probe import Listen, fetch
from tests.support.service import serving_process
from tests.support.zygote import command

TRUSTED = SecuritySettings(trusted_proxies=("127.0.0.1",))
ASK = {"message": "hi", "agents": ["one"]}


async def one(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "hi"


def app(root_path: str = "", security: SecuritySettings | None = None) -> web.Application:
    found = security or SecuritySettings(root_path=root_path)
    return create_app(agents={"one": one}, security=found, options=ServerOptions(root_path=root_path))


@pytest.mark.parametrize("sent", ["", "/chat"])
async def test_requests_come_with_the_prefix_or_without_it(sent: str, listen: Listen) -> None:
    """nginx takes it away if its `proxy_pass` ends with a slash, and leaves it there otherwise."""
    client = await listen(app("/chat"))
    started = await fetch(client, "POST", f"{sent}/v1/runs", json=ASK)
    assert started.status == 201
    location = started.headers["Location"]
    assert location == f"/chat/v1/runs/{started.json['run_id']}"
    assert (await fetch(client, "GET", location)).json["run_id"] == started.json["run_id"]
    assert (await fetch(client, "GET", f"{sent}/openapi.json")).json["servers"] == [{"url": "/chat"}]
    assert (await fetch(client, "GET", f"{sent}/v1/runs?limit=1&q=h%20i")).status == 200
    page = await fetch(client, "GET", f"{sent}/")
    assert b'src="web/' in page.body
    assert (await fetch(client, "GET", f"{sent}/web/bundle/page.js")).status == 200


async def test_prefix_alone_leads_to_where_relative_addresses_are_right(listen: Listen) -> None:
    client = await listen(app("/chat"))
    answer = await fetch(client, "GET", "/chat")
    assert (answer.status, answer.headers["Location"]) == (308, "/chat/")
    assert (await fetch(client, "GET", "/chatter/v1/agents")).status == 404


async def test_prefix_is_no_way_around_the_token(listen: Listen) -> None:
    guarded = SecuritySettings(token="a-token-of-some-length", root_path="/chat")
    client = await listen(app("/chat", guarded))
    for path in ("/v1/agents", "/chat/v1/agents", "/chat/chat/v1/agents"):
        assert (await fetch(client, "GET", path)).status in (401, 404)
    authorized = {"Authorization": "Bearer a-token-of-some-length"}
    assert (await fetch(client, "GET", "/chat/v1/agents", headers=authorized)).status == 200


@pytest.mark.parametrize(
    ("prefix", "begins"),
    [
        ("/chat", "/chat/v1/"),
        ("/a/b/", "/a/b/v1/"),
        ("//evil.example", "/v1/"),
        ("chat", "/v1/"),
        ("/..", "/v1/"),
    ],
)
async def test_trusted_proxy_says_the_prefix(prefix: str, begins: str, listen: Listen) -> None:
    client = await listen(app(security=TRUSTED))
    headers = {"X-Forwarded-Prefix": prefix}
    started = await fetch(client, "POST", "/v1/runs", json=ASK, headers=headers)
    assert started.headers["Location"].startswith(begins)


async def test_agent_card_names_the_address_outside(listen: Listen) -> None:
    client = await listen(app(security=TRUSTED))
    headers = {"X-Forwarded-Prefix": "/chat", "X-Forwarded-Proto": "https", "Host": "localhost"}
    card = (await fetch(client, "GET", "/.well-known/agent-card.json", headers=headers)).json
    assert card["supportedInterfaces"][0]["url"] == "https://localhost/chat/v1/a2a/default"


async def test_what_others_say_of_a_proxy_is_not_believed(listen: Listen) -> None:
    client = await listen(app())
    headers = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Proto": "https", "Host": "localhost"}
    started = await fetch(client, "POST", "/v1/runs", json=ASK, headers=headers)
    assert started.headers["Location"].startswith("/v1/runs/")
    card = (await fetch(client, "GET", "/.well-known/agent-card.json", headers=headers)).json
    assert card["supportedInterfaces"][0]["url"].startswith("http://localhost/v1/")


# ── a Unix socket ────────────────────────────────────────────────────────────────────────────

AGENT = 'backend: function\nstream: "tests.support.service:steady"\n'


async def _refusal(folder: Path, path: Path) -> str:
    """Start another service on the same socket, and return what it says."""
    process = await asyncio.create_subprocess_exec(
        *command("serve", "--config", str(folder), "--uds", str(path)),
        stderr=asyncio.subprocess.PIPE, env=environment(),
    )  # fmt: skip
    _, said = await soon(process.communicate())
    assert process.returncode not in (0, None)
    return said.decode()


async def test_service_behind_a_unix_socket(tmp_path: Path) -> None:
    """Any token is the socket's mode. One that a killed process left is taken over; one that answers is not."""
    (tmp_path / "one.yaml").write_text(AGENT)
    path = tmp_path / "s.sock"
    for end in ("kill", "terminate"):
        async with (
            serving_process(tmp_path, "--uds", str(path), "--drain", "0s") as service,
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        ):
            assert service.url == f"unix:{path}"
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            async with session.post("http://localhost/v1/runs", json=ASK) as answer:
                assert answer.status == 201
            async with session.get("http://evil.example/v1/agents") as answer:
                assert answer.status == 403
            if end == "terminate":
                assert "Address already in use" in await _refusal(tmp_path, path)
            getattr(service.process, end)()
            assert (await service.wait() == 0) == (end == "terminate")
    assert not path.exists()
