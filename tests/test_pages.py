"""Covers `orchestrator/server/pages.py`."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from orchestrator.config import Config
from orchestrator.server.app import create_app
from orchestrator.server.pages import PAGE_POLICY
from tests.probe import ask, exchange, listen

WEB = Path(__file__).parents[1] / "orchestrator" / "web"


def app() -> web.Application:
    return create_app(Config({}, (), Path()))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with listen(app()) as port:
        yield port


async def test_the_page_is_served_with_a_policy_of_its_own() -> None:
    answer = await ask(app, path="/")
    assert answer.status == 200
    assert answer.content_type == "text/html"
    assert answer.body == (WEB / "index.html").read_bytes()
    policy = answer.headers["Content-Security-Policy"]
    assert policy == PAGE_POLICY
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy


def test_the_page_has_nothing_inline_and_nothing_foreign() -> None:
    """The policy would refuse it, and a page without it should not need one to be safe."""
    markup = (WEB / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", markup) == []
    assert re.findall(r"<style|\bstyle=|\bon\w+=", markup) == []
    assert not any("//" in address for address in re.findall(r'(?:src|href)="([^"]*)"', markup))
    for file in [*WEB.glob("page/*.js"), *WEB.glob("page/*.css")]:
        assert not re.search(r"""(?:from|import\(|url\()\s*['"]?(?:https?:)?//""", file.read_text()), file


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/web/page/main.js", "text/javascript"),
        ("/web/page/page.css", "text/css"),
        ("/web/page/icon.svg", "image/svg+xml"),
        ("/web/client.js", "text/javascript"),
        ("/web/shared-worker.js", "text/javascript"),
        ("/web/vendor/highlight/core.js", "text/javascript"),
        ("/web/vendor/manifest.json", "application/json"),
        ("/web/vendor/licences/marked.txt", "text/plain"),
    ],
)
async def test_what_the_page_loads_is_there(path: str, kind: str) -> None:
    answer = await ask(app, path=path)
    assert (answer.status, answer.content_type) == (200, kind)
    assert answer.body == (WEB / path.removeprefix("/web/")).read_bytes()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/web/../server/app.py", "/web/%2e%2e/server/app.py", "/web/..%2fserver%2fapp.py", "/web/page/../../cli.py",
        "/web//etc/passwd", "/web/%2fetc%2fpasswd", "/web/page/", "/web/", "/web/page", "/web/package.json",
        "/web/types/client.d.ts", "/web/vendor/preact.d.ts", "/web/nothing.js", "/web/page/main.js%00.css",
    ],
)  # fmt: skip
async def test_nothing_else_is(path: str, port: int) -> None:
    head, _ = await exchange(
        port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    )
    assert int(head.split()[1]) in (400, 404), head


async def test_an_unchanged_file_is_not_sent_again() -> None:
    first = await ask(app, path="/web/page/main.js")
    again = await ask(app, path="/web/page/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await ask(app, path="/web/page/main.js", headers={"If-None-Match": '"something-else"'})
    assert other.status == 200


async def test_files_are_compressed_for_those_who_take_it(port: int) -> None:
    """And each coding has an ETag of its own, so that no cache mixes them up."""
    request = "GET /web/page/app.js HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    plain_head, plain = await exchange(port, f"{request}\r\n".encode())
    head, packed = await exchange(port, f"{request}Accept-Encoding: gzip\r\n\r\n".encode())
    assert b"Content-Encoding: gzip" in head
    assert b"Vary: Accept-Encoding" in head
    assert gzip.decompress(packed) == plain == (WEB / "page" / "app.js").read_bytes()
    etags = [re.search(rb"ETag: (\S+)", h)[1] for h in (head, plain_head)]  # type: ignore[index]
    assert etags[0] != etags[1]
