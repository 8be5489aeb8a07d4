"""Owns how a run looks in a terminal or a pipe, but for the columns: those are `terminal_columns`'s.

Whatever an agent or a server said goes through `clean` before it is written: nobody's words may drive
the terminal. Owns no network and no signals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from ..client.event import Event
from ..client.run_view import RunHandle
from ..events.agent import (
    Approval,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Handoff,
    Reasoning,
    Retry,
    Started,
    Status,
    Token,
    ToolCall,
    ToolResult,
)
from ..events.base import PANEL, RUN
from ..events.content import Data, File, Progress, Source
from ..events.run import AgentAdded, RunDone, RunGap, RunStarted
from .content_words import describe_content
from .panel_words import describe_panel, panel_words, reading_words, stage_of

MAX_LINE_CHARS = 8192
"""A line that is longer is broken: the buffer of an agent that never ends its line is bounded."""

DETAIL_CHARS = 300

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS: titles, links
    # Not by C1 signs: quotation marks become those when they are misread, and would take a line's words with them.
    r"|\x1b[ -/]*[0-~]?"
)
_BREAKS = re.compile(r"\r\n|[\r\x85\u2028\u2029]")
# Bidirectional overrides reorder what stands beside them, prefixes and titles included.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Return *text* without escape sequences and control characters; line feeds and tabs stay."""
    if text.isprintable():
        return text
    text = _BREAKS.sub("\n", _ESCAPES.sub("", text))
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


def one_line(text: str, limit: int = DETAIL_CHARS) -> str:
    """Return *text*, cleaned, on one line of at most *limit* characters."""
    flat = " ".join(clean(text[: 4 * limit]).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def speed(metrics: Mapping[str, Any]) -> str:
    """Spell an agent's metrics: time to its first token, pace, whole time."""
    parts = []
    ttft, duration = metrics.get("ttft_ms"), metrics.get("duration_ms")
    if ttft is not None:
        parts.append(f"{ttft / 1000:.2f} s to first token")
    if metrics.get("tokens_per_s") is not None:
        parts.append(f"{metrics['tokens_per_s']:.0f} tok/s")
    if duration is not None:
        parts.append(f"{duration / 1000:.1f} s")
    return ", ".join(parts)


class Screen(Protocol):
    """Where a run is shown."""

    def event(self, event: Event, run: RunHandle) -> None:
        """Take an event that *run* has taken already."""
        ...

    def tick(self, run: RunHandle) -> None:
        """Called some ten times a second: clocks go on between events."""
        ...

    def notice(self, text: str) -> None:
        """Say something that is no agent's."""
        ...

    def close(self, run: RunHandle | None) -> None:
        """Write what is held back and give the terminal back; *run* is None where none was followed."""
        ...


class JsonLines:
    """One JSON object a line: the event's `data`, with `id` and `event`. ASCII only, so safe anywhere."""

    def __init__(self, out: TextIO, notices: TextIO) -> None:
        self._out = out
        self._notices = notices

    def event(self, event: Event, run: RunHandle) -> None:
        print(json.dumps({"id": event.id, "event": event.name, **event.data}), file=self._out, flush=True)

    def tick(self, run: RunHandle) -> None:
        pass

    def notice(self, text: str) -> None:
        print(one_line(text), file=self._notices, flush=True)

    def close(self, run: RunHandle | None) -> None:
        self._out.flush()


class PrefixedLines:
    """``skeptic │ text``, line by line: what agents say at the same time is never mixed within a line.

    In a panel an agent's prefix names its stage, ``moderator[final] │ text``, where it does not simply answer.
    """

    def __init__(self, out: TextIO, notices: TextIO) -> None:
        self._out = out
        self._notices = notices
        self._width = len(RUN)
        self._partial: dict[str, tuple[str, list[str]]] = {}

    def event(self, event: Event, run: RunHandle) -> None:
        self._width = max([self._width, *(len(agent_id) for agent_id in run.agents)])
        if event.agent_id is None:
            self._write(*self._own(event))
            return
        stage = stage_of(event.data)
        who = f"{event.agent_id}[{stage}]" if stage else event.agent_id
        if event.type in (Token.TYPE, Reasoning.TYPE) and event.data.get("parent") is None:
            self._gather(who, event.type, event.data.get("text", ""))
        else:
            line = describe(event)
            if line:
                self._flush(who)
                self._write(who, line)

    def tick(self, run: RunHandle) -> None:
        pass

    def notice(self, text: str) -> None:
        print(one_line(text), file=self._notices, flush=True)

    def close(self, run: RunHandle | None) -> None:
        for who in list(self._partial):
            self._flush(who)
        self._out.flush()

    @staticmethod
    def _own(event: Event) -> tuple[str, str | None]:
        """Return prefix and line of an event that is no agent's."""
        if event.name == f"{PANEL}.{event.type}":
            said = describe_panel(event)
            return PANEL, None if said is None else one_line(said)
        return RUN, describe_run(event)

    def _gather(self, who: str, kind: str, text: str) -> None:
        held_kind, pieces = self._partial.get(who, (kind, []))
        if held_kind != kind:
            self._flush(who)
            pieces = []
        whole, newline, rest = text.rpartition("\n")
        if newline:
            self._write(who, "".join([*pieces, whole]), mark=_MARKS[kind])
            pieces = []
        if rest:
            pieces.append(rest)
        self._partial[who] = (kind, pieces)
        if sum(map(len, pieces)) > MAX_LINE_CHARS:
            self._flush(who)

    def _flush(self, who: str) -> None:
        kind, pieces = self._partial.pop(who, ("", []))
        if pieces:
            self._write(who, "".join(pieces), mark=_MARKS[kind])

    def _write(self, who: str, text: str | None, *, mark: str = "│") -> None:
        if text is None:
            return
        self._width = max(self._width, len(who))
        prefix = f"{clean(who):<{self._width}} {mark}"
        lines = [f"{prefix} {line}".rstrip() for line in clean(text).split("\n")]
        print("\n".join(lines), file=self._out, flush=True)


_MARKS = {Token.TYPE: "│", Reasoning.TYPE: "┊"}


def describe(event: Event) -> str | None:
    """Say an agent's event, that is no text, in a line; None where it is not worth one."""
    data = event.data
    match event.type:
        case Started.TYPE:
            return _describe_start(data)
        case Status.TYPE:
            return one_line(f"[{data.get('status', '')}] {data.get('detail', '')}")
        case ToolCall.TYPE:
            return one_line(f"[tool {data['name']}] {data['arguments']}")
        case ToolResult.TYPE:
            outcome = "failed" if data.get("is_error") else "result"
            return one_line(f"[tool {outcome}] {data.get('output', '')}")
        case Handoff.TYPE:
            return one_line(f"[hands over to {data.get('to', '')}]")
        case ApprovalRequest.TYPE:
            return one_line(f"[waits for approval {data['call_id']}] {data['name']} {data['arguments']}")
        case Approval.TYPE:
            word = "approved" if data.get("approve") else "refused"
            return one_line(f"[{word} {data['call_id']}] {data.get('reason') or ''}")
        case Progress.TYPE | Data.TYPE | Source.TYPE | File.TYPE:
            said = describe_content(event.type, data)
            return None if said is None else one_line(said)
        case Retry.TYPE:
            when = f"attempt {data['attempt']} in {data.get('delay_s', 0):.1f} s after {data.get('code', '')}"
            return one_line(f"[retry] {when}; what it said before is void")
        case Done.TYPE:
            return f"[done] {speed(data.get('metrics') or {})}"
        case Error.TYPE:
            return one_line(f"[error {data.get('code', '')}] {data.get('message', '')}")
        case Cancelled.TYPE:
            return one_line(f"[cancelled] {data.get('reason', '')}")
    return None


def _describe_start(data: Mapping[str, Any]) -> str | None:
    read = reading_words(data.get("inputs") or (), data.get("missing") or ())
    if read:
        return one_line(f"[{read}]")
    # Another turn of a panel is another attempt too, but nothing failed.
    again = data.get("attempt", 1) > 1 and data.get("turn") is None
    return f"[attempt {data['attempt']}]" if again else None


def describe_run(event: Event) -> str | None:
    """Say one of the run's own events in a line; None where it is not worth one."""
    data = event.data
    if event.name != f"{RUN}.{event.type}":
        return None
    match event.type:
        case RunStarted.TYPE:
            names = ", ".join(info["agent_id"] for info in data.get("agents", ()))
            panel = data.get("panel")
            told = f"; {panel_words(panel)}" if panel else ""
            return one_line(f"{data.get('run_id', '')} starts{names and f': {names}'}{told}")
        case AgentAdded.TYPE:
            return one_line(f"{data['agent']['agent_id']} joins")
        case RunGap.TYPE:
            return one_line(f"some events were missed ({data.get('reason', '')}); the texts are whole again")
        case RunDone.TYPE:
            seconds = (data.get("metrics") or {}).get("duration_ms", event.t) / 1000
            return one_line(f"{data.get('status', '')} after {seconds:.1f} s")
    return None
