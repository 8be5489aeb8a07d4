"""Covers `orchestrator/server/routes/pages.py`."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest
from aiohttp import web

from orchestrator.config import Config
from orchestrator.server.app import create_app
from orchestrator.server.routes.pages import CACHING, PAGE_POLICY, Pages
from tests.support.probe import Ask, Listen, exchange

WEB = Path(__file__).parents[2] / "orchestrator" / "web"
BUNDLE = WEB / "bundle"
SCRIPT = "page.js"
MOVED = json.loads((WEB / "moved.json").read_text())


def app() -> web.Application:
    return create_app(Config({}, (), Path()))


@pytest.fixture
async def port(listen: Listen) -> int:
    return (await listen(app())).port or 0


async def test_the_page_is_served_with_a_policy_of_its_own(ask: Ask) -> None:
    answer = await ask(app, path="/")
    assert answer.status == 200
    assert answer.content_type == "text/html"
    assert answer.body == (BUNDLE / "index.html").read_bytes()
    assert answer.headers["Cache-Control"] == CACHING
    policy = answer.headers["Content-Security-Policy"]
    assert policy == PAGE_POLICY
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy


@pytest.mark.parametrize("page", [WEB / "index.html", BUNDLE / "index.html"], ids=["source", "bundle"])
def test_the_page_has_nothing_inline_and_nothing_foreign(page: Path) -> None:
    """The policy would refuse it, and a page without it should not need one to be safe."""
    markup = page.read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", markup) == []
    assert re.findall(r"<style|\bstyle=|\bon\w+=", markup) == []
    assert not any("//" in address for address in re.findall(r'(?:src|href)="([^"]*)"', markup))
    for file in [*WEB.glob("page/*.*s"), *BUNDLE.glob("*.*s")]:
        assert not re.search(r"""(?:from|import\(|url\()\s*['"]?(?:https?:)?//""", file.read_text()), file


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"/web/bundle/{SCRIPT}", "text/javascript"),
        ("/web/bundle/page.css", "text/css"),
        ("/web/bundle/shared-worker.js", "text/javascript"),
        ("/web/page/main.js", "text/javascript"),
        ("/web/page/icon.svg", "image/svg+xml"),
        ("/web/client.js", "text/javascript"),
        ("/web/parser.js", "text/javascript"),
        ("/web/react.js", "text/javascript"),
        ("/web/shared-worker.js", "text/javascript"),
        ("/web/client/client.js", "text/javascript"),
        ("/web/client/wire/parser.js", "text/javascript"),
        ("/web/client/sharing/shared-worker.js", "text/javascript"),
        ("/web/vendor/highlight/core.js", "text/javascript"),
        ("/web/vendor/manifest.json", "application/json"),
        ("/web/vendor/licences/marked.txt", "text/plain"),
    ],
)
async def test_what_the_page_loads_is_there(path: str, kind: str, ask: Ask) -> None:
    answer = await ask(app, path=path)
    assert (answer.status, answer.content_type) == (200, kind)
    assert answer.body == (WEB / path.removeprefix("/web/")).read_bytes()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", [*MOVED, "client.js", "parser.js", "react.js", "shared-worker.js"])
async def test_an_address_that_a_module_had_before_hands_on_to_it(path: str, ask: Ask) -> None:
    """A page of somebody's own imports modules by their addresses, and does not move with ours."""
    answer = await ask(app, path=f"/web/{path}")
    assert (answer.status, answer.content_type) == (200, "text/javascript")
    (target,) = set(re.findall(r"(?:from|import) '([^']+)';", answer.body.decode()))
    module = (WEB / path).parent / target
    assert module.is_file()
    assert path not in MOVED or module.resolve() == (WEB / MOVED[path]["to"]).resolve()
    assert (await ask(app, path=f"/web/{module.resolve().relative_to(WEB)}")).status == 200


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


@pytest.mark.parametrize("path", ["/", "/web/page/main.js", f"/web/bundle/{SCRIPT}", "/web/bundle/page.css"])
async def test_an_unchanged_file_is_not_sent_again(path: str, ask: Ask) -> None:
    first = await ask(app, path=path)
    again = await ask(app, path=path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await ask(app, path=path, headers={"If-None-Match": '"something-else"'})
    assert other.status == 200


async def test_browsers_ask_for_every_file_again(ask: Ask) -> None:
    """A name says nothing of the content, and a new version of the package has to be a new page at once."""
    for file in [*BUNDLE.iterdir(), WEB / "client" / "client.js", WEB / "page" / "app.js"]:
        answer = await ask(app, path=f"/web/{file.relative_to(WEB)}")
        assert answer.headers["Cache-Control"] == CACHING, file
        assert answer.headers["Vary"] == "Accept-Encoding"


async def test_files_are_compressed_for_those_who_take_it(port: int) -> None:
    """And each coding has an ETag of its own, so that no cache mixes them up."""
    request = f"GET /web/bundle/{SCRIPT} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    plain_head, plain = await exchange(port, f"{request}\r\n".encode())
    head, packed = await exchange(port, f"{request}Accept-Encoding: gzip\r\n\r\n".encode())
    assert b"Content-Encoding: gzip" in head
    assert b"Vary: Accept-Encoding" in head
    assert gzip.decompress(packed) == plain == (BUNDLE / SCRIPT).read_bytes()
    assert len(packed) < 0.36 * len(plain), "as small as it gets"
    etags = [re.search(rb"ETag: (\S+)", h)[1] for h in (head, plain_head)]  # type: ignore[index]
    assert etags[0] != etags[1]


async def test_a_package_that_is_replaced_below_a_running_server_mixes_no_pages(
    tmp_path: Path, listen: Listen
) -> None:
    """A running server goes on with the files it has read: names are the same in every version."""
    folder = tmp_path / "web"
    shutil.copytree(BUNDLE, folder / "bundle")
    application = web.Application()
    application.add_routes(Pages(folder).routes())
    port = (await listen(application)).port
    request = "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    _, page = await exchange(port, request.format("/").encode())
    shutil.rmtree(folder)
    head, script = await exchange(port, request.format(f"/web/bundle/{SCRIPT}").encode())
    assert SCRIPT.encode() in page
    assert b"200 OK" in head
    assert script == (BUNDLE / SCRIPT).read_bytes()
