"""Covers `orchestrator compare`, run as a user runs it: what is asked, counted, written, taken up again."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.comparison.compare import ComparisonPlan
from orchestrator.cli.comparison.compare import compare as compare_all
from orchestrator.cli.comparison.questions import read_questions
from orchestrator.cli.comparison.results import ComparedAnswer, Result, Results
from orchestrator.cli.comparison.scores import scores_of, table
from orchestrator.errors import InvalidRequest
from tests.support.commands import orchestrate

MODULE = """
import json, pathlib
ASKED = pathlib.Path(__file__).with_name("asked.txt")

def asked(request):
    with ASKED.open("a") as file:
        file.write(f"{request.agent_id}: {request.message}\\n")

async def right(request):
    asked(request)
    yield "Four, <b>of course</b>: 2 + 2 = 4."

async def wrong(request):
    asked(request)
    if "fail" in request.message:
        raise RuntimeError("no")
    yield "Five."

async def judge(request):
    text = request.message
    first = text.index("Four") < text.index("Five")
    letter = "A" if first else "B"
    yield json.dumps({"winner": letter}) + f"\\nWINNER: {letter}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "voices_compared.py").write_text(MODULE)
    agents = tmp_path / "agents_config"
    agents.mkdir()
    for name in ("right", "wrong", "judge"):
        (agents / f"{name}.yaml").write_text(
            f"backend: function\nstream: voices_compared:{name}\nretry: {{attempts: 1}}\n"
        )
    lines = ['"What is 2 + 2?"', '{"id": "again", "question": "And 2 + 2 <now>?", "expect": "4"}', ""]
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    return tmp_path


def compare(folder: Path, *arguments: str) -> tuple[int, str, str]:
    ran = orchestrate("compare", "questions.jsonl", "--agents", "right,wrong", *arguments, cwd=folder)
    return ran.returncode, ran.stdout, ran.stderr


def asked(folder: Path) -> list[str]:
    file = folder / "asked.txt"
    return sorted(file.read_text().splitlines()) if file.exists() else []


def kept(results: Path) -> list[dict[str, object]]:
    """Return what can be read of a file of results, one of whose lines was cut off."""
    found = []
    for line in results.read_text().splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def test_every_question_goes_to_every_agent_and_the_best_comes_first(folder: Path) -> None:
    code, out, err = compare(folder, "--runs", "2")
    assert code == 0, err
    assert len(asked(folder)) == 8
    rows = out.splitlines()
    assert rows[0].split() == [
        "agent",
        "score",
        "wins",
        "ties",
        "losses",
        "passed",
        "failed",
        "median",
        "tokens",
        "cost",
    ]
    assert rows[2].split()[:6] == ["right", "100%", "0", "0", "0", "2/2"]
    assert rows[3].split()[:6] == ["wrong", "50%", "0", "0", "0", "0/2"]
    assert "comparison/report.html" in out


def test_the_report_is_one_page_that_needs_nothing_else(folder: Path) -> None:
    compare(folder)
    page = (folder / "comparison" / "report.html").read_text()
    tags: list[str] = []
    addresses: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            addresses.extend(value or "" for name, value in attrs if name in ("src", "href"))

    Reader().feed(page)
    assert addresses == []
    assert not {"script", "link", "img", "b"} & set(tags)
    assert tags.count("section") == 4
    assert "Four, &lt;b&gt;of course&lt;/b&gt;" in page
    assert "And 2 + 2 &lt;now&gt;?" in page


def test_what_was_answered_already_is_not_asked_again(folder: Path) -> None:
    compare(folder)
    before = asked(folder)
    results = folder / "comparison" / "results.jsonl"
    first, second = results.read_text().splitlines()
    results.write_text(f"{first}\n{second[: len(second) // 2]}")  # interrupted while it was written
    code, out, _ = compare(folder)
    assert code == 0
    assert len(asked(folder)) == len(before) + 2, "the one that was cut off"
    assert "right  100%" in out
    assert len(kept(results)) == 2
    compare(folder, "--runs", "2")
    assert len(asked(folder)) == len(before) + 6, "two questions once more"


@pytest.mark.parametrize(("threshold", "code"), [("0", 0), ("1", 0), ("0.5", 0)])
def test_a_threshold_that_is_reached_passes(folder: Path, threshold: str, code: int) -> None:
    assert compare(folder, "--threshold", threshold)[0] == code


def test_below_the_threshold_the_exit_code_says_so(folder: Path) -> None:
    (folder / "questions.jsonl").write_text('{"question": "2 + 2?", "expect": "seven"}\n')
    assert compare(folder, "--threshold", "0.1")[0] == 3


def test_a_judge_says_who_wins(folder: Path) -> None:
    code, out, err = compare(folder, "--judge", "judge")
    assert code == 0, err
    right, wrong = out.splitlines()[2:4]
    assert right.split()[:5] == ["right", "100%", "2", "0", "0"]
    assert wrong.split()[:5] == ["wrong", "0%", "0", "0", "2"]
    assert 'class="won"' in (folder / "comparison" / "report.html").read_text()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "there is no question"),
        ('"one"\n{', "questions.jsonl:2: this is no JSON"),
        ('"one"\n' + "[" * 200_000, "questions.jsonl:2: this is no JSON"),
        (
            '{"text": "x"}',
            "questions.jsonl:1: there is no key `text`; a line has `question`, `id` and `expect`",
        ),
        ('{"question": " "}', "questions.jsonl:1: `question` is a string that says something"),
        ('{"question": "x", "expect": 4}', "`expect` is a string or a list"),
        ('{"id": 1, "question": "x"}\n{"id": "1", "question": "y"}', "there is a question '1' already"),
        ("3", "a line is a string, or an object"),
        ('{"id": null, "question": "x"}', "`id` is a string or a number"),
        ('{"id": [1], "question": "x"}', "`id` is a string or a number"),
        ('{"id": true, "question": "x"}', "`id` is a string or a number"),
        ('"half of a sign: \\ud83d"', "questions.jsonl:1: it has half of a sign"),
        ('{"question": "x", "expect": ["\\udfff"]}', "it has half of a sign"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, lines: str, said: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(lines)
    with pytest.raises(InvalidRequest, match=said.replace("(", r"\(")):
        read_questions(file)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "\n\n \t\n"])
def test_a_file_is_read_however_its_lines_end_and_it_begins(tmp_path: Path, ends: str) -> None:
    """As all systems write it: with a mark before it, and signs within a string that end lines elsewhere."""
    texts = [
        "Größe? 中文 👩‍👩‍👧",
        "one\u2028two\u2029three\u0085four",
        "nul \0, escape \x1b[31m",
        "word " * 50_000,
    ]
    lines = [json.dumps(text, ensure_ascii=False) for text in texts]
    file = tmp_path / "questions.jsonl"
    file.write_bytes(("\ufeff" + ends.join(lines)).encode())
    assert [question.text for question in read_questions(file)] == texts


def plan(folder: Path, **keys: Any) -> ComparisonPlan:
    given: dict[str, Any] = {"agents": ("a",), "judge": None, "runs": 1, "at_once": 1, "threshold": 0.0}
    return ComparisonPlan(folder / "questions.jsonl", **given | {"out": folder / "out"} | keys)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"agents": ()}, "names nobody"),
        ({"threshold": math.nan}, "is no number"),
        ({"out": "file"}, "--out: "),
    ],
)
async def test_what_cannot_come_to_a_report_asks_nobody(
    tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    (tmp_path / "questions.jsonl").write_text('"one"\n')
    (tmp_path / "file").touch()
    if "out" in keys:
        keys = {"out": tmp_path / keys["out"]}

    def nobody(question: str) -> Any:
        raise AssertionError(question)

    with pytest.raises(InvalidRequest, match=said):
        await compare_all(plan(tmp_path, **keys), nobody)


def test_a_judge_that_never_decides_lets_nobody_pass(folder: Path) -> None:
    """Of a judge that talks nonsense nothing can be said: answers that came are not thereby good ones."""
    (folder / "voices_compared.py").write_text(
        MODULE + 'async def babble(request):\n    yield "WINNER: Z, or 7"\n'
    )
    (folder / "agents_config" / "judge.yaml").write_text(
        "backend: function\nstream: voices_compared:babble\nretry: {attempts: 1}\n"
    )
    code, out, err = compare(folder, "--judge", "judge", "--threshold", "0.01")
    assert code == 3, err
    assert [line.split()[1] for line in out.splitlines()[2:4]] == ["0%", "0%"]
    assert "judge gave no verdict in 2 of 2 runs" in out
    assert "no verdict" in (folder / "comparison" / "report.html").read_text()


def test_an_unknown_agent_is_one_line(folder: Path) -> None:
    ran = orchestrate("compare", "questions.jsonl", "--agents", "right,nobody", cwd=folder)
    assert ran.returncode == 2
    assert "there is no nobody" in ran.stderr
    assert "Traceback" not in ran.stderr


def answer(status: str = "done", *, passed: bool | None = None, cost: float | None = None) -> ComparedAnswer:
    return ComparedAnswer(status, "said", None, passed, 1000.0, 10, cost)


def test_ties_count_half_and_costs_are_summed() -> None:
    runs = [
        Result("k", "1", n, {"a": answer(cost=0.5), "b": answer("error")}, judged=True, winner=winner)
        for n, winner in enumerate(["a", None, "b", "a"])
    ]
    first, second = scores_of(runs, ["b", "a"])
    assert (first.agent, first.wins, first.ties, first.losses, first.share) == ("a", 2, 1, 1, 0.625)
    assert (second.failed, second.share, second.cost) == (4, 0.375, None)
    assert first.cost == 2.0
    assert "2.0000" in table([first])


def test_results_of_other_agents_are_not_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    Results(file, {"agents": ["a"]}).add(Result("k", "1", 1, {"a": answer()}))
    assert len(Results(file, {"agents": ["a"]}).load()) == 1
    assert Results(file, {"agents": ["b"]}).load() == []
    assert json.loads(file.read_text())["question_id"] == "1"


def test_lines_that_are_no_results_are_left_out(tmp_path: Path) -> None:
    """Of another release, of another program, or damaged: what they stand for is asked anew."""
    file = tmp_path / "results.jsonl"
    results = Results(file, {"agents": ["a"]})
    results.add(Result("k", "1", 1, {"a": answer()}))
    kept_line = json.loads(file.read_text())
    odd: list[Any] = [3, [], None, "text", {}, {"settings": 1}, {**kept_line, "new": 1}]
    odd += [{**kept_line, "answers": answers} for answers in ([], {"a": None}, {"a": {"text": "x"}})]
    with file.open("ab") as damaged:
        damaged.write(
            "".join(f"{json.dumps(line)}\n" for line in odd).encode()
            + b'\xff\xfe\x00\n{"a"\n'
            + b"[" * 200_000
        )
    assert len(results.load()) == 1
