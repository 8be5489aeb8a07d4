"""The handbook as a whole: its links lead somewhere, on a forge and served, and its first page lists all of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from orchestrator.server.app import create_app
from orchestrator.server.handbook.markdown import PageRenderer, anchor_of, page_address
from orchestrator.server.handbook.page import INDEX
from orchestrator.server.routes.handbook import list_pages, make_file

from ..support.probe import Listen, fetch
from .pages import FOLDER, NAMES, README, blocks, rendered, text_of

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")


class Links(HTMLParser):
    """What a page holds that leads or loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.refused: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"] or "")
        if tag == "a":
            self.targets.append(given.get("href") or "")
        if tag in ("script", "style", "iframe", "img") or any(
            name == "style" or name.startswith("on") for name in given
        ):
            self.refused.append(tag)


async def served(listen: Listen, name: str) -> str:
    client = await listen(create_app(agents={}))
    answer = await fetch(client, "GET", f"/docs/{name}")
    assert answer.status == 200
    return answer.body.decode()


# ── the pages ─────────────────────────────────────────────────────────────────────────────────


def test_the_first_page_lists_every_page() -> None:
    assert sorted(entry.name for entry in list_pages(FOLDER)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_links_of_a_page_lead_to_pages_and_headings_that_there_are(name: str) -> None:
    links = LINK.findall(re.sub(r"```.*?```", "", text_of(name), flags=re.DOTALL))
    for link in links:
        if link.startswith("https://"):
            continue
        page, _, anchor = link.partition("#")
        stem = page.removesuffix(".md") or name
        assert stem in NAMES, f"{name} links to {link}"
        assert not anchor or anchor in {section.anchor for section in rendered(stem).sections}, link


def test_links_of_the_readme_lead_to_files_and_headings_that_there_are() -> None:
    for link in LINK.findall(README.read_text()):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = README.parent / path if path else README
        assert target.exists(), link
        if anchor and target.parent == FOLDER:
            assert anchor in {section.anchor for section in rendered(target.stem).sections}, link


def test_every_block_says_what_it_is() -> None:
    known = {"sh", "json", "sse", "yaml", "python", "js", "ini", "text"}
    assert {block.language for block in blocks()} <= known


def test_the_readme_leads_into_every_page() -> None:
    linked = set(re.findall(r"orchestrator/handbook/(\w+)\.md", README.read_text()))
    assert linked == set(NAMES)


def test_the_readme_is_read_in_ten_minutes() -> None:
    assert len(README.read_text().splitlines()) < 200


# ── served ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
async def test_a_served_page_links_to_what_is_served(name: str, listen: Listen) -> None:
    app = create_app(agents={})
    client = await listen(app)
    address = "" if name == INDEX else name
    page = await fetch(client, "GET", f"/docs/{address}")
    links = Links(page.body.decode())
    assert (page.status, page.content_type) == (200, "text/html")
    assert links.refused == []
    assert len(links.ids) == len(set(links.ids))
    for target in {target.partition("#")[0] for target in links.targets}:
        if target and not target.startswith("https://"):
            path = f"/docs/{target.removeprefix('./')}".replace("/docs/../", "/")
            assert (await fetch(client, "GET", path)).status == 200, target
    own = {target[1:] for target in links.targets if target.startswith("#")}
    assert own <= set(links.ids)


async def test_pages_have_the_headers_that_guard_every_answer(listen: Listen) -> None:
    client = await listen(create_app(agents={}))
    page = await fetch(client, "GET", "/docs/protocol")
    again = await fetch(client, "GET", "/docs/protocol", headers={"If-None-Match": page.headers["ETag"]})
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-cache"
    assert (again.status, again.body) == (304, b"")


async def test_a_page_is_there_as_markdown_too(listen: Listen) -> None:
    client = await listen(create_app(agents={}))
    page = await fetch(client, "GET", "/docs/protocol.md")
    missing = await fetch(client, "GET", "/docs/nothing.md")
    assert (page.status, page.content_type) == (200, "text/markdown")
    assert page.body.decode() == text_of("protocol")
    assert missing.problem["detail"] == "The handbook has no page 'nothing'."


async def test_the_api_reference_stands_beside_the_pages(listen: Listen) -> None:
    client = await listen(create_app(agents={}))
    below = await fetch(client, "GET", "/docs/api")
    before = await fetch(client, "GET", "/docs")
    assert b'href="../docs.css"' in below.body
    assert b'href="docs.css"' in before.body
    assert b'href="docs/"' in before.body


def test_a_page_is_current_in_its_own_navigation(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "# All\n\n| page | |\n| --- | --- |\n| [One](one.md) | a |\n| [Two](two.md) | b |\n"
    )
    (tmp_path / "one.md").write_text("# The first\n\n## Part\n\n[there](two.md#x)\n")
    (tmp_path / "two.md").write_text("# The second\n")
    page = make_file(tmp_path, "one.html").bodies[None].decode()
    assert "<title>The first · Handbook</title>" in page
    assert (
        '<a href="one" aria-current="page">One</a><ul class="sections"><li><a href="#part">Part</a>' in page
    )
    assert '<a rel="prev" href="./">Handbook</a><a rel="next" href="two">Two</a>' in page
    assert '<a href="two#x">there</a>' in page


# ── Markdown ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("title", "anchor"),
    [
        ("Over a run's answers", "over-a-runs-answers"),
        ("`GET /v1/runs`", "get-v1runs"),
        ("Say: what, when — why?", "say-what-when--why"),
        ("ORCHESTRATOR_PORT", "orchestrator_port"),
    ],
)
def test_anchors_are_those_of_a_forge(title: str, anchor: str) -> None:
    (section,) = PageRenderer().render("x", f"## {title}\n").sections
    assert section.anchor == anchor
    assert anchor_of(section.title) == anchor


def test_equal_headings_have_anchors_of_their_own() -> None:
    page = PageRenderer().render("x", "# A\n\n## Limits\n\n## Limits\n\n## Limits\n")
    assert [section.anchor for section in page.sections] == ["a", "limits", "limits-1", "limits-2"]


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("panels.md", "panels"),
        ("panels.md#keys", "panels#keys"),
        ("README.md", "./"),
        ("#keys", "#keys"),
        ("https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_links_lead_to_served_pages(link: str, address: str) -> None:
    assert page_address(link) == address


def test_markup_in_a_page_is_shown_and_not_obeyed() -> None:
    body = PageRenderer().render("x", "a <script>alert(1)</script> [b](javascript:alert(1)) `<a>`\n").body
    assert "<script>" not in body
    assert "href" not in body
    assert "<code>&lt;a&gt;</code>" in body
