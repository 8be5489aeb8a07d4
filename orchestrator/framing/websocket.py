"""Entries → WebSocket text messages, and the client's messages → operations. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import FieldProblem, InvalidRequest
from ..eventlog.base import Entry
from ..events.encoding import encode_json, encode_snapshot
from ..events.run import RunStarted
from ..events.snapshot import Snapshot
from .sse import data_with_run

OPS = ("start", "attach", "cancel", "detach")


def message(entry: Entry, *, ref: object = None) -> bytes:
    """Return an entry's `data` with `id` and `run_id`; `run.started` repeats the client's *ref*."""
    data = data_with_run(entry)
    head = b'{"id":"%b-%d",' % (entry.epoch.encode(), entry.seq)
    if ref is not None and entry.agent_id is None and entry.type == RunStarted.TYPE:
        head += b'"ref":%b,' % encode_json(ref)
    return head + data[1:]


def notice(data: bytes, **of: str) -> bytes:
    """Return a gap's `data` as a message *of* a run or a channel; it has no `id`, so it never becomes a cursor."""
    return encode_json(of)[:-1] + b"," + data[1:]


def snapshot(state: Snapshot, t: int, *, event_id: str | None) -> bytes:
    """Return a run's state as a message; *event_id* is where the stream goes on, None where more states follow."""
    told = encode_snapshot(state, t)
    return told if event_id is None else b'{"id":%b,%b' % (encode_json(event_id), told[1:])


def problem(ref: object, document: dict[str, Any]) -> bytes:
    """Return a refusal: the problem document of what the client asked for with *ref*."""
    return encode_json({"op": "error", "ref": ref, "problem": document})


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a client asked for; `body` holds its other members. `op` may be none of `OPS`."""

    op: object
    ref: object
    body: dict[str, Any]

    def check(self) -> None:
        """Raise InvalidRequest where `op` is none of `OPS`."""
        if self.op not in OPS:
            problem = FieldProblem("op", "is unknown or missing")
            raise InvalidRequest(f"Unknown op; use one of {', '.join(OPS)}.", [problem])

    def names(self, key: str) -> frozenset[str] | None:
        """Return a list of strings as a filter; None where it is left out, which keeps all.

        Raises:
            InvalidRequest: It is something else.
        """
        value = self.body.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise InvalidRequest(f"{key!r} is no list.", [FieldProblem(key, "must be a list of strings")])
        return frozenset(value)

    def text(self, key: str, *, required: bool = True) -> str | None:
        """Return a string member.

        Raises:
            InvalidRequest: It is missing or no string.
        """
        value = self.body.get(key)
        if value is None and not required:
            return None
        if not isinstance(value, str) or not value:
            raise InvalidRequest(f"{self.op!r} needs {key!r}.", [FieldProblem(key, "must be a string")])
        return value


def operation_of(message: dict[str, Any]) -> Operation:
    """Take a client's message apart; *message* is used up."""
    return Operation(message.pop("op", None), message.pop("ref", None), message)
