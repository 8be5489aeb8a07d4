"""Entries → WebSocket text messages, and the client's messages → operations. No I/O."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import FieldProblem, InvalidRequest
from ..eventlog.base import Entry
from ..eventlog.gap import Gap
from ..events.encoding import encode_data, encode_json
from ..events.json_chunks import snapshot_by_pieces
from ..events.run import RunStarted
from ..events.snapshot import Snapshot
from .base import StatelessFraming, Subscriber
from .sse import data_with_run

MAX_REF_BYTES = 1024
OPS = ("start", "attach", "cancel", "detach")


class WebSocketFraming(StatelessFraming):
    """One message per event: its `data` with `id` and `run_id`; `run.started` repeats the client's `ref`.

    The handshake says that it is open, the socket's own pings keep it alive, and the close frame's code says
    that the server restarts.
    """

    content_type: ClassVar[str] = "application/json"

    def __init__(self, subscriber: Subscriber) -> None:
        super().__init__(subscriber)
        self._of = (
            {"channel": subscriber.channel} if subscriber.run_id is None else {"run_id": subscriber.run_id}
        )
        self._ref = None if subscriber.ref is None else encode_json(subscriber.ref)

    def entries(self, entries: Sequence[Entry]) -> bytes:
        return b"".join([self._message(entry) for entry in entries])

    def gap(self, gap: Gap, t: int) -> Iterator[bytes]:
        # A gap has no `id`, so it never becomes a cursor.
        if gap.is_first:
            yield encode_json(self._of)[:-1] + b"," + encode_data(None, gap.notice, t)[1:]
        cursor = f"{gap.cursor.epoch}-{gap.cursor.seq}"
        for left, snapshot in zip(range(len(gap.snapshots) - 1, -1, -1), gap.snapshots, strict=True):
            # Only the last moves a client's cursor: one that is cut off before it gets all of them again.
            yield (yield from encode_state(snapshot, t, event_id=None if left or not gap.is_last else cursor))

    def _message(self, entry: Entry) -> bytes:
        data = data_with_run(entry)
        head = b'{"id":"%b-%d",' % (entry.epoch.encode(), entry.seq)
        if self._ref is not None and entry.agent_id is None and entry.type == RunStarted.TYPE:
            head += b'"ref":%b,' % self._ref
        return head + data[1:]


def encode_state(state: Snapshot, t: int, *, event_id: str | None) -> Generator[bytes, None, bytes]:
    """Return a run's state as a message; *event_id* is where the stream goes on, None if more states follow.

    Yields as `snapshot_by_pieces`.
    """
    said = yield from snapshot_by_pieces(state, t)
    return said if event_id is None else b'{"id":%b,%b' % (encode_json(event_id), said[1:])


def encode_problem(ref: object, document: dict[str, Any]) -> bytes:
    """Return a refusal: the problem document of what the client asked for with *ref*."""
    return encode_json({"op": "error", "ref": ref, "problem": document})


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a client asked for; `body` holds its other members. `op` may be none of `OPS`."""

    op: object
    ref: object
    body: dict[str, Any]

    def check(self) -> None:
        """Raise InvalidRequest if `op` is none of `OPS`."""
        if self.op not in OPS:
            problem = FieldProblem("op", "is unknown or missing")
            raise InvalidRequest(f"Unknown op; use one of {', '.join(OPS)}.", [problem])

    def names(self, key: str) -> frozenset[str] | None:
        """Return a list of strings as a filter; None if it is left out, which keeps all.

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
    """Take a client's message apart; *message* is used up.

    Raises:
        InvalidRequest: Its `ref` is too long to be said back.
    """
    ref = message.pop("ref", None)
    if len(encode_json(ref)) > MAX_REF_BYTES:
        wrong = f"may have at most {MAX_REF_BYTES} bytes of JSON"
        raise InvalidRequest(f"ref {wrong}.", [FieldProblem("ref", wrong)])
    return Operation(message.pop("op", None), ref, message)
