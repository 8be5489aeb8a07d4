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
_BOXED = re.compile(r"(?<!\$)\$*\\boxed\{(?:\\text\{)?([^{}]*)\}?\}\$*")
"""How models that were trained on mathematics mark a result."""

_CHOICE = re.compile(r"\b(?:winner|best|choice|verdict|preferred|better)\b[^:=：\n]{0,40}[:=：]\s*(.+)", re.I)
_RANKING = re.compile(r"\b(?:ranking|rank|order)\b[^:=：\n]{0,40}[:=：]\s*(.+)", re.I)
_ANSWER = re.compile(r"\banswer\b(?:[^\w:=：]{0,5}[:=：]|\s+[-–—]\s)\s*(.+)", re.I)
_ANSWER_IS = re.compile(r"\banswer\s+is\b[\s:]*(.+)", re.I)
_BARE_ANSWER = re.compile(r"\W*(?:my |final |short )*answer\W*", re.I)
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_TIE = re.compile(r"\b(tie|tied|draw|equal|equally|neither|both|none)\b", re.I)
_HYPHENS = str.maketrans("‐‑–−", "----")
_EDGES = " \t.,;:!?\"'`*_()[]{}“”‘’«»"

_CALLED = r"(?:answers?|responses?|options?|candidates?|assistants?|models?)"
_VERBS = (
    "is|was|has|and|or|then|over|beats?|wins?|comes?|because|since|as|for|by|but|than|in|with|at|to|gives?|"
    "first|second|third|last|next|seems?|deserves?|should|would|does|did|also|alone|covers?|clearly"
)
_LIST_ENTRY = re.compile(
    rf"(?:(?:rank|place|no\.?|nr\.?)\s*)?(?:\d+\s*(?:st|nd|rd|th)?|{'|'.join(_ORDINALS)})(?:\s+place)?\s*[.):=\-–—]+\s*(.+)"
    r"|[-•–—]\s+(.+)",
    re.I,
)


def read_choice(text: str, labels: Sequence[str]) -> int | Literal["tie"] | None:
    """Return the index of the label that *text* chooses, or "tie"; None if it says neither."""
    lines = _lines(text)
    for line in reversed(lines):
        stated = _CHOICE.search(line)
        if stated:
            return _only(stated[1], labels)
    return _only(lines[-1], labels) if lines else None


def read_ranking(text: str, labels: Sequence[str]) -> list[int]:
    """Return indexes of *labels*, the best first, as *text* ranks them; those it leaves out are missing.

    What is stated as the ranking counts first, then a line that is nothing but an order, then a list with one
    label an entry, then any line that names several.
    """
    lines = _lines(text)
    stated = [found[1] for line in lines if (found := _RANKING.search(line))]
    bare = [line for line in lines if _is_order(line, labels)]
    listed = _listed(lines, labels)
    orders = [_mentions(source, labels) for source in (*reversed(stated), *reversed(bare))]
    orders += [
        _mentions(order, labels) for each in reversed(stated) if _is_order(order := each.upper(), labels)
    ]
    orders += [listed, *(_mentions(line, labels) for line in reversed(lines))]
    return next((order for order in orders if len(order) > 1 or (order and len(labels) == 1)), [])


def read_answer(text: str) -> str:
    """Return the short answer that *text* gives: what follows "Answer:", else its last line."""
    lines = _lines(text)
    for pattern in (_ANSWER, _ANSWER_IS):
        for line in reversed(lines):
            stated = pattern.search(line)
            if stated and (said := _bare(stated[1])):
                return said
    last = _bare(lines[-1]) if lines else ""
    return "" if _BARE_ANSWER.fullmatch(last) else last


def normal_form(answer: str) -> str:
    """Return what two spellings of one short answer have in common: case, spaces and marks around it go."""
    folded = unicodedata.normalize("NFKC", answer).casefold().translate(_HYPHENS)
    folded = _bare(" ".join(folded.split()))
    for article in ("the ", "a ", "an "):
        folded = folded.removeprefix(article)
    number = folded.replace(",", "")
    if not re.fullmatch(r"[-+]?(\d+(\.\d+)?|\.\d+)", number, re.ASCII):
        return folded
    number = re.sub(r"^([-+]?)\.", r"\g<1>0.", number)
    return (number.rstrip("0").rstrip(".") if "." in number else number).removeprefix("+")


def _bare(text: str) -> str:
    """Return *text* without the marks around it; the point of ".5" is none."""
    bare = text.strip(_EDGES)
    point = bare[:1].isdigit() and text[: text.index(bare)].endswith(".")
    return f".{bare}" if point else bare


def _lines(text: str) -> list[str]:
    plain = _BOXED.sub(r" \1 ", unicodedata.normalize("NFKC", text))
    # Single spaces, for a long run of them is tried in many ways.
    cleaned = (" ".join(_MARKUP.sub(" ", line).split()) for line in plain.splitlines())
    return [line for line in cleaned if line.strip("- =")]


def _only(text: str, labels: Sequence[str]) -> int | Literal["tie"] | None:
    """Return the label that *text* begins with or, if it names just one, holds."""
    bare = text.strip(_EDGES).casefold()
    for index, label in enumerate(labels):
        if bare == label.casefold():
            return index
    found = _mentions(text, labels)
    if len(found) != 1 and _TIE.search(text):
        return "tie"
    if len(found) == 1:
        return found[0]
    if found and _starts_with(text, labels[found[0]]):
        return "tie" if _joins(text, labels[found[0]], labels[found[1]]) else found[0]
    return None


def _starts_with(text: str, label: str) -> bool:
    return re.match(rf"\W*(?:{_CALLED}\s+)?{re.escape(label)}(?!\w)", text, re.I) is not None


def _joins(text: str, first: str, second: str) -> bool:
    """Whether *text* names both in one breath: "A and B", "A/B"."""
    one, other = re.escape(first), re.escape(second)
    return (
        re.match(
            rf"\W*(?:{_CALLED}\s+)?{one}\s*(?:and|or|&|/|=)\s*(?:{_CALLED}\s+)?{other}(?!\w)", text, re.I
        )
        is not None
    )


def _mentions(text: str, labels: Sequence[str]) -> list[int]:
    """Return the indexes of the labels in *text*, in their order there, each once.

    A letter counts only as a word of its own and in capitals, so that "a" in a sentence is no label.
    """
    for spelled in (_letters(labels), _ordinals(labels), _numbers(labels)):
        places = {n: found.start() for n, spelling in spelled.items() if (found := re.search(spelling, text))}
        if places:
            # If letters are used, digits and ordinals are something else: places in a list, counts.
            return sorted(places, key=lambda index: places[index])
    return []


def _letters(labels: Sequence[str]) -> dict[int, str]:
    return {n: _letter(label) for n, label in enumerate(labels)}


def _letter(label: str) -> str:
    """Match *label* as a word; "A" and "I" are words of the language, too, and then a word in small letters follows."""
    word = rf"(?<!\w)(?<!\w['’]){re.escape(label)}(?!\w|['’]\w)"
    if label not in ("A", "I"):
        return word
    return rf"(?i:(?<!\w){_CALLED}\s+){label}(?!\w)|{word}(?!\s+(?!(?:{_VERBS})\b)(?!\w+ly\b)[a-z])"


def _ordinals(labels: Sequence[str]) -> dict[int, str]:
    return {n: rf"(?i:\b{word}\b)" for n, word in enumerate(_ORDINALS[: len(labels)])}


def _numbers(labels: Sequence[str]) -> dict[int, str]:
    return {n: rf"(?<![\w.]){n + 1}(?!\w|\.\d)" for n in range(len(labels))}


def _is_order(line: str, labels: Sequence[str]) -> bool:
    """Whether *line* holds nothing but labels in an order, such as "B, then A, then C"."""
    letters = "|".join(re.escape(label) for label in labels)
    between = rf"(?:\W|\d|\b(?:then|and|{_CALLED})\b)*"
    return bool(labels) and re.fullmatch(rf"{between}(?:(?:{letters})\b{between}){{2,}}", line) is not None


def _listed(lines: Sequence[str], labels: Sequence[str]) -> list[int]:
    """Read a list with one label an entry; of a bullet's text only its beginning counts."""
    order: list[int] = []
    for line in lines:
        entry = _LIST_ENTRY.match(line)
        if entry is None:
            continue
        said = entry[1] or entry[2]
        found = _mentions(said, labels)
        if found and (entry[1] or _starts_with(said, labels[found[0]])):
            order.append(found[0])
    return list(dict.fromkeys(order))
