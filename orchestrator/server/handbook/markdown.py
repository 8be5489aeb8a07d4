"""Turns one Markdown page into HTML, without I/O: headings with anchors, links between pages, tables that scroll.

Links are written for a forge (`protocol.md#events`) and rewritten for the served page (`protocol#events`). The
anchors are those that GitHub makes, so that one link serves both. Raw HTML in a page is shown as text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from .page import INDEX, Page, Section

_PAGE_LINK = re.compile(r"([A-Za-z]+)\.md(#.*)?")


class PageRenderer:
    """Renders pages; made once, because building the parser costs more than a page."""

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        for name, rule in _RULES.items():
            self._markdown.add_render_rule(name, rule)

    def render(self, name: str, text: str) -> Page:
        """Return the page called *name* that *text* is the Markdown of."""
        tokens = self._markdown.parse(text)
        sections = _anchor_headings(tokens)
        for token in _walk(tokens):
            if token.type == "link_open":
                token.attrSet("href", page_address(str(token.attrGet("href") or "")))
        body = self._markdown.renderer.render(tokens, self._markdown.options, {})
        title = next((section.title for section in sections if section.level == 1), name)
        return Page(name, title, body, sections)


def page_address(link: str) -> str:
    """Return where a link to another page of the folder leads when the pages are served; others stay as they are."""
    found = _PAGE_LINK.fullmatch(link)
    if found is None:
        return link
    return ("./" if found[1] == INDEX else found[1]) + (found[2] or "")


def anchor_of(title: str) -> str:
    """Return the anchor that GitHub gives a heading: lower case, hyphens for spaces, no punctuation."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _anchor_headings(tokens: Sequence[Token]) -> tuple[Section, ...]:
    """Give every heading its anchor; one that stands several times is counted from the second on."""
    found: list[Section] = []
    taken: dict[str, int] = {}
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        title = "".join(part.content for part in inline.children or ())
        anchor = anchor_of(title)
        seen = taken.get(anchor, 0)
        taken[anchor] = seen + 1
        anchor = f"{anchor}-{seen}" if seen else anchor
        opening.attrSet("id", anchor)
        found.append(Section(int(opening.tag[1:]), anchor, title))
    return tuple(found)


def _walk(tokens: Sequence[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *_walk(token.children or ()))]


# ── what is rendered in another way than by default ───────────────────────────────────────────


def _heading_close(
    renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    anchor = tokens[at - 2].attrGet("id")  # a heading is three tokens: opening, text, closing
    return f'<a class="anchor" href="#{anchor}" aria-hidden="true" tabindex="-1"></a></{tokens[at].tag}>\n'


def _table_open(
    renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    return '<div class="scroll"><table>\n'


def _table_close(
    renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    return "</table></div>\n"


_RULES = {"heading_close": _heading_close, "table_open": _table_open, "table_close": _table_close}
