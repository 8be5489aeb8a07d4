"""Compares several answers to one question by rules: a tool for moderators and judges, and the rule they follow.

Plain functions of strings; imports no SDK. Nothing here depends on the order in which the answers stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from ..builtin_tools import calculator, find_key_words, words
from .reading import shorten, spell_out

TOTAL_CHARS = 24_000
"""How much of all answers together is read: agents compare in the event loop."""
MOST_SUMS = 20
RULE = "no wrong sum, then most of the question’s key words, then most facts from tools, then the shortest"

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])\s+|(?<=[.!?…]”)\s+|\n+")
_NO_GIST = re.compile(r"offline stand-in|no language model|\bsaid: “", re.IGNORECASE)
"""What an agent says of itself, and sentences that quote another's: they would become quotations of quotations."""
_SUM = re.compile(r"((?:sqrt\(|(?<![\d(])[\d(])[-+*/%().\d\s]{1,80}?)\s*=\s*(-?\d[\d,]*(?:\.\d+)?)")
_TIME = re.compile(r"\b\d\d:\d\d\b")


class Compared(msgspec.Struct, frozen=True):
    """One answer: the question's key words that it takes up, its sums worked out anew, its most telling sentence."""

    name: str
    key_words: list[str]
    right: list[str]
    wrong: list[str]
    facts: int
    size: int
    gist: str

    @property
    def merit(self) -> tuple[int, int, int, int]:
        """The `RULE` as a key: the greatest is the best."""
        return (-len(self.wrong), len(self.key_words), self.facts, -self.size)


def compare_answers(question: str, answers: list[str]) -> str:
    """Compare several answers to one question: which sums are right, what each says of the question. As JSON.

    Args:
        question: What was asked.
        answers: The answers, each as "Name: what it says".
    """
    if not answers:
        raise ValueError("there is no answer to compare")
    named = [answer.partition(": ") if ": " in answer else ("", "", answer) for answer in answers]
    return msgspec.json.encode(compare(question, [(name, text) for name, _, text in named])).decode()


def compare(question: str, answers: Sequence[tuple[str, str]]) -> list[Compared]:
    """Compare *answers*, names with texts. What an agent says about itself being offline counts for nothing."""
    asked = find_key_words(question[:TOTAL_CHARS], 8)
    return [_compared(name, text[: TOTAL_CHARS // len(answers)], asked) for name, text in answers]


def _compared(name: str, text: str, asked: Sequence[str]) -> Compared:
    parts = (part.strip().removeprefix("- ").strip() for part in _SENTENCE_END.split(text))
    sentences = [part for part in parts if part and not _NO_GIST.search(part)]

    def found_in(text: str) -> list[str]:
        there = {word.lower() for word in words(text)}
        return [word for word in asked if word.lower() in there]

    def facts(text: str) -> int:
        return sum(true is None for _, true in _sums(text)) + len(_TIME.findall(text))

    whole = "; ".join(sentences)  # a sum ends there
    sums = list(_sums(whole))
    return Compared(
        name=name,
        key_words=found_in(whole),
        right=[stated for stated, true in sums if true is None],
        wrong=[f"{stated} (it is {true})" for stated, true in sums if true is not None],
        facts=facts(whole),
        size=len(whole),
        gist=shorten(max(sentences, key=lambda each: (facts(each), len(found_in(each))), default=""), 140),
    )


def _sums(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield each sum in *text* as it stands, and None if it is right, else its true result."""
    found = dict.fromkeys(
        (" ".join(sum.split()), stated.rstrip(",")) for sum, stated in _SUM.findall(spell_out(text))
    )
    sums = [(sum, stated) for sum, stated in found if re.search(r"\d\)*\s*[-+*/%]|sqrt", sum)]
    for sum, stated in sums[:MOST_SUMS]:
        with suppress(ValueError):
            true = calculator(sum)
            said, places = stated.replace(",", ""), len(stated.partition(".")[2])
            error = abs(float(true) - float(said)) if places else float(true != said)
            # As people write numbers: 0.33 is 1/3 to two places.
            yield f"{sum} = {stated}", None if error <= 0.5 * 10.0**-places * (1 + 1e-9) else true
