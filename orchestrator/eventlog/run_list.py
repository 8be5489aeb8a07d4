"""A list of runs as people page through it: what is asked for, a row, a page. Owns no storage.

A row holds what a list shows and no text of any length; a store keeps it beside the run's record, so that a list
reads neither records nor events. A page looks at no more than `SCANNED_ROWS`, whatever the filters are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from ..events.base import AgentStatus, RunStatus
from ..events.encoding import clean_text

TITLE_CHARS = 200
SCANNED_ROWS = 500
"""Rows that one page looks at; a page that found fewer than were asked for says where to go on."""


SMALL_RECORD_BYTES = 256 * 1024
"""Of a record that a list looks at, to say whether it can be read."""


class RunSummary(msgspec.Struct, frozen=True, gc=False):
    """What a list shows of a run beside its columns.

    Attributes:
        agents: Status by the ids under which they take part; None if it is not known.
        panel: What people call the panel, if one was asked for.
        variants: Which configured agent each variant is of.
        after: The run of its conversation that it goes on from, if it was said which.
    """

    title: str = ""
    agents: dict[str, AgentStatus | None] = {}
    panel: str | None = None
    blind: bool = False
    variants: dict[str, str] = {}
    after: str | None = None


class RunRow(NamedTuple):
    """One run of a list. `place` grows from run to run; `summary` None: it cannot be read here."""

    place: int
    run_id: str
    channel: str
    conversation_id: str | None
    status: RunStatus
    created_at: int
    ended_at: int | None
    summary: RunSummary | None


@dataclass(frozen=True, slots=True)
class RunQuery:
    """A query for runs, newest first.

    Args:
        before: Only those of a smaller place.
        text: A part of the title, in whatever case.
    """

    limit: int
    before: int | None = None
    status: RunStatus | None = None
    channel: str | None = None
    conversation_id: str | None = None
    text: str | None = None

    def keeps(self, row: RunRow) -> bool:
        """Whether *row* is wanted."""
        return (
            (self.status is None or row.status == self.status)
            and (self.channel is None or row.channel == self.channel)
            and (self.conversation_id is None or row.conversation_id == self.conversation_id)
            and (self.text is None or self.text.casefold() in (row.summary or _NOTHING).title.casefold())
        )


class RunPage(NamedTuple):
    """The rows found, and the place before which to go on; None if there is nothing more."""

    rows: list[RunRow]
    next: int | None


_NOTHING = RunSummary()
encode_summary = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RunSummary).decode


def decode_summary(data: bytes | str | None) -> RunSummary | None:
    """Read a summary; None if there is none, or one that another release wrote in another way."""
    if not data:
        return None
    try:
        return _decode(data)
    except msgspec.MsgspecError:
        return None


def title_of(message: str) -> str:
    """Return the beginning of a question as a list shows it."""
    return " ".join(clean_text(message[: 2 * TITLE_CHARS]).split())[:TITLE_CHARS]


def select_rows(rows: Iterable[RunRow], query: RunQuery, *, scanned: int = SCANNED_ROWS) -> RunPage:
    """Take from *rows*, newest first, what *query* keeps, looking at *scanned* of them at most."""
    found: list[RunRow] = []
    seen, last = 0, None
    for row in rows:
        if len(found) == query.limit or seen == scanned:
            return RunPage(found, last)
        seen, last = seen + 1, row.place
        if query.keeps(row):
            found.append(row)
    return RunPage(found, None)


def end_summary(
    summary: RunSummary | None, agents: dict[str, AgentStatus | None] | None
) -> RunSummary | None:
    """Return a summary with how its agents have ended, if that is known."""
    if summary is None or agents is None:
        return summary
    return msgspec.structs.replace(summary, agents=agents)
