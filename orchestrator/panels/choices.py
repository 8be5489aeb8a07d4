"""Reads choices out of what a model wrote: a letter, an order of letters, a short answer. Pure functions.

Models do not keep to a format, so the last line that states the choice counts, and a reply that states
none is an abstention, never a guess.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

_MARKUP = re.compile(r"[*_`#>\[\]]+")
_CHOICE = re.compile(r"\b(?:winner|best|choice|verdict|preferred|better)\b[^:=\n]{0,40}[:=]\s*(.+)", re.I)
_RANKING = re.compile(r"\b(?:ranking|rank|order)\b[^:=\n]{0,40}[:=]\s*(.+)", re.I)
_ANSWER = re.compile(r"\banswer\b\W{0,5}[:=]\s*(.+)", re.I)
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_TIE = re.compile(r"\b(tie|draw|equal|neither|both|none)\b", re.I)
_EDGES = " \t.,;:!?\"'`*_()[]"


def read_choice(text: str, labels: Sequence[str]) -> int | Literal["tie"] | None:
    """Return the index of the label that *text* chooses, or "tie"; None where it says neither."""
    lines = _lines(text)
    for line in reversed(lines):
        stated = _CHOICE.search(line)
        if stated:
            return _only(stated[1], labels)
    return _only(lines[-1], labels) if lines else None


def read_ranking(text: str, labels: Sequence[str]) -> list[int]:
    """Return indexes of *labels*, the best first, as *text* ranks them; those it leaves out are missing."""
    lines = _lines(text)
    stated = [found[1] for line in lines if (found := _RANKING.search(line))]
    for source in [*reversed(stated), *reversed(lines)]:
        order = _mentions(source, labels)
        if len(order) > 1 or (order and len(labels) == 1):
            return order
    # One a line, as in a numbered list.
    listed = [place for line in lines if (place := _numbered(line, labels)) is not None]
    return list(dict.fromkeys(listed))


def read_answer(text: str) -> str:
    """Return the short answer that *text* gives: what follows "Answer:", else its last line."""
    lines = _lines(text)
    for line in reversed(lines):
        stated = _ANSWER.search(line)
        if stated:
            return stated[1].strip(_EDGES)
    return lines[-1] if lines else ""


def normal_form(answer: str) -> str:
    """Return what two spellings of one short answer have in common: case, spaces and marks around it go."""
    folded = unicodedata.normalize("NFKC", answer).casefold()
    folded = " ".join(folded.split()).strip(_EDGES)
    for article in ("the ", "a ", "an "):
        folded = folded.removeprefix(article)
    number = folded.replace(",", "")
    return number if re.fullmatch(r"[-+]?\d+(\.\d+)?", number) else folded


def _lines(text: str) -> list[str]:
    cleaned = (_MARKUP.sub(" ", line).strip() for line in text.splitlines())
    return [line for line in cleaned if line]


def _only(text: str, labels: Sequence[str]) -> int | Literal["tie"] | None:
    """Return the label that *text* begins with or, where it names just one, holds."""
    found = _mentions(text, labels)
    if len(found) != 1 and _TIE.search(text):
        return "tie"
    if len(found) == 1 or (found and _starts_with(text, labels[found[0]])):
        return found[0]
    return None


def _starts_with(text: str, label: str) -> bool:
    return re.match(rf"\W*(?:answer\s+|response\s+)?{re.escape(label)}(?!\w)", text, re.I) is not None


def _mentions(text: str, labels: Sequence[str]) -> list[int]:
    """Return the indexes of the labels in *text*, in their order there, each once.

    A letter counts only as a word of its own and in capitals, so that "a" in a sentence is no label.
    """
    for spelled in (_letters(labels), _ordinals(labels), _numbers(labels)):
        places = {n: found.start() for n, spelling in spelled.items() if (found := re.search(spelling, text))}
        if places:
            # Where letters are used, digits and ordinals are something else: places in a list, counts.
            return sorted(places, key=lambda index: places[index])
    return []


def _letters(labels: Sequence[str]) -> dict[int, str]:
    return {n: rf"(?<![\w']){re.escape(label)}(?![\w'])" for n, label in enumerate(labels)}


def _ordinals(labels: Sequence[str]) -> dict[int, str]:
    return {n: rf"(?i:\b{word}\b)" for n, word in enumerate(_ORDINALS[: len(labels)])}


def _numbers(labels: Sequence[str]) -> dict[int, str]:
    return {n: rf"(?<![\w.]){n + 1}(?!\w|\.\d)" for n in range(len(labels))}


def _numbered(line: str, labels: Sequence[str]) -> int | None:
    entry = re.match(r"\d+\W+\s*(.*)", line)
    found = _mentions(entry[1], labels) if entry else []
    return found[0] if found else None
