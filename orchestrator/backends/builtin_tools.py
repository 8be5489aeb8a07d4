"""Tools for agents of every kind that need no key and no network: a calculator, a clock, text statistics, key words.

Plain functions of strings, so any agent may list them under `tools`; imports no SDK. A tool that
cannot answer raises `ValueError` with a sentence that a reader can act on.
"""

from __future__ import annotations

import ast
import json
import math
import operator
import re
import unicodedata
import zoneinfo
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import cache

from ..errors import ToolError

MAX_EXPRESSION_CHARS = 400
MAX_RESULT_BITS = 4_000  # about 1,200 digits: far below what Python refuses to print

STOP_WORDS = frozenset(
    """
    a about again all also am an and any are as at be because been but by can could did do does for from get give had
    has have he her him his how i if in into is it its just let like make many may me more most much my no not now of
    on one or our out over please say she should so some tell than that the their them then there these they this to
    too up us use very was we were what when where which while who whom whose why will with would you your
    """.split()  # noqa: SIM905 - a list of this length is unreadable
)

Number = int | float


class ToolInputError(ToolError, ValueError):
    """The input of a tool cannot be used; its words are for the reader."""


def calculator(expression: str) -> str:
    """Compute an arithmetic expression.

    Knows + - * / // % **, parentheses, sqrt, abs, round, min, max, pi and e.

    Args:
        expression: For example "17*23" or "sqrt(2) * (3 + 4)".
    """
    if len(expression) > MAX_EXPRESSION_CHARS:
        raise ToolInputError(f"the expression is longer than {MAX_EXPRESSION_CHARS} characters")
    try:
        value = _evaluate(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as exc:
        raise ToolInputError(f"{expression!r} is not an arithmetic expression") from exc
    except ZeroDivisionError as exc:
        raise ToolInputError("division by zero") from exc
    except OverflowError as exc:
        raise ToolInputError("the result is too large") from exc
    return str(value) if isinstance(value, int) else f"{value:.12g}"


def clock(place: str) -> str:
    """Tell the date and the time of day at a place.

    Args:
        place: "UTC", a time zone such as "Asia/Tokyo", or its city alone, "Tokyo".
    """
    zone = _zones().get(place.strip().lower().replace(" ", "_"))
    if zone is None:
        raise ToolInputError(f"no time zone is called {place.strip()[:60]!r}")
    now = datetime.now(zoneinfo.ZoneInfo(zone))
    return f"{now:%A}, {now.day} {now:%B %Y, %H:%M:%S} in {zone} (UTC{now.isoformat()[-6:]})"


def text_statistics(text: str) -> str:
    """Count the characters, words and sentences of a text and find its longest word, as JSON.

    Args:
        text: The text to measure.
    """
    found = words(text)
    return json.dumps({
        "characters": len(text),
        "words": len(found),
        "distinct_words": len({word.lower() for word in found}),
        "sentences": len([part for part in re.split(r"[.!?…。！？]+", text) if re.search(r"\w", part)]),
        "lines": len(text.splitlines()),
        "longest_word": max(found, key=len, default=""),
    }, ensure_ascii=False)  # fmt: skip


def key_words(text: str) -> str:
    """Find up to five words that a text turns on, the most telling first, as a JSON list.

    Args:
        text: The text to read.
    """
    return json.dumps(find_key_words(text), ensure_ascii=False)


def words(text: str) -> list[str]:
    """Return the words of *text* in order; runs without spaces, as in Chinese, count as one."""
    # `re` knows no combining marks, and would take Hindi or Thai words apart at each of them.
    kept = (char if unicodedata.category(char)[0] in "LM" or char in "'’-" else " " for char in text)
    stripped = (word.strip("'’-") for word in "".join(kept).split())
    return [word for word in stripped if any(map(str.isalpha, word))]


def find_key_words(text: str, limit: int = 5) -> list[str]:
    """Return the words that *text* turns on: the repeated first, then the long, then the early."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for word in words(text):
        lowered = word.lower()
        if lowered not in STOP_WORDS and (len(word) > 1 or not word.isascii()):
            counts[lowered] += 1
            first.setdefault(lowered, word[:24])
    ranked = sorted(counts, key=lambda word: (-counts[word], -min(len(word), 9)))
    return [first[word] for word in ranked[:limit]]


def _evaluate(node: ast.expr) -> Number:
    """Compute *node*; whatever is not listed here is refused, so nothing can be reached from it."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.Name(id="pi" | "e" as name):
            return float(getattr(math, name))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            return -_evaluate(operand) if isinstance(sign, ast.USub) else _evaluate(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _bounded(_OPERATORS[type(op)](_evaluate(left), _evaluate(right)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            if not args or (len(args) > 1 and name not in ("min", "max")):
                raise ToolInputError(f"{name}() takes {'at least ' * (name in ('min', 'max'))}one number")
            return _bounded(_FUNCTIONS[name]([_evaluate(argument) for argument in args]))
    raise ToolInputError(f"{ast.unparse(node)[:60]!r} is not arithmetic")


def _power(base: Number, exponent: Number) -> Number:
    # Refused before it is computed: a tower of powers would hold a core for hours.
    if isinstance(base, int) and abs(base) > 1 and base.bit_length() * exponent > MAX_RESULT_BITS:
        raise OverflowError
    result: int | float | complex = base**exponent
    if isinstance(result, complex):
        raise ToolInputError("the result is not a real number")
    return result


def _bounded(value: Number) -> Number:
    if value.bit_length() > MAX_RESULT_BITS if isinstance(value, int) else not math.isfinite(value):
        raise OverflowError
    return value


_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Pow: _power,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Div: lambda left, right: left / right if left % right else left // right,  # whole numbers stay whole
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[list[Number]], Number]] = {
    "sqrt": lambda numbers: _power(numbers[0], 0.5), "abs": lambda numbers: abs(numbers[0]),
    "round": lambda numbers: round(numbers[0]), "min": min, "max": max,
}  # fmt: skip


@cache
def _zones() -> dict[str, str]:
    """Return every time zone of this machine by its lower-case name and by its city."""
    names = sorted(zoneinfo.available_timezones() - {"localtime"})
    places = [name for name in names if "/" in name and not name.startswith(("Etc/", "posix/", "right/"))]
    cities = {name.rpartition("/")[2].lower(): name for name in reversed(places)}
    return {"utc": "UTC"} | cities | {name.lower(): name for name in names}
