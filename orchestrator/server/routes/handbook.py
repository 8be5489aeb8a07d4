"""Serves the handbook below `/docs/`: each page as HTML, and as the Markdown that it is made of. Owns no words.

A page is rendered at the first request for it, in a thread, and kept. The Markdown renderer is imported then, too, so
that a service whose handbook nobody reads never loads it. Which pages there are, in which order, and what the
navigation calls them is said by the links of the first page.
"""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

from ...errors import NotFound
from ..handbook.page import INDEX, PageEntry, render_document
from ..openapi.operation import ResponseDoc, asset, operation
from .pages import WebFile, answer_file

MARKDOWN_TYPE = "text/markdown"
_LISTED_PAGE = re.compile(r"^\| \[([^\]]+)\]\(([a-z]+)\.md\)", re.MULTILINE)


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

    @operation("The handbook", tag="server", answers={200: ResponseDoc("Its first page.", media="text/html")})
    async def show_handbook(self, request: web.Request) -> web.StreamResponse:
        return answer_file(request, await self._file(f"{INDEX}.html"))

    @operation(
        "One page of the handbook",
        tag="server",
        answers={200: ResponseDoc("The page.", media="text/html")},
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
    from ..handbook.markdown import PageRenderer

    page = PageRenderer().render(stem, text)
    return WebFile(name, render_document(page, entries).encode())


def list_pages(folder: Traversable) -> list[PageEntry]:
    """Return the pages in the order in which the first one's table lists them, that one before all."""
    listed = _LISTED_PAGE.findall(_read(folder, INDEX))
    return [PageEntry(INDEX, "Handbook"), *(PageEntry(name, title) for title, name in listed)]


def _read(folder: Traversable, name: str) -> str:
    return (folder / f"{name}.md").read_text(encoding="utf-8")
