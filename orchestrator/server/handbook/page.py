"""A page of the handbook, and the HTML document around it with its navigation. No I/O; knows no Markdown."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

INDEX = "README"
"""The page that a forge shows of a folder, and the server of `/docs/`."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading that can be linked to."""

    level: int
    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its first heading, its HTML, and its headings in order."""

    name: str
    title: str
    body: str
    sections: tuple[Section, ...]


class PageEntry(NamedTuple):
    """One page as the navigation lists it."""

    name: str
    title: str

    @property
    def address(self) -> str:
        """Where it is, from any page of the handbook."""
        return "./" if self.name == INDEX else self.name


def render_document(page: Page, entries: Sequence[PageEntry]) -> str:
    """Return *page* as an HTML document, with the navigation of all *entries*."""
    title = "Handbook" if page.name == INDEX else f"{page.title} · Handbook"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="../docs.css"></head>'
        f'<body class="handbook">{_navigation(page, entries)}<main><article>{page.body}</article>'
        f"{_neighbours(page, entries)}</main></body></html>"
    )


def _navigation(page: Page, entries: Sequence[PageEntry]) -> str:
    items = "".join(_navigation_item(page, entry) for entry in entries)
    return (
        f'<nav aria-label="Handbook"><ul class="pages">{items}</ul><h2>reference</h2>'
        '<ul class="pages"><li><a href="api">API</a></li><li><a href="../openapi.json">openapi.json</a></li></ul></nav>'
    )


def _navigation_item(page: Page, entry: PageEntry) -> str:
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


def _neighbours(page: Page, entries: Sequence[PageEntry]) -> str:
    at = [entry.name for entry in entries].index(page.name)
    before, after = entries[at - 1] if at else None, entries[at + 1] if at + 1 < len(entries) else None
    links = "".join(
        f'<a rel="{rel}" href="{entry.address}">{html.escape(entry.title)}</a>'
        for rel, entry in (("prev", before), ("next", after))
        if entry is not None
    )
    return f'<nav class="neighbours" aria-label="Neighbouring pages">{links}</nav>'
