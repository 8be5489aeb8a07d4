"""A panel on a terminal and in a pipe: who has the last word, what that one read, what came of it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len

from orchestrator.terminal.panel_words import describe_panel, reading_words, result_words
from orchestrator.terminal.screen import PrefixedLines
from tests.client.test_run_view import event
from tests.support.panelscript import RESULT, Said, council, done, opening, started, token
from tests.terminal.test_screen import HOSTILE, Told, columns, drawn


def tell(run: Told, screen: Any, *said: Said) -> None:
    for name, data in said:
        run.tell(screen, name, **data)


# ── in words ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"status": "decided", "winner": None, "by": "mod"}, "decided; last word: mod"),
        (
            {
                "status": "decided", "winner": "ann", "by": "mod", "tally": {"ann": 2},
                "ranking": [{"agent": "ann", "score": 2.0}, {"agent": "bob", "score": 0.5}],
            },
            "decided: ann wins; scores ann 2, bob 0.5; tally ann × 2; last word: mod",
        ),
        ({"status": "tie", "winner": None, "tally": {"ann": 1, "bob": 1}}, "tie; tally ann × 1, bob × 1"),
        ({"status": "decided", "winner": "ann", "answer": "42", "tally": {"42": 2, "41": 1}},
         "decided: '42', by ann; tally 42 × 2, 41 × 1"),
        ({"status": "failed", "missing": [{"agent": "bob", "status": "error"}]}, "failed; without bob (error)"),
        ({"status": "decided", "winner": "ann", "revision": 1}, "decided: ann wins; revision 1"),
        ({"status": "undecided", "tally": {str(n): 1 for n in range(9)}},
         "undecided; tally " + ", ".join(f"{n} × 1" for n in range(8)) + " …"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_result_is_one_line(result: dict[str, Any], said: str) -> None:
    assert result_words(result) == said


def test_who_reads_whom_is_said() -> None:
    inputs = [
        {"agent": "ann", "attempt": 1, "chars": 4},
        {"agent": "bob", "attempt": 1, "chars": 3, "of_chars": 9},
    ]
    missing = [{"agent": "cid", "status": "running"}]
    assert reading_words(inputs, missing) == "reads ann, bob (cut to 3 of 9); without cid (running)"
    assert reading_words([], missing) == "without cid (running)"
    assert reading_words([], []) == ""


def test_a_panels_event_that_is_not_known_is_not_worth_a_line() -> None:
    assert describe_panel(event("panel.applause", panel="council")) is None


# ── lines ─────────────────────────────────────────────────────────────────────────────────────


def test_a_council_in_a_pipe() -> None:
    out = io.StringIO()
    screen, run = PrefixedLines(out, io.StringIO()), Told()
    tell(run, screen, *council())
    told = [tuple(part.strip() for part in line.split("│", 1)) for line in out.getvalue().splitlines()]
    assert told == [
        ("run", "run_scripted starts: ann, bob, cid; panel Council (moderator)"),
        ("panel", "answers: ann, bob, cid"),
        ("ann", "It is"),
        ("ann", "so."),
        ("ann", "[done] 0.21 s to first token, 31 tok/s, 1.5 s"),
        ("bob", "[error upstream_auth] no key"),
        ("run", "mod joins"),
        ("panel", "final: mod; without bob (error), cid (running)"),
        ("mod[final]", "[reads ann (cut to 4 of 9); without bob (error), cid (running)]"),
        ("cid", "[done] 0.21 s to first token, 31 tok/s, 1.5 s"),
        ("panel", "late: cid (done), 5 characters"),
        ("mod[final]", "Ann says so."),
        ("mod[final]", "[done] 0.21 s to first token, 31 tok/s, 1.5 s"),
        ("panel", "result: decided; last word: mod; without bob (error), cid (running)"),
        ("run", "partial after 1.6 s"),
    ]


def test_another_turn_is_no_second_try() -> None:
    out = io.StringIO()
    screen, run = PrefixedLines(out, io.StringIO()), Told()
    tell(run, screen, started("ann", "review", attempt=2, turn=2), token("ann", "B", "review"))
    tell(
        run, screen, started("bob", "round", attempt=2, turn=2, round=2), token("bob", "C", "round", round=2)
    )
    screen.close(run)
    assert out.getvalue().splitlines() == ["ann[review] │ B", "bob[round 2] │ C"]


# ── columns ───────────────────────────────────────────────────────────────────────────────────


def test_the_last_word_stands_below_the_members() -> None:
    screen, _ = columns(120, 40)
    run = Told()
    script = council()
    tell(run, screen, *script[:9])
    before = drawn(screen, run)
    assert "Council (moderator) · answers" in before[-2]
    tell(run, screen, *script[9:14])
    frame = drawn(screen, run)
    members = next(n for n, line in enumerate(frame) if "ann done" in line)
    moderator = next(n for n, line in enumerate(frame) if "mod final streaming" in line)
    assert all(name in frame[members] for name in ("ann done", "bob error", "cid thinking"))
    assert members < moderator
    assert frame[moderator].count("│") == 2, "it has the whole width"
    text = "\n".join(frame)
    assert "Ann says so." in text
    assert "reads ann (cut to 4 of 9); without bob (error), cid (running)" in text
    assert "Council (moderator) · final · without bob (error), cid (running)" in frame[-2]
    tell(run, screen, *script[14:])
    assert "Council (moderator) · decided; last word: mod; without" in drawn(screen, run)[-2]
    screen.close(None)


def test_a_fallback_stands_beside_the_moderator_that_failed() -> None:
    screen, _ = columns(120, 40)
    run = Told()
    tell(run, screen, opening("ann"), started("ann"), done("ann", "A"))
    tell(run, screen, started("mod", "final"), started("sub", "final"))
    row = next(line for line in drawn(screen, run) if "mod final" in line)
    assert "sub final" in row
    assert "ann" not in row
    screen.close(None)


def test_a_member_that_has_the_last_word_too_moves_down() -> None:
    screen, _ = columns(120, 40)
    run = Told()
    tell(run, screen, opening("ann", "bob", moderator="ann"), started("ann"), started("bob"))
    assert any("ann thinking" in line and "bob thinking" in line for line in drawn(screen, run))
    tell(run, screen, started("ann", "final", attempt=2, turn=2))
    frame = drawn(screen, run)
    assert next(n for n, line in enumerate(frame) if "bob" in line) < next(
        n for n, line in enumerate(frame) if "ann final" in line
    )
    screen.close(None)


@pytest.mark.parametrize("width", [1, 10, 40, 80, 200])
@pytest.mark.parametrize("height", [1, 3, 5, 9, 10, 16, 24, 60])
@pytest.mark.parametrize("members", [1, 3, 8])
def test_a_panels_frame_never_leaves_the_screen(width: int, height: int, members: int) -> None:
    screen, _ = columns(width, height)
    run = Told()
    names = [f"agent-{n}" for n in range(members)]
    tell(run, screen, opening(*names))
    for name in names:
        tell(run, screen, started(name), token(name, "日本語 word\tтекст " * 100))
    drawn(screen, run)
    tell(run, screen, started("mod", "final", inputs=[{"agent": n, "attempt": 1, "chars": 9} for n in names]))
    tell(run, screen, token("mod", "a long answer " * 200, "final"), ("panel.result", RESULT))
    frame = drawn(screen, run)
    assert len(frame) <= max(2, height - 1)
    assert all(cell_len(line) <= width for line in frame)
    screen.close(None)


def test_every_turn_and_the_result_go_into_the_scrollback() -> None:
    screen, console = columns(100, 20)
    run = Told()
    tell(
        run,
        screen,
        *council()[:-1],
        started("ann", "review", attempt=2, turn=2),
        token("ann", "Bob!", "review"),
    )
    with console.capture() as capture:
        screen.close(run)
    said = capture.get()
    order = [
        "ann answer earlier",
        "It is",
        "ann review",
        "Bob!",
        "bob error",
        "cid done",
        "mod final",
        "Ann says so.",
    ]
    places = [said.index(part) for part in order]
    assert places == sorted(places)
    assert said.index("Council (moderator) · decided; last word: mod") > places[-1]


def test_hostile_panels_draw_nothing_of_their_own() -> None:
    screen, console = columns(100, 40)
    out = io.StringIO()
    lines = PrefixedLines(out, io.StringIO())
    run = Told()
    hostile = [{"agent": HOSTILE, "attempt": 1, "chars": 1, "of_chars": 2, "status": HOSTILE}]
    result = {**RESULT, "status": HOSTILE, "answer": HOSTILE, "tally": {HOSTILE: 1}, "missing": hostile}
    for where in (screen, lines):
        tell(run, where, opening("ann", title=HOSTILE, method=HOSTILE))
        tell(
            run, where, started("mod", HOSTILE, inputs=hostile, missing=hostile), token("mod", "x\n", HOSTILE)
        )
        tell(run, where, ("panel.stage", {"panel": "council", "stage": HOSTILE, "agents": [HOSTILE]}))
        drawn(screen, run)
        tell(run, where, ("panel.result", result), ("panel.late", {"panel": "council", "agent": HOSTILE}))
        drawn(screen, run)
    assert not set(out.getvalue()) & set("\x1b\x07\x08\x9b\u202e\u2066")
    with console.capture() as capture:
        screen.close(run)
    assert not set(capture.get()) & set("\x07\x08\x9b\u202e\u2066")


def test_a_frame_without_a_panel_has_no_line_for_one() -> None:
    screen, _ = columns(100, 20)
    run = Told()
    tell(run, screen, ("run.started", {"agents": [{"agent_id": "a"}]}))
    assert "Ctrl-C stops" in drawn(screen, run)[-1]
    assert not any("answers" in line for line in drawn(screen, run))
    screen.close(None)
