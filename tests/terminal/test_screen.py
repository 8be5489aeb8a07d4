"""What agents say is shown, and nothing they say can drive the terminal."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from orchestrator.client.event import Event
from orchestrator.client.run_view import RunHandle, RunView
from orchestrator.terminal.columns import Columns
from orchestrator.terminal.screen import MAX_LINE_CHARS, JsonLines, PrefixedLines
from orchestrator.terminal.text import clean, one_line
from tests.client.test_run_view import event
from tests.support.scripted_server import METRICS

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil\x1b\\x\x1b[31mred\x9b31m\x07\x08"
    "\x90q\x9c\u202egnp.exe\u2066\x1b"
)


REST: dict[str, Any] = {"error_id": "e", "retryable": False, "metrics": METRICS, "attempt": 1}
DONE: dict[str, Any] = {"usage": None, "finish_reason": "stop", "metrics": METRICS, "attempt": 1}


class Told(RunHandle):
    """A run whose events are told by a test."""

    def __init__(self) -> None:
        self.view = RunView("run_told")

    def __aiter__(self) -> AsyncIterator[Event]:
        raise NotImplementedError

    async def cancel(self, agent_id: str | None = None) -> None:
        raise NotImplementedError

    async def result(self) -> RunView:
        raise NotImplementedError

    def tell(self, screen: Any, full_name: str, /, **data: Any) -> None:
        one = event(full_name, **data)
        self.view.apply(one)
        screen.event(one, self)


def started(*names: str) -> dict[str, Any]:
    infos = [{"agent_id": name, "title": name, "backend": "offline", "model": f"{name}-1"} for name in names]
    return {"run_id": "run_told", "channel": "run_told", "agents": infos}


# ── cleaning ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text", "plain text"),
        ("tab\there\nand a line", "tab\there\nand a line"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1bPq#0\x1b\\after", "after"),
        ("\x1bcreset", "reset"),
        ("\x1b]0;never ended\nnext line", "\nnext line"),
        ("over\rwritten", "over\nwritten"),
        ("one\r\ntwo", "one\ntwo"),
        ("a\u2028b", "a\nb"),
        ("a\x07\x08\x00b\x7f", "ab"),
        ("\x9b31mred", "red"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("👩‍👩‍👧 日本語 é", "👩‍👩‍👧 日本語 é"),
    ],
)
def test_clean_takes_away_what_moves_the_cursor(text: str, expected: str) -> None:
    assert clean(text) == expected


ODD = st.sampled_from("\x1b[]P;?0123mHJ\\\x07\x9b\x9c\x9d\r\n\t\u202e\ud800 ab日")


@given(st.text(ODD | st.characters()))
def test_nothing_gets_through_clean(text: str) -> None:
    cleaned = clean(text)
    bad = {ch for ch in cleaned if unicodedata.category(ch) in ("Cc", "Cs") and ch not in "\n\t"}
    assert not bad
    assert not set(cleaned) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
    cleaned.encode()
    assert clean(cleaned) == cleaned


def test_one_line_is_one_and_short() -> None:
    assert one_line("a\n\n  b\tc") == "a b c"
    assert one_line("x" * 1000, 10) == "x" * 9 + "…"


# ── lines ─────────────────────────────────────────────────────────────────────────────────────


def lines() -> tuple[PrefixedLines, io.StringIO, io.StringIO]:
    out, notices = io.StringIO(), io.StringIO()
    return PrefixedLines(out, notices), out, notices


def test_lines_of_two_agents_are_never_mixed() -> None:
    screen, out, _ = lines()
    run = Told()
    run.tell(screen, "run.started", **started("skeptic", "ann"))
    for left, right in zip("It is\nnot so.", "Yes it\nis so", strict=False):
        run.tell(screen, "skeptic.token", text=left)
        run.tell(screen, "ann.token", text=right)
    assert "ann" not in out.getvalue().split("\n", 1)[1].split("\n")[0]
    screen.close(run)
    assert out.getvalue().splitlines() == [
        "run     │ run_told starts: skeptic, ann",
        "skeptic │ It is",
        "ann     │ Yes it",
        "skeptic │ not so",
        "ann     │ is so",
    ]


def test_the_rest_of_a_line_comes_before_what_follows_it() -> None:
    screen, out, _ = lines()
    run = Told()
    run.tell(screen, "a.started", attempt=1)
    run.tell(screen, "a.reasoning", text="first\nI")
    run.tell(screen, "a.token", text="Let me see")
    run.tell(screen, "a.tool_call", call_id="c", name="clock", arguments='{"tz": "UTC"}')
    run.tell(screen, "a.token", text="inside", parent="c")
    run.tell(screen, "a.tool_result", call_id="c", output="12:00\nsharp", is_error=False)
    run.tell(screen, "a.token", text="Noon.\n\nSo")
    run.tell(screen, "a.error", code="refusal", message="no", **REST)
    assert out.getvalue().splitlines() == [
        "a   ┊ first",
        "a   ┊ I",
        "a   │ Let me see",
        'a   │ [tool clock] {"tz": "UTC"}',
        "a   │ [tool result] 12:00 sharp",
        "a   │ Noon.",
        "a   │",
        "a   │ So",
        "a   │ [error refusal] no",
    ]


def test_the_life_of_a_run_is_told() -> None:
    screen, out, notices = lines()
    run = Told()
    run.tell(screen, "a.status", status="tool", detail="looks it up")
    run.tell(screen, "a.retry", attempt=2, delay_s=0.52, code="upstream_unavailable")
    run.tell(screen, "a.started", attempt=2)
    run.tell(screen, "a.handoff", to="b")
    run.tell(screen, "a.approval_request", call_id="c", name="rm", arguments="{}")
    run.tell(screen, "a.done", text="", usage=None, finish_reason="stop", metrics=METRICS, attempt=2)
    run.tell(screen, "b.cancelled", reason="by request", metrics=METRICS, attempt=1)
    run.tell(screen, "run.agent_added", agent={"agent_id": "late"})
    run.tell(screen, "run.gap", reason="trimmed", requested="e-1", earliest=None, latest=None)
    run.tell(screen, "run.done", status="partial", agents={}, metrics={"duration_ms": 1600})
    run.tell(screen, "run.unheard", of=1)
    screen.notice("cancelling …")
    assert out.getvalue().splitlines() == [
        "a   │ [tool] looks it up",
        "a   │ [retry] attempt 2 in 0.5 s after upstream_unavailable; what it said before is void",
        "a   │ [attempt 2]",
        "a   │ [hands over to b]",
        "a   │ [waits for approval c] rm {}",
        "a   │ [done] 0.21 s to first token, 31 tok/s, 1.5 s",
        "b   │ [cancelled] by request",
        "run  │ late joins",
        "run  │ some events were missed (trimmed); the texts are whole again",
        "run  │ partial after 1.6 s",
    ]
    assert notices.getvalue() == "cancelling …\n"


def test_an_escape_cut_in_two_is_taken_away_too() -> None:
    """Tokens end anywhere; a terminal joins what it gets."""
    screen, out, _ = lines()
    run = Told()
    for piece in ("safe \x1b", "[2J", "\x1b]0;ow", "ned\x07 text\r\x1b[1Aforged │ line\n"):
        run.tell(screen, "a.token", text=piece)
    assert out.getvalue() == "a   │ safe  text\na   │ forged │ line\n"


def test_a_line_that_never_ends_is_broken() -> None:
    screen, out, _ = lines()
    run = Told()
    for _ in range(3 * MAX_LINE_CHARS // 100):
        run.tell(screen, "a.token", text="x" * 100)
    assert len(out.getvalue()) > 2 * MAX_LINE_CHARS


def test_json_has_one_event_a_line() -> None:
    out, notices = io.StringIO(), io.StringIO()
    screen = JsonLines(out, notices)
    run = Told()
    run.tell(screen, "a.token", event_id="e-1", text=f"two\nlines \u2028 {HOSTILE}")
    run.tell(screen, "run.done", event_id="e-2", status="completed", agents={}, metrics={})
    screen.notice("hm")
    first, second = out.getvalue().split("\n")[:2]
    assert json.loads(first) == {
        "id": "e-1", "event": "a.token", "agent_id": "a", "type": "token", "t": 0,
        "text": f"two\nlines \u2028 {HOSTILE}",
    }  # fmt: skip
    assert json.loads(second)["event"] == "run.done"
    assert out.getvalue().isascii()
    assert not set(out.getvalue()) & {"\x1b", "\x07"}
    assert notices.getvalue() == "hm\n"


# ── columns ───────────────────────────────────────────────────────────────────────────────────


def columns(width: int, height: int) -> tuple[Columns, Console]:
    console = plain_console(width, height)
    return Columns(console, clock=lambda: 100.0), console


def drawn(screen: Columns, run: RunHandle) -> list[str]:
    """Return the frame as lines of text; without colours it must hold no escape at all."""
    width, height = screen.console.size
    console = plain_console(width, height)
    console.print(screen.frame(run))
    return written(console).splitlines()


def plain_console(width: int, height: int) -> Console:
    out = io.StringIO()
    return Console(
        file=out, width=width, height=height, force_terminal=True, color_system=None, highlight=False
    )


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    assert "\x1b" not in console.file.getvalue()
    return console.file.getvalue()


def three(screen: Columns) -> Told:
    run = Told()
    run.tell(screen, "run.started", **started("skeptic", "optimist", "analyst"))
    for name in run.agents:
        run.tell(screen, f"{name}.started", attempt=1, t=0)
    return run


def test_agents_stand_side_by_side_with_their_metrics() -> None:
    screen, _ = columns(120, 30)
    run = three(screen)
    run.tell(screen, "optimist.token", text="Surely.", t=250)
    run.tell(screen, "skeptic.done", text="No.", t=1500, **DONE)
    run.tell(screen, "analyst.error", code="upstream_auth", message="no key", t=2000, **REST)
    frame = drawn(screen, run)
    assert "✓ skeptic done" in frame[1]
    assert "● optimist streaming" in frame[1]
    assert "✗ analyst error" in frame[1]
    text = "\n".join(frame)
    for word in ("skeptic-1", "ttft 0.21s", "31tok/s", "1.5s", "ttft 0.25s", "2.0s", "Surely.", "No."):
        assert word in text
    assert "upstream_auth: no key" in text
    assert "2 of 3 ended" in frame[-1]
    screen.close(None)


def test_a_state_is_a_glyph_and_a_word() -> None:
    screen, _ = columns(120, 30)
    run = three(screen)
    run.tell(screen, "skeptic.status", status="thinking", detail="")
    run.view.acknowledge({"agents": {"optimist": {"status": "cancelling"}}})
    run.tell(screen, "analyst.retry", attempt=2, delay_s=1, code="upstream_unavailable")
    text = "\n".join(drawn(screen, run))
    for state in ("● skeptic thinking", "◌ optimist cancelling", "○ analyst again after"):
        assert state in text
    screen.close(None)


def test_a_column_shows_its_newest_lines() -> None:
    screen, _ = columns(100, 20)
    run = three(screen)
    for n in range(500):
        run.tell(screen, "skeptic.token", text=f"line {n}\n")
    frame = drawn(screen, run)
    assert len(frame) <= 19
    text = "\n".join(frame)
    assert "line 499" in text
    assert "line 480" not in text
    screen.close(None)


def test_a_row_never_shrinks() -> None:
    """Lines that come and go would make all below them jump."""
    screen, _ = columns(100, 30)
    run = three(screen)
    run.tell(screen, "skeptic.token", text="a\n" * 10)
    tall = len(drawn(screen, run))
    run.tell(screen, "skeptic.retry", attempt=2, delay_s=1, code="upstream_unavailable")
    assert len(drawn(screen, run)) == tall
    screen.close(None)


def test_a_narrow_terminal_stacks_the_agents() -> None:
    screen, _ = columns(40, 30)
    run = three(screen)
    frame = drawn(screen, run)
    places = [next(n for n, line in enumerate(frame) if name in line) for name in run.agents]
    assert len(set(places)) == 3
    screen.close(None)


@pytest.mark.parametrize("width", [1, 10, 26, 40, 79, 80, 200])
@pytest.mark.parametrize("height", [1, 3, 5, 12, 24, 60])
@pytest.mark.parametrize("agents", [0, 1, 3, 8, 32])
def test_a_frame_never_leaves_the_screen(width: int, height: int, agents: int) -> None:
    """A line too many and the terminal scrolls: what was drawn before then stays for ever."""
    screen, _ = columns(width, height)
    run = Told()
    run.tell(screen, "run.started", **started(*(f"agent-{n}" for n in range(agents))))
    for name in run.agents:
        run.tell(screen, f"{name}.started", attempt=1)
        run.tell(screen, f"{name}.tool_call", call_id="c", name="calculator", arguments="{}" * 200)
        run.tell(screen, f"{name}.token", text="日本語 word\tтекст 👩‍👩‍👧 " * 100)
    frame = drawn(screen, run)
    assert len(frame) <= max(2, height - 1)
    assert all(cell_len(line) <= width for line in frame)
    screen.close(None)


def test_hostile_words_draw_nothing_of_their_own() -> None:
    screen, _ = columns(100, 30)
    run = Told()
    infos = [{"agent_id": f"x{HOSTILE}", "title": HOSTILE, "backend": HOSTILE, "model": HOSTILE}]
    run.tell(screen, "run.started", run_id=HOSTILE, channel="", agents=infos)
    name = f"x{HOSTILE}"
    run.tell(screen, f"{name}.started", attempt=1)
    run.tell(screen, f"{name}.status", status=HOSTILE, detail=HOSTILE)
    run.tell(screen, f"{name}.tool_call", call_id="c", name=HOSTILE, arguments=HOSTILE)
    run.tell(screen, f"{name}.reasoning", text=HOSTILE)
    assert "\x07" not in "".join(drawn(screen, run))
    markup = "[red]not markup[/red] [/] &#27;[2J &#x202e; [bold"
    run.tell(screen, f"{name}.token", text=HOSTILE + "\n" + markup)
    assert "[red]not markup[/red]" in "\n".join(drawn(screen, run))
    run.tell(screen, f"{name}.error", code=HOSTILE, message=HOSTILE + "\n" + markup, **REST)
    drawn(screen, run)
    plain = plain_console(100, 30)
    plain.print(screen.answer(run.agents[name]))
    assert not set(written(plain)) & set("\x1b\x07\x08\x9b\u202e\u2066")
    screen.close(None)


def test_every_answer_goes_whole_into_the_scrollback() -> None:
    screen, console = columns(80, 12)
    run = three(screen)
    text = (
        "# Title\n\n" + "\n".join(f"- item {n}" for n in range(60)) + "\n\n[name](http://address.example)\n"
    )
    run.tell(screen, "skeptic.done", text=text, **DONE)
    run.tell(screen, "optimist.token", text="half an ans")
    run.tell(screen, "optimist.cancelled", reason="by request", metrics=METRICS, attempt=1)
    run.tell(screen, "analyst.error", code="upstream_auth", message="no key", **REST)
    run.tell(screen, "run.done", status="partial", agents={}, metrics={})
    with console.capture() as capture:
        screen.close(run)
    said = capture.get()
    assert "# Title" not in said, "it is rendered as Markdown"
    for part in ("• item 0", "• item 59", "http://address.example", "half an ans", "upstream_auth: no key"):
        assert part in said
    assert said.index("skeptic") < said.index("optimist") < said.index("analyst")
    assert "run_told · partial" in said


def test_a_lost_connection_is_shown() -> None:
    screen, _ = columns(100, 20)
    run = three(screen)
    run.connection = "retrying"
    screen.notice("a note\x1b[2J")
    footer = drawn(screen, run)[-1]
    assert "connection lost" in footer
    assert "a note" in footer
    screen.close(None)


@pytest.mark.parametrize(
    "said",
    [
        "Vec<String> and HashMap<String, Vec<u8>>",
        "if a<b and c>d then swap",
        "<div>a block</div>\n\n<!-- a remark -->\n\nafter",
        "see [it][r]\n\n[r]: http://address.example (the name)",
        "[text](http://address.example 'a title') and ![alt](http://image.example/x.png)",
        "| a | b |\n| - | - |\n| 1 | 2 | third |",
        "> " * 40 + "deep down",
        "*a _b " * 60 + "the end",
        "```python app.py\ncode()\n```",
        "- " * 30 + "item",
        r"so \(\frac{1}{2} * x_1 * y_2\) and \[\{a\}\] hold",
        "- $$\\{x\\}_1 * y_1 * z$$ in Korean: \\begin{cases} a \\\\ b \\end{cases}이다",
        "\\(" * 500 + " and no end",
        "| what | at |\n| - | - |\n| notes | https://example.com/" + "path/" * 30 + "end |",
        "\n".join("|" + f"{part} |" * 20 for part in ("column{0}", "-", "value{0}")).format("s"),
        "| 値 | 名前 |\n| - | - |\n| x | " + "漢字" * 90 + " |",
        "- | a | b |\n  | - | - |\n  | y | " + "deep" * 40 + " |",
    ],
)
def test_what_an_agent_said_is_what_is_printed(said: str) -> None:
    """Every word, also those that a Markdown reader takes for markup."""
    screen, console = columns(80, 12)
    run = three(screen)
    run.tell(screen, "skeptic.done", text=said, **DONE)
    with console.capture() as capture:
        screen.close(run)
    printed = "".join(capture.get().split())
    words = [word for word in re.findall(r"\w+", said) if word != "python"]
    assert words
    assert [word for word in words if word not in printed] == []
    if "<" in said:
        assert "".join(said.split()) in printed
    for formula in re.findall(r"\\\(.*?\\\)|\\\[.*?\\\]|\$\$.*?\$\$|\\begin.*?\\end", said):
        assert "".join(formula.split()) in printed


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\xe2\x80\x9cquoted\xe2\x80\x9d and the rest", "\xe2quoted\xe2 and the rest"),
        ("x\x90y z", "xy z"),
        ("a\x1b]0;title\x07 b", "a b"),
    ],
)
def test_signs_that_misread_quotation_marks_become_take_no_words_with_them(said: str, shown: str) -> None:
    assert clean(said) == shown
