"""Writes a run into a pipe: JSON lines or prefixed lines. Columns are `columns`' affair.

Owns no network and no signals, and no words: those are `words`'.
"""

from __future__ import annotations

import json
from typing import Protocol, TextIO

from ..client.event import Event
from ..client.run_view import RunHandle
from ..events.agent import Reasoning, Token
from ..events.base import PANEL, RUN
from .panel_words import describe_panel, stage_of
from .text import clean, one_line
from .words import asked_words, describe, describe_run

MAX_LINE_CHARS = 8192
"""A line that is longer is broken: the buffer of an agent that never ends its line is bounded."""


_MARKS = {Token.TYPE: "│", Reasoning.TYPE: "┊"}


class Screen(Protocol):
    """A place on which a run is shown."""

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
        """Write what is held back and give the terminal back; *run* is None if none was followed."""
        ...


class BufferingNotices:
    """Says once when events are held back on the way, what waits for an answer meanwhile, and when they flow."""

    def __init__(self) -> None:
        self._held = False
        self._asked: set[tuple[str, str]] = set()

    def news(self, run: RunHandle) -> list[str]:
        """Return what is new since the last call."""
        held = run.detail is not None and run.detail.code == "held"
        said = []
        if held != self._held and run.connection != "closed":
            self._held = held
            said.append(run.detail.message if held and run.detail else "The event stream flows again.")
        if held:
            for view in run.agents.values():
                for call_id, asked in view.approvals.items():
                    if (view.agent_id, call_id) not in self._asked:
                        self._asked.add((view.agent_id, call_id))
                        said.append(f"{view.agent_id} {asked_words(asked)}")
        return said


class JsonLines:
    """One JSON object a line: the event's `data`, with `id` and `event`. ASCII only, so safe anywhere."""

    def __init__(self, out: TextIO, notices: TextIO) -> None:
        self._out = out
        self._notices = notices
        self._held = BufferingNotices()

    def event(self, event: Event, run: RunHandle) -> None:
        print(json.dumps({"id": event.id, "event": event.name, **event.data}), file=self._out, flush=True)

    def tick(self, run: RunHandle) -> None:
        for said in self._held.news(run):
            self.notice(said)

    def notice(self, text: str) -> None:
        print(one_line(text), file=self._notices, flush=True)

    def close(self, run: RunHandle | None) -> None:
        self._out.flush()


class PrefixedLines:
    """``skeptic │ text``, line by line: what agents say at the same time is never mixed within a line.

    In a panel an agent's prefix names its stage, ``moderator[final] │ text``, if it does not simply answer.
    """

    def __init__(self, out: TextIO, notices: TextIO) -> None:
        self._out = out
        self._notices = notices
        self._width = len(RUN)
        self._partial: dict[str, tuple[str, list[str]]] = {}
        self._held = BufferingNotices()

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
        for said in self._held.news(run):
            self.notice(said)

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
