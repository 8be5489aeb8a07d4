"""Reads the handbook and the README as their tests need them: fenced blocks, table rows, words in code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from orchestrator.server.handbook.markdown import PageRenderer
from orchestrator.server.handbook.page import Page
from tests.support.commands import ROOT

FOLDER = ROOT / "orchestrator" / "handbook"
README = ROOT / "README.md"
_FILE = re.compile(r"(?:#|//) ([\w./-]+\.\w+)\n")
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.md")))


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, and what it is.

    Attributes:
        about: What stands after the language; of a file, its path, which is the comment that it begins with.
    """

    page: str
    line: int
    language: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, below the headings that it stands under; each cell is Markdown."""

    headings: tuple[str, ...]
    cells: tuple[str, ...]


def path_of(page: str) -> Path:
    return README if page == "the README" else FOLDER / f"{page}.md"


@cache
def text_of(page: str) -> str:
    return path_of(page).read_text(encoding="utf-8")


@cache
def tokens_of(page: str) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse(text_of(page)))


@cache
def rendered(page: str) -> Page:
    return PageRenderer().render(page, text_of(page))


def blocks(*pages: str) -> list[Block]:
    """Return the fenced blocks of *pages*; of all pages and the README if none is named."""
    found = []
    for page in pages or (*NAMES, "the README"):
        for token in tokens_of(page):
            if token.type == "fence" and token.map is not None:
                language, _, about = token.info.partition(" ")
                if not about and (named := _FILE.match(token.content)):
                    about = named[1]
                found.append(Block(page, token.map[0] + 1, language, about.strip(), token.content))
    return found


@cache
def rows(page: str) -> tuple[Row, ...]:
    """Return the rows of all tables of a page, without their heads."""
    return tuple(_rows(tokens_of(page)))


def _rows(tokens: tuple[Token, ...]) -> Iterator[Row]:
    headings: list[tuple[int, str]] = []
    cells: list[str] = []
    in_body = False
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            level = int(token.tag[1:])
            headings = [*(each for each in headings if each[0] < level), (level, tokens[at + 1].content)]
        elif token.type in ("tbody_open", "tbody_close"):
            in_body = token.type == "tbody_open"
        elif token.type == "tr_open":
            cells = []
        elif token.type == "td_open":
            cells.append(tokens[at + 1].content)
        elif token.type == "tr_close" and in_body:
            yield Row(tuple(title for _, title in headings), tuple(cells))


def code_in(text: str) -> list[str]:
    """Return what stands in backquotes, fenced blocks left out."""
    return re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def words_in(text: str) -> set[str]:
    """Return the words that stand in backquotes, taken apart at everything that no name holds."""
    return {word for code in code_in(text) for word in re.findall(r"[\w.-]+", code)}
