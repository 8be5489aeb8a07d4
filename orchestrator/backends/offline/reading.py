"""Reads a text without a language model: its sums, its places, the words that it turns on.

Pure functions, each linear in a bounded prefix of the text, so one of any size costs milliseconds.
"""

from __future__ import annotations

import re

SCAN_CHARS = 4_000
"""How much of a text is searched for sums and places."""

_SIGNS = str.maketrans("×·∙÷∶−–", "***//--") | {ord("^"): "**"}
_SPOKEN = (
    (r"(?<=\d),(?=\d{3}(?!\d))", ""), (r"(?<=\d)\s*x\s*(?=\d)", " * "),
    (r"\b(?:multiplied by|times)\b", "*"), (r"\bdivided by\b", "/"), (r"\bplus\b", "+"), (r"\bminus\b", "-"),
    (r" ?(?:%|\bpercent\b)\s*of\b", " / 100 *"), (r"\bsquare root of\s+(\d+(?:\.\d+)?)", r"sqrt(\1)"),
)  # fmt: skip
_ARITHMETIC = re.compile(r"(?:sqrt(?=\s*\()|\d+(?:\.\d+)?|\.\d+|[-+*/%()]|[ \t])+")
_SUM = re.compile(r"\d[\s)]*[-+*/%]|sqrt")
_ASKS_TO_COMPUTE = re.compile(r"(?i)\b(?:calculate|compute|how much|what is|what's|work out)\b|=")
_ASKS_THE_TIME = re.compile(
    r"(?i)\bwhat(?:'s|’s| is)? (?:the )?(?:current )?(?:time|date|day)\b|\b(?:time is it|time in|right now|o'clock)\b"
    r"|\b(?:the|current|local) (?:time|date)\b|\b(?:wie spät|uhrzeit|quelle heure|qué hora|che ora)\b|几点|何時"
)
_NAMED_PLACE = re.compile(r"\bin ([A-Z][\w'-]*(?:[ /_][A-Z][\w'-]*){0,3})")
_ANY_PLACE = re.compile(r"(?i)\b(?:time|date|day|it|now) in (?!(?:the|an?|my|your)\b)([a-z][\w/]*)")
_CONTINUES = re.compile(r"(?is)^\W*(?:(?:and|now|then|so|ok|that)\W+)*((?:[+*/%]|-(?=\s)).*)")
_RESULT = re.compile(r"= (-?\d+(?:\.\d+)?)(?![\w.]*e)")


def find_expression(message: str, earlier_answer: str = "") -> str | None:
    """Return the first sum in *message*, ready for the calculator.

    One that begins with an operator ("and times 2?") goes on from the last result in *earlier_answer*.
    """
    text = spell_out(message[:SCAN_CHARS])
    if (continued := _CONTINUES.match(text)) and (results := _RESULT.findall(earlier_answer)):
        rest = _ARITHMETIC.match(continued[1])
        if rest and re.search(r"\d", rest[0]):
            return _balanced(f"{results[-1]} {rest[0]}".strip().rstrip("-+*/%( "))
    asked = _ASKS_TO_COMPUTE.search(text)
    for found in _ARITHMETIC.finditer(text):
        expression = _balanced(found[0].strip().lstrip("+*/%) ").rstrip("-+*/%( "))
        if not _SUM.search(expression) or not expression.rstrip(")")[-1:].isdigit():
            continue
        # A date or a range, 2026-10-12 or 24/7, is a sum only if asked to compute.
        if asked or not re.fullmatch(r"\d+(?:[-/]\d+)+", expression):
            return expression
    return None


def find_place(message: str) -> str | None:
    """Return the place whose time or date *message* asks for, "UTC" if it names none; None if it asks for neither."""
    text = message[:SCAN_CHARS]
    if not _ASKS_THE_TIME.search(text):
        return None
    found = _NAMED_PLACE.search(text) or _ANY_PLACE.search(text)
    return found[1] if found else "UTC"


def shorten(text: str, limit: int) -> str:
    """Return *text* on one line, cut between words to at most *limit* characters."""
    line = " ".join(text[: limit * 4].split())
    if len(line) <= limit and len(text) <= limit * 4:
        return line
    cut = line[: limit - 1]
    head, space, _ = cut.rpartition(" ")
    return f"{head if space and len(head) > limit // 2 else cut}…"


def spell_out(text: str) -> str:
    """Return *text* with its arithmetic in a calculator's signs: "6 times 7" becomes "6 * 7"."""
    text = text.translate(_SIGNS)
    for pattern, sign in _SPOKEN:
        text = re.sub(pattern, sign, text, flags=re.IGNORECASE)
    return text


def _balanced(expression: str) -> str:
    """Drop parentheses at the ends that belong to the sentence and not to the sum."""
    while expression.count(")") > expression.count("(") and expression.endswith(")"):
        expression = expression[:-1].rstrip()
    while expression.count("(") > expression.count(")") and expression.startswith("("):
        expression = expression[1:].lstrip()
    return expression
