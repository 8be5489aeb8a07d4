"""Compares several answers to one question by rules: a tool for moderators and judges, and the rule they follow.

Plain functions of strings, so any agent may list `compare_answers` under `tools`; imports no SDK. Nothing here
depends on the order in which the answers stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from .reading import shorten, spell_out
from .tools import calculator, find_key_words, words

SCAN_CHARS = 6_000
"""How much of an answer is read."""

TOTAL_CHARS = 24_000
"""How much of all answers together is read: agents that have no tool compare in the event loop."""

GIST_CHARS = 140
MOST_ITEMS = 5
MOST_SUMS = 20
QUESTION_WORDS = 8

RULE = (
    "no sum that is wrong, then the most of the question's own key words, then the most facts that a tool gives "
    "(sums that are right, times of a clock), then the fewest words; its place counts for nothing"
)

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])\s+|\n+")
_ABOUT_ITSELF = re.compile(r"offline stand-in|no language model|^\W*My instructions:", re.IGNORECASE)
_SUM = re.compile(r"((?:sqrt\(|(?<![\d(])[\d(])[-+*/%().\d\s]{1,80}?)\s*=\s*(-?\d[\d,]*(?:\.\d+)?)")
_READING = re.compile(
    r"(?:\w{3,12}, \d{1,2} \w{3,12} \d{4}, )?\d\d:\d\d(?::\d\d)? in [\w/+-]{2,40}(?: \(UTC[+-]\d\d:\d\d\))?"
)
_REPORTS = re.compile(r"\bsaid: “")
"""Sentences that repeat another's words; quoted again they would be quotations of quotations."""
_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w])")


class Compared(msgspec.Struct, frozen=True):
    """The findings in one answer, by itself and beside the others.

    `covers` are the question's key words that it takes up; `alone` and `numbers` what no other answer has; `right`
    and `wrong` its sums, worked out anew; `gist` the sentence that says most.
    """

    name: str
    words: int
    covers: list[str]
    alone: list[str]
    numbers: list[str]
    right: list[str]
    wrong: list[str]
    readings: list[str]
    gist: str

    @property
    def facts(self) -> int:
        """How many facts it has that a tool gives."""
        return len(self.right) + len(self.readings)

    @property
    def merit(self) -> tuple[int, int, int, int]:
        """The `RULE` as a key: the greatest is the best."""
        return (-len(self.wrong), len(self.covers), self.facts, -self.words)


class Comparison(msgspec.Struct, frozen=True):
    """Several answers beside each other, in the order given. `shared` words and numbers are in all of them."""

    key_words: list[str]
    shared: list[str]
    shared_numbers: list[str]
    answers: list[Compared]


def compare_answers(question: str, answers: list[str]) -> str:
    """Compare several answers to one question: what they share, where they differ, which sums are right. As JSON.

    Args:
        question: What was asked.
        answers: The answers, each as "Name: what it says".
    """
    named = [answer.partition(": ") for answer in answers]
    if not named:
        raise ValueError("there is no answer to compare")
    pairs = [(name, text) if colon else ("", name) for name, colon, text in named]
    return msgspec.json.encode(compare(question, pairs)).decode()


def compare(question: str, answers: Sequence[tuple[str, str]]) -> Comparison:
    """Compare *answers*, names with texts. What an agent says about itself being offline counts for nothing."""
    key_words = find_key_words(question[:SCAN_CHARS], QUESTION_WORDS)
    asked = set(_numbers(question))
    share = TOTAL_CHARS // max(1, len(answers))
    sentences = [_sentences(text[:share]) for _, text in answers]
    texts = [" ".join(each) for each in sentences]
    vocabularies = [{word.lower() for word in words(text)} for text in texts]
    telling = [find_key_words(text, 40) for text in texts]
    numbers = [_numbers(text) for text in texts]
    compared = [
        Compared(
            name=name,
            words=len(text.split()),
            covers=[word for word in key_words if word.lower() in vocabularies[place]],
            alone=_alone(telling, vocabularies, place),
            numbers=_alone(numbers, [set(each) for each in numbers], place, asked),
            right=[told for told, true in _sums(text) if true is None],
            wrong=[f"{told} (it is {true})" for told, true in _sums(text) if true is not None],
            readings=list(dict.fromkeys(found[0] for found in _READING.finditer(text)))[:MOST_ITEMS],
            gist=_gist(sentences[place], key_words),
        )
        for place, ((name, _), text) in enumerate(zip(answers, texts, strict=True))
    ]
    several = len(answers) > 1
    shared = (
        {word.lower() for each in telling for word in each}.intersection(*vocabularies) if several else set()
    )
    same = set(numbers[0]).intersection(*numbers) - asked if several else set()
    return Comparison(key_words, _telling_order(shared, key_words), sorted(same)[:MOST_ITEMS], compared)


def read_comparison(output: str, count: int) -> Comparison | None:
    """Return what `compare_answers` said of *count* answers; None if *output* is something else."""
    try:
        found = msgspec.json.decode(output, type=Comparison)
    except msgspec.MsgspecError:
        return None
    return found if len(found.answers) == count else None


def gist_of(text: str, question: str = "") -> str:
    """Return the sentence of *text* that says most about *question*."""
    return _gist(_sentences(text), find_key_words(question[:SCAN_CHARS], QUESTION_WORDS))


def right_sums(text: str) -> list[str]:
    """Return the sums in *text* that are right, such as "17*23 = 391"."""
    return [told for told, true in _sums(text[:SCAN_CHARS]) if true is None]


def _sentences(text: str) -> list[str]:
    parts = (part.strip().removeprefix("- ").strip() for part in _SENTENCE_END.split(text[:SCAN_CHARS]))
    return [part for part in parts if part and not _ABOUT_ITSELF.search(part)]


def _gist(sentences: Sequence[str], key_words: Sequence[str]) -> str:
    """Choose the sentence with most facts, then with most of *key_words*, then the first; its own words first."""
    if not sentences:
        return ""

    def weight(place: int) -> tuple[bool, int, int, int]:
        sentence = sentences[place]
        facts = len(right_sums(sentence)) + len(_READING.findall(sentence))
        there = {word.lower() for word in words(sentence)}
        own = _REPORTS.search(sentence) is None
        return own, facts, sum(word.lower() in there for word in key_words), -place

    return shorten(sentences[max(range(len(sentences)), key=weight)], GIST_CHARS)


def _sums(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield each sum in *text* as it stands, and None if it is right, else its true result."""
    seen: set[str] = set()
    for found in _SUM.finditer(spell_out(text)):
        expression, told = " ".join(found[1].split()), found[2].rstrip(",")
        shown = f"{expression} = {told}"
        if shown in seen or not re.search(r"\d\)*\s*[-+*/%]|sqrt", expression):
            continue
        seen.add(shown)
        try:
            true = calculator(expression)
        except ValueError:
            continue
        yield shown, None if _equal(true, told.replace(",", "")) else true
        if len(seen) >= MOST_SUMS:
            return


def _equal(true: str, told: str) -> bool:
    """Compare numbers as people write them: 0.33 is 1/3 to two places."""
    if true == told:
        return True
    if "." not in told and "." not in true and "e" not in true:
        return int(true) == int(told)
    places = len(told.partition(".")[2])
    return (
        abs(float(true) - float(told)) <= 0.5 * 10**-places * (1 + 1e-9)
        if places
        else float(true) == float(told)
    )


def _numbers(text: str) -> list[str]:
    """Return the numbers in *text* that are no part of a sum or of a time."""
    rest = _READING.sub(" ", _SUM.sub(" ", spell_out(text[:SCAN_CHARS])))
    return list(dict.fromkeys(found[0].replace(",", "") for found in _NUMBER.finditer(rest)))


def _alone(
    lists: Sequence[Sequence[str]],
    sets: Sequence[set[str]],
    place: int,
    but: frozenset[str] | set[str] = frozenset(),
) -> list[str]:
    others = set().union(*(each for at, each in enumerate(sets) if at != place)) | but
    return [item for item in lists[place] if item.lower() not in others][:MOST_ITEMS]


def _telling_order(found: set[str], key_words: Sequence[str]) -> list[str]:
    """Put the question's own words first, then the long, then by the alphabet."""
    asked = [word.lower() for word in key_words]
    order = sorted(
        found, key=lambda word: (asked.index(word) if word in asked else len(asked), -len(word), word)
    )
    return order[:MOST_ITEMS]
