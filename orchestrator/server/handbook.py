"""Serves the handbook below `/docs/`: each page as HTML, and as the Markdown that it is made of. Owns no words.

A page is rendered at the first request for it, in a thread, and kept. The Markdown renderer is imported then, too, so
that a service whose handbook nobody reads never loads it. Which pages there are, in which order, and what the
navigation calls them is said by the links of the first page.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from ..errors import NotFound
from .openapi.operation import Answer, asset, operation
from .routes.pages import WebFile, answer_file

if TYPE_CHECKING:
    from .markdown import Page

INDEX = "README"
MARKDOWN_TYPE = "text/markdown"
_LISTED_PAGE = re.compile(r"^\| \[([^\]]+)\]\(([a-z]+)\.md\)", re.MULTILINE)


class Entry(NamedTuple):
    """One page as the navigation lists it."""

    name: str
    title: str

    @property
    def address(self) -> str:
        """Where it is, from any page of the handbook."""
        return "./" if self.name == INDEX else self.name


class Handbook:
    """The handbook's routes."""

    def __init__(self, folder: Traversable | None = None) -> None:
        self._folder = folder or files("orchestrator") / "handbook"
        self._made: dict[str, WebFile] = {}
        self._making = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/docs/", self.show_handbook),
            web.get("/docs/{page:[A-Za-z]+}.md", self.show_handbook_source),
            web.get("/docs/{page:[a-z]+}", self.show_handbook_page),
        ]

    @operation("The handbook", tag="server", answers={200: Answer("Its first page.", media="text/html")})
    async def show_handbook(self, request: web.Request) -> web.StreamResponse:
        return answer_file(request, await self._file(f"{INDEX}.html"))

    @operation(
        "One page of the handbook",
        tag="server",
        answers={200: Answer("The page.", media="text/html")},
        errors=(404,),
    )
    async def show_handbook_page(self, request: web.Request) -> web.StreamResponse:
        return answer_file(request, await self._file(f"{request.match_info['page']}.html"))

    @asset
    async def show_handbook_source(self, request: web.Request) -> web.StreamResponse:
        return answer_file(request, await self._file(f"{request.match_info['page']}.md"))

    async def _file(self, name: str) -> WebFile:
        """Return a page as `<name>.html` or `<name>.md`.

        Raises:
            NotFound: The handbook has no such page.
        """
        if name not in self._made:
            async with self._making:
                if name not in self._made:
                    self._made[name] = await asyncio.to_thread(make_file, self._folder, name)
        return self._made[name]


def make_file(folder: Traversable, name: str) -> WebFile:
    """Read a page of *folder*, and render it if its HTML is asked for.

    Raises:
        NotFound: The handbook has no such page.
    """
    stem, _, ending = name.rpartition(".")
    entries = list_pages(folder)
    if stem not in {entry.name for entry in entries}:
        raise NotFound(f"The handbook has no page {stem[:80]!r}.")
    text = _read(folder, stem)
    if ending == "md":
        return WebFile(name, text.encode(), MARKDOWN_TYPE)
    from .markdown import PageRenderer

    page = PageRenderer().render(stem, text)
    return WebFile(name, _document(page, entries).encode())


def list_pages(folder: Traversable) -> list[Entry]:
    """Return the pages in the order in which the first one's table lists them, that one before all."""
    listed = _LISTED_PAGE.findall(_read(folder, INDEX))
    return [Entry(INDEX, "Handbook"), *(Entry(name, title) for title, name in listed)]


def _read(folder: Traversable, name: str) -> str:
    return (folder / f"{name}.md").read_text(encoding="utf-8")


# ── the page around a page ────────────────────────────────────────────────────────────────────


def _document(page: Page, entries: Sequence[Entry]) -> str:
    title = "Handbook" if page.name == INDEX else f"{page.title} · Handbook"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="../docs.css"></head>'
        f'<body class="handbook">{_navigation(page, entries)}<main><article>{page.body}</article>'
        f"{_neighbours(page, entries)}</main></body></html>"
    )


def _navigation(page: Page, entries: Sequence[Entry]) -> str:
    items = "".join(_navigation_item(page, entry) for entry in entries)
    return (
        f'<nav aria-label="Handbook"><ul class="pages">{items}</ul><h2>reference</h2>'
        '<ul class="pages"><li><a href="api">API</a></li><li><a href="../openapi.json">openapi.json</a></li></ul></nav>'
    )


def _navigation_item(page: Page, entry: Entry) -> str:
    link = f'<a href="{entry.address}"'
    if entry.name != page.name:
        return f"<li>{link}>{html.escape(entry.title)}</a></li>"
    sections = "".join(
        f'<li><a href="#{section.anchor}">{html.escape(section.title)}</a></li>'
        for section in page.sections
        if section.level == 2
    )
    below = f'<ul class="sections">{sections}</ul>' if sections else ""
    return f'<li>{link} aria-current="page">{html.escape(entry.title)}</a>{below}</li>'


def _neighbours(page: Page, entries: Sequence[Entry]) -> str:
    at = [entry.name for entry in entries].index(page.name)
    before, after = entries[at - 1] if at else None, entries[at + 1] if at + 1 < len(entries) else None
    links = "".join(
        f'<a rel="{rel}" href="{entry.address}">{html.escape(entry.title)}</a>'
        for rel, entry in (("prev", before), ("next", after))
        if entry is not None
    )
    return f'<nav class="neighbours" aria-label="Neighbouring pages">{links}</nav>'
