"""Reads the questions of a comparison: one JSON object, or one JSON string, a line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class ComparedQuestion:
    """One line of the file. `expect` are words that a right answer has in it, however they are written.

    `key` names what is asked, not where it stands: a result is taken up again only for the same question.
    """

    question_id: str
    text: str
    expect: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        identity = json.dumps([self.question_id, self.text, self.expect])
        return hashlib.sha256(identity.encode()).hexdigest()[:16]


def read_questions(path: Path) -> list[ComparedQuestion]:
    """Return the file's questions.

    Raises:
        InvalidRequest: The file cannot be read, a line is wrong, an id is there twice, or there is no question.
    """
    try:
        # Some editors begin a file with a mark; and `splitlines` would cut a string at signs that JSON allows in it.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"{path}: {exc}") from exc
    found: dict[str, ComparedQuestion] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        question = _read(line, f"{path}:{number}", str(number))
        if question.question_id in found:
            raise InvalidRequest(f"{path}:{number}: there is a question {question.question_id!r} already")
        found[question.question_id] = question
    if not found:
        raise InvalidRequest(f"{path}: there is no question in it")
    return list(found.values())


def _read(line: str, where: str, number: str) -> ComparedQuestion:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise InvalidRequest(f"{where}: this is no JSON: {exc}") from exc
    data = {"question": data} if isinstance(data, str) else data
    if not isinstance(data, dict):
        raise InvalidRequest(f"{where}: a line is a string, or an object with `question`, `id`, `expect`")
    unknown = data.keys() - {"question", "id", "expect"}
    text, expect = data.get("question"), data.get("expect", [])
    expect = [expect] if isinstance(expect, str) else expect
    if unknown:
        named = ", ".join(f"`{key[:80]}`" for key in sorted(unknown)[:5])
        raise InvalidRequest(f"{where}: there is no key {named}; a line has `question`, `id` and `expect`")
    if not isinstance(text, str) or not text.strip():
        raise InvalidRequest(f"{where}: `question` is a string that says something")
    given = data.get("id", number)
    if not isinstance(given, str | int) or isinstance(given, bool) or given == "":
        raise InvalidRequest(f"{where}: `id` is a string or a number")
    if not isinstance(expect, list) or not all(isinstance(word, str) for word in expect):
        raise InvalidRequest(f"{where}: `expect` is a string or a list of strings")
    question = ComparedQuestion(str(given), text, tuple(expect))
    try:
        "".join([question.question_id, text, *expect]).encode()
    except UnicodeEncodeError as exc:
        raise InvalidRequest(f"{where}: it has half of a sign: {exc.object[exc.start]!r}") from exc
    return question
