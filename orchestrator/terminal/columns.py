"""Draws the agents side by side on a terminal, with rich.

The columns stand on the alternate screen: a terminal made narrower breaks the lines of the other one anew and
pushes them into the scrollback, whence nobody can take them back. Each column shows the newest lines that
fit; at the end every answer goes whole, as Markdown, into the scrollback. In a panel, who has the last
word stands below the others, over the whole width.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from rich.box import ROUNDED
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Column, Table
from rich.text import Text

from ..client.agent_view import AgentView, TurnView
from ..client.event import Event
from ..client.run_view import RunHandle
from .content_words import content_lines, progress_words
from .held_logs import DeferredLogs
from .markdown import Cleaned, markdown
from .panel_words import missing_words, reading_words, result_words, stage_words
from .text import clean, one_line, speed
from .words import state_word

MIN_COLUMN_CELLS = 26
"""Three columns still fit the 80 cells of a plain terminal; narrower ones are stacked."""

MIN_PANEL_LINES = 6
ROOMY_LINES = 10
SHOWN_BARS = 3
SHOWN_TOOLS = 3
TAIL_BLOCK = 1024
VOICES_ROW = 1000
"""Where the heights of the rows below the members' are remembered."""

# State → glyph and colour; the word beside it says the same without either.
STATES = {
    "queued": ("○", "dim"),
    "running": ("●", "cyan"),
    "cancelling": ("◌", "yellow"),
    "done": ("✓", "green"),
    "error": ("✗", "red"),
    "cancelled": ("■", "yellow"),
}


class Columns:
    """A `Screen` for a terminal that rich can draw on."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._began: float | None = None
        self._heights: dict[int, int] = {}
        self._note = ""
        self._logs = DeferredLogs()
        self._live = Live(console=self.console, auto_refresh=False, screen=True)
        self._live.start()
        self._live.update(Text("starting …", "dim"), refresh=True)

    def event(self, event: Event, run: RunHandle) -> None:
        # A replay brings old times late; the earliest beginning that any event implies is the true one.
        began = self._clock() - event.t / 1000
        self._began = began if self._began is None else min(self._began, began)

    def tick(self, run: RunHandle) -> None:
        self._live.update(self.frame(run), refresh=True)

    def notice(self, text: str) -> None:
        self._note = one_line(text)

    def close(self, run: RunHandle | None) -> None:
        self._live.update("")
        self._live.stop()
        self._logs.release()
        if run is not None:
            for views in _parts(run):
                for view in views:
                    for turn in view.turns:
                        self.console.print(self._earlier(view, turn))
                    self.console.print(self.answer(view))
            for line in self._panel_line(run):
                self.console.print(line)
            self.console.print(Text(f"{one_line(run.id)} · {run.status}", "dim"))

    # ── while it runs ─────────────────────────────────────────────────────────────────────────

    def frame(self, run: RunHandle) -> RenderableType:
        """Draw the run as it stands, within the terminal's present size."""
        views = list(run.agents.values())
        width, height = self.console.size
        panel_line = self._panel_line(run, width) if height >= ROOMY_LINES else []
        space = max(1, height - 2 - len(panel_line))  # the footer, and the line the cursor stands on
        body = self._grids(_parts(run), width, space) or self._stack(views, width, space)
        return Group(body, *panel_line, self._footer(run, width))

    def _grids(
        self, parts: tuple[list[AgentView], list[AgentView]], width: int, space: int
    ) -> RenderableType | None:
        """Draw the members above the voices; None if that does not fit."""
        members, voices = parts
        if not members or not voices:
            return self._grid([*members, *voices], 0, width, space)
        above = self._grid(members, 0, width, space - space // 2)
        used = sum(tall for row, tall in self._heights.items() if row < VOICES_ROW)
        below = self._grid(voices, VOICES_ROW, width, space - used)
        return None if above is None or below is None else Group(above, below)

    def _grid(self, views: list[AgentView], first: int, width: int, space: int) -> RenderableType | None:
        """Draw *views* in rows, as many beside each other as fit; *first* is their first row's name."""
        rows = -(-len(views) // max(1, min(len(views), width // MIN_COLUMN_CELLS))) if views else 1
        height = space // rows
        if not views or height < MIN_PANEL_LINES:
            return None
        per_row = -(-len(views) // rows)
        cells = width // per_row
        drawn = []
        for at in range(0, len(views), per_row):
            row = Table.grid(*[Column(width=cells) for _ in range(per_row)])
            row.add_row(*self._panels(views[at : at + per_row], first + at, cells, height))
            drawn.append(row)
        return Group(*drawn)

    def _panels(self, views: list[AgentView], row: int, cells: int, height: int) -> list[Panel]:
        inner = cells - 4
        contents = []
        for view in views:
            head = self._header(view, inner)[: 3 if height >= ROOMY_LINES else 2]
            contents.append([*head, *self._body(view, inner, height - 2 - len(head))])
        needed = max(map(len, contents)) + 2
        # Lines that come and go would make the whole screen jump: a row grows, but never shrinks.
        needed = self._heights[row] = min(height, max(needed, self._heights.get(row, 0)))
        return [
            Panel(Group(*lines), box=ROUNDED, border_style=STATES[view.status][1], height=needed)
            for view, lines in zip(views, contents, strict=True)
        ]

    def _stack(self, views: list[AgentView], width: int, space: int) -> RenderableType:
        shown = views if len(views) <= space else views[: space - 1]
        lines: list[Text] = []
        for view in shown:
            title, *meta = self._header(view, width)
            head = Text("  ").join([title, *meta])
            head.truncate(width, overflow="ellipsis")
            room = space // len(shown) - 1
            lines += [head, *(self._body(view, width, room)[-room:] if room else [])]
        if len(shown) < len(views):
            more = Text(f"… and {len(views) - len(shown)} more", "dim")
            more.truncate(width, overflow="ellipsis")
            lines.append(more)
        return Group(*lines)

    def _panel_line(self, run: RunHandle, width: int | None = None) -> list[Text]:
        """Say how the run's panel stands; nothing if it has none."""
        panel = run.view.panel
        if panel is None:
            return []
        if panel.result is not None:
            said = result_words(panel.result)
        else:
            stage = stage_words(panel.stage, panel.round, panel.layer) or "answers"
            said = " · ".join(filter(None, [stage, missing_words(panel.missing)]))
        method = "" if panel.method == panel.title else f" ({one_line(panel.method)})"
        line = Text.assemble((one_line(panel.title), "bold"), f"{method} · {one_line(said)}")
        if width is not None:
            line.truncate(width, overflow="ellipsis")
        return [line]

    def _footer(self, run: RunHandle, width: int) -> Text:
        parts = [self._note or "Ctrl-C stops", one_line(run.id)]
        if run.connection == "retrying":
            parts.insert(0, "connection lost, trying again …")
        elif run.detail is not None:
            parts.insert(0, "the stream is held back on the way, shown every few seconds")
        busy = sum(not view.ended for view in run.agents.values())
        if run.agents:
            parts.append(f"{len(run.agents) - busy} of {len(run.agents)} ended")
        if self._began is not None:
            parts.append(f"{self._clock() - self._began:.0f} s")
        footer = Text(" · ".join(parts), "dim")
        footer.truncate(width, overflow="ellipsis")
        return footer

    def _header(self, view: AgentView, width: int) -> list[Text]:
        title = _title(view)
        title.truncate(width, overflow="ellipsis")
        read = one_line(reading_words(view.inputs, view.missing))
        meta = Text(" · ".join(filter(None, [one_line(view.model or ""), *self._pace(view), read])), "dim")
        return [title, *meta.wrap(self.console, width)[:2]] if meta else [title]

    def _pace(self, view: AgentView) -> list[str]:
        now = None if self._began is None else (self._clock() - self._began) * 1000
        metrics = view.metrics or {}
        ttft, duration = metrics.get("ttft_ms"), metrics.get("duration_ms")
        if not view.ended and view.started_t is not None and now is not None:
            duration = max(0, now - view.started_t)
            ttft = None if view.first_token_t is None else view.first_token_t - view.started_t
        parts = []
        if ttft is not None:
            parts.append(f"ttft {ttft / 1000:.2f}s")
        if metrics.get("tokens_per_s") is not None:
            parts.append(f"{metrics['tokens_per_s']:.0f}tok/s")
        elif ttft is not None and duration is not None and duration > ttft + 500:
            # Tokens are the provider's to count; without a count the pace is in characters.
            parts.append(f"{len(view.text) / (duration - ttft) * 1000:.0f}ch/s")
        if duration is not None:
            parts.append(f"{duration / 1000:.1f}s")
        return parts

    def _body(self, view: AgentView, width: int, height: int) -> list[Text]:
        width = max(1, width)
        tools: list[Text] = []
        for tool in view.tools[-SHOWN_TOOLS:]:
            result = "…" if tool.output is None else ("✗ " if tool.is_error else "→ ") + tool.output
            line = Text(one_line(f"⚙ {tool.name} {tool.arguments} {result}"), "dim")
            line.truncate(width, overflow="ellipsis")
            tools.append(line)
        for bar in [] if view.ended else view.content.progress[-SHOWN_BARS:]:
            line = Text(one_line(progress_words(bar)), "cyan")
            line.truncate(width, overflow="ellipsis")
            tools.append(line)
        error: list[Text] = []
        if view.error is not None:
            error = list(Text(_said(view.error), "red").wrap(self.console, width))[:4]
        room = max(1, height - len(tools) - len(error))
        if view.text:
            said = self._tail(view.text, width, room, "")
        else:
            said = self._tail(view.reasoning, width, room, "dim italic")
        return [*tools, *said, *error][-max(1, height) :]

    def _tail(self, text: str, width: int, height: int, style: str) -> list[Text]:
        # Only the end is wrapped, so a long answer costs no more than a short one. It starts at a multiple
        # of a block: a start that moves with each token would wrap every line anew.
        start = max(0, len(text) - 4 * width * height) // TAIL_BLOCK * TAIL_BLOCK
        shown = clean(text[start:]).rstrip("\n").expandtabs(4)
        return list(Text(shown, style).wrap(self.console, width, overflow="fold"))[-height:]

    # ── at its end ────────────────────────────────────────────────────────────────────────────

    def answer(self, view: AgentView) -> RenderableType:
        """Draw an agent's whole answer, however it ended."""
        read = one_line(reading_words(view.inputs, view.missing))
        facts = ", ".join(filter(None, [one_line(view.model or ""), speed(view.metrics or {}), read]))
        title = Text.assemble(_title(view), (f"  {facts}", "dim"))
        parts: list[RenderableType] = [Rule(title, align="left", style=STATES[view.status][1])]
        if view.text.strip():
            # Addresses are shown, not hidden behind a link's text.
            parts.append(Cleaned(markdown(clean(view.text))))
        parts += [Text(one_line(words), "dim") for words in content_lines(view.content)]
        if view.error is not None:
            parts.append(Text(_said(view.error), "red"))
        return Group(*parts, Text())

    def _earlier(self, view: AgentView, turn: TurnView) -> RenderableType:
        """Draw what an agent said in an earlier turn of its panel."""
        stage = stage_words(turn.stage, turn.round, turn.layer) or "answer"
        glyph, colour = STATES[turn.status]
        title = Text.assemble(
            (f"{glyph} ", colour),
            (one_line(view.agent_id), "bold"),
            f" {one_line(stage)}",
            (" earlier", "dim"),
        )
        said = Cleaned(markdown(clean(turn.text)))
        return Group(Rule(title, align="left", style=colour), said, Text())


def columns_on(out: TextIO) -> Columns:
    """Start drawing on *out*, a terminal; `close` gives it back."""
    return Columns(Console(file=out, highlight=False))


def _parts(run: RunHandle) -> tuple[list[AgentView], list[AgentView]]:
    """Part a run's agents into those that answer and those that have a panel's last word."""
    panel, views = run.view.panel, list(run.agents.values())
    if panel is None:
        return views, []
    chairs = {panel.moderator, *panel.fallback} - set(panel.members)
    voices = [view for view in views if view.stage == "final" or view.agent_id in chairs]
    return [view for view in views if view not in voices], voices


def _title(view: AgentView) -> Text:
    glyph, colour = STATES[view.status]
    stage = stage_words(view.stage, view.round, view.layer)
    return Text.assemble(
        (f"{glyph} ", colour),
        (one_line(view.agent_id), "bold"),
        f" {one_line(stage)}" if stage else "",
        (f" {state_word(view)}", colour),
    )


def _said(error: Mapping[str, Any]) -> str:
    return one_line(f"{error.get('code')}: {error.get('message')}")
