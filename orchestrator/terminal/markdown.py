"""Draws an agent's answer as Markdown with rich, and drops no word of it. Knows no run and no screen."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markdown import Markdown, TableElement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from .text import clean

MAX_NESTING = 100
MAX_DRAWN_LEVEL = 16

MIN_CELLS = 10
"""A table whose columns have less room is written row by row: words in narrower ones cannot be read."""


class _WholeTable(TableElement):
    """A table whose long words are broken; rich's own cuts them off."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        count = len(self.header.row.cells) if self.header and self.header.row else 0
        if count * MIN_CELLS > options.max_width:
            yield from self._row_by_row()
            return
        for table in super().__rich_console__(console, options):
            if isinstance(table, Table):
                for column in table.columns:
                    column.overflow = "fold"
            yield table

    def _row_by_row(self) -> RenderResult:
        """Write each row as a paragraph, with the signs that it came with."""
        rows = [self.header.row if self.header else None, *(self.body.rows if self.body else ())]
        for row in rows:
            if row is not None:
                cells = Text(" | ").join(cell.content for cell in row.cells)
                cells.overflow = "fold"
                yield cells
        yield Text()


class _Words(Markdown):
    """Markdown that drops no word: HTML, definitions of links and images are words, link titles are shown."""

    elements = Markdown.elements | {"table_open": _WholeTable}

    def __init__(self, text: str, parsed: list[Token]) -> None:
        # Addresses are shown, not hidden behind a link's text.
        super().__init__("", hyperlinks=False)
        self.markup = text
        self.parsed = parsed


def markdown(text: str) -> RenderableType:
    """Draw *text* as Markdown, or as it came if Markdown would leave something out."""
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING}).enable("strikethrough")
    parser.enable("table").disable(["reference", "image"])
    parser.inline.ruler.before("escape", "formula", _formula)
    parsed = parser.parse(text)
    if any(_loses(token, text) for token in parsed):
        return Text(text)
    for token in parsed:
        for link in token.children or ():
            if title := link.attrs.get("title"):
                link.attrSet("href", f'{link.attrs.get("href", "")} "{title}"')
    return _Words(text, parsed)


_FORMULAS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$", "\\begin{": "\\end{"}
_FORMULA_CHARS = 2_000


def _formula(state: StateInline, silent: bool) -> bool:
    """Take a formula in TeX as it stands: its backslashes and stars are its own."""
    start = next((sign for sign in _FORMULAS if state.src.startswith(sign, state.pos)), "")
    inside = state.pos + len(start)
    end = state.src.find(_FORMULAS[start], inside, state.pos + _FORMULA_CHARS) if start else -1
    if end <= inside:
        return False
    end += len(_FORMULAS[start])
    if not silent:
        state.pending += state.src[state.pos : end]
    state.pos = end
    return True


def _loses(token: Token, text: str) -> bool:
    """Return whether drawing *token* would lose words of *text*."""
    if token.level >= MAX_DRAWN_LEVEL or any(part.level >= MAX_NESTING - 1 for part in token.children or ()):
        return True  # neither the parser nor a column of no width shows what is nested deeper
    if token.type == "fence":
        return len(token.info.split()) > 1  # rich shows no more than the code
    if token.type != "table_open" or token.map is None:
        return False
    head, *rows = text.split("\n")[token.map[0] : token.map[1]]
    # Cells beyond the head's are left out.
    return any(_cells(row) > _cells(head) for row in rows)


def _cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row.strip().strip("|")))


class Cleaned:
    """Renders its content once more without control characters: Markdown has character references."""

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._content, options):
            if not segment.control:
                yield Segment(clean(segment.text), segment.style)
