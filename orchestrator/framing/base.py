"""The `Framing` Protocol, which every output dialect implements, and the one table of dialects.

Owns the rows; each dialect's bytes are in a file of its own. Nothing here, and no
dialect, knows a socket. Every row is held by `tests/contract/test_framing.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from ..errors import ConfigError, ConfigProblem
from ..eventlog.base import Entry
from ..eventlog.gap import Gap
from .interning import Interned

Carrier = Literal["stream", "websocket"]
"""What takes the bytes to the client: an HTTP answer that goes on, or a WebSocket's text messages."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """The subscriber that a framing writes for.

    Args:
        run_id: The run that is followed; None for a whole channel.
        channel: The channel that is followed; left out if it is one run's.
        ref: The client's own word for what it asked for over a WebSocket.
        newest: The seq of the run's newest event when the subscriber came; what is older is a replay.
        titles: The agents' names, for who comes if `run.started` is trimmed away.
        options: What the dialect's own request said.
        shared: What it holds in common with others that hear the same.
    """

    run_id: str | None = None
    channel: str = ""
    ref: object = None
    newest: int = 0
    titles: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    shared: Interned = field(default_factory=Interned)


class Framing(Protocol):
    """Writes one subscriber's events: bytes out, no I/O; its state is that of one connection.

    Over a WebSocket each returned piece is one message, and `entries` gets one entry at a time; an empty piece is
    not sent.
    """

    content_type: ClassVar[str]
    headers: ClassVar[Mapping[str, str]]
    """What the answer carries beside the content type and what every stream has."""

    folds: ClassVar[bool]
    """Whether bytes depend on earlier events, so that what lies before a cursor has to be read to `skip`: pieces in a
    row may then come as one. One that is `Forkable` begins with what another connection has heard."""

    @property
    def is_finished(self) -> bool:
        """Whether the client expects nothing more on this connection, though the run may go on."""
        ...

    @property
    def has_rest(self) -> bool:
        """Whether `rest` has something to yield, or has begun a frame, within which nothing else may be sent."""
        ...

    def opening(self, retry_ms: int) -> bytes:
        """Return what is sent at once, so that a client sees the stream is open."""
        ...

    def skip(self, entries: Sequence[Entry]) -> None:
        """Take in what the client has seen already, in order, and write nothing."""
        ...

    def resumed(self) -> bytes:
        """Return what a new connection needs to be sent after `skip`, before the next event."""
        ...

    def entries(self, entries: Sequence[Entry]) -> bytes:
        """Return the frames of *entries*, joined."""
        ...

    def gap(self, gap: Gap, t: int) -> Iterator[bytes]:
        """Yield the notice of a cursor that could not be used, and the state that stands instead.

        Empty pieces between them say that more is being made of a large state, and that others may go on meanwhile;
        each other one is of whole frames. A state that is too large for one is left to `rest`.

        Args:
            t: Milliseconds since the run's start.
        """
        ...

    def rest(self) -> Iterator[bytes]:
        """Yield in pieces what `entries`, `gap` or `resumed` has left out: frames that are large.

        To be sent right after what each of them returned; a piece is no whole frame.
        """
        ...

    def heartbeat(self) -> bytes:
        """Return what keeps a silent connection alive, and changes nothing for the client."""
        ...

    def retry(self, milliseconds: int) -> bytes:
        """Return what asks a client to come back in *milliseconds*, before the server closes the stream."""
        ...

    def closing(self) -> bytes:
        """Return what is sent last, once nothing more comes."""
        ...


@runtime_checkable
class Forkable(Framing, Protocol):
    """A framing whose state another connection may begin with, in place of all the events that led there."""

    @property
    def seq(self) -> int:
        """The newest event that it has taken in."""
        ...

    @property
    def size(self) -> int:
        """Bytes that it holds for itself, about."""
        ...

    def reach(self, seq: int) -> None:
        """Stand at *seq*: what was said up to there has been taken in."""
        ...

    def begin_with(self, other: Self) -> None:
        """Begin with what *other*, of the same class, has heard; neither changes the other afterwards."""
        ...


class StatelessFraming:
    """The methods of a framing whose frames each depend on their own event alone. Inherit, and write the rest."""

    headers: ClassVar[Mapping[str, str]] = {}
    folds: ClassVar[bool] = False
    is_finished = False
    has_rest = False

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber

    def opening(self, retry_ms: int) -> bytes:
        return b""

    def rest(self) -> Iterator[bytes]:
        return iter(())

    def skip(self, entries: Sequence[Entry]) -> None:
        """Do nothing."""

    def resumed(self) -> bytes:
        return b""

    def heartbeat(self) -> bytes:
        return b""

    def retry(self, milliseconds: int) -> bytes:
        return b""

    def closing(self) -> bytes:
        return b""


_NEEDED = (
    "content_type", "headers", "folds", "opening", "skip", "resumed", "entries", "gap", "rest", "heartbeat", "retry",
    "closing",
)  # fmt: skip
"""What a class must have: a stream that has begun cannot say any more that its dialect is half written."""


@cache
def _class_at(place: str) -> type[Framing]:
    module, _, attribute = place.partition(":")
    try:
        found: type[Framing] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as exc:
        problem = ConfigProblem(f"DIALECTS of {__name__}", None, place, f"cannot be loaded ({exc})")
        raise ConfigError([problem]) from exc
    missing = [name for name in _NEEDED if not hasattr(found, name)]
    if missing:
        what = f"lacks {', '.join(missing)}; inherit from StatelessFraming, and write the rest"
        raise ConfigError([ConfigProblem(f"DIALECTS of {__name__}", None, place, what)])
    return found


@dataclass(frozen=True, slots=True)
class Dialect:
    """One row of the table.

    Args:
        name: What `?framing=` calls it.
        place: The class that implements it, as "module:Class"; it is called with a `Subscriber`.
        description: What it is, in half a sentence, for the API's description.
        of_channels: Whether it can write several runs on one connection.
        says_pieces: Whether each piece of text is sent when it comes; else the whole comes in the end.
    """

    name: str
    place: str
    description: str
    carrier: Carrier = "stream"
    of_channels: bool = False
    says_pieces: bool = True

    @property
    def framing(self) -> type[Framing]:
        """The dialect's class; imported when it is first asked for.

        Raises:
            ConfigError: It cannot be imported, or lacks what a framing has.
        """
        return _class_at(self.place)

    def open(self, subscriber: Subscriber) -> Framing:
        """Return a framing for one connection."""
        make: Any = self.framing
        framing: Framing = make(subscriber)
        return framing


DIALECTS: dict[str, Dialect] = {}
"""Name → row, the default of each carrier first."""


def register(dialect: Dialect) -> Dialect:
    """Add *dialect* to the table, so that every stream can be asked for in it.

    Raises:
        ValueError: There is one of that name.
    """
    if dialect.name in DIALECTS:
        raise ValueError(f"There is a dialect {dialect.name!r} already.")
    DIALECTS[dialect.name] = dialect
    return dialect


def check_dialects() -> list[ConfigProblem]:
    """Return what is wrong with the rows of the table: the API's description is made of them all."""
    problems: list[ConfigProblem] = []
    for row in DIALECTS.values():
        try:
            row.framing  # noqa: B018 - it is asked for the error
        except ConfigError as exc:
            problems += exc.problems
    return problems


def dialects(carrier: Carrier = "stream", *, of_channels: bool = False) -> list[Dialect]:
    """Return the rows of *carrier*, the default one first; only those of channels if *of_channels*."""
    return [
        row for row in DIALECTS.values() if row.carrier == carrier and (row.of_channels or not of_channels)
    ]


_PLACE = "orchestrator.framing."
for _row in (
    Dialect("event", f"{_PLACE}sse:SseFraming", "Server-Sent Events with names", of_channels=True),
    Dialect("message", f"{_PLACE}sse:UnnamedSseFraming", "the same without `event:` lines", of_channels=True),
    Dialect("chat", f"{_PLACE}chat:ChatFraming", "OpenAI's chat completion chunks"),
    Dialect("responses", f"{_PLACE}responses:ResponsesFraming", "OpenAI's Responses events"),
    Dialect("ai-sdk", f"{_PLACE}ai_sdk:AiSdkFraming", "the AI SDK's UI message stream"),
    Dialect("ag-ui", f"{_PLACE}ag_ui:AgUiFraming", "AG-UI events"),
    Dialect("a2a", f"{_PLACE}a2a:A2aFraming", "A2A 1.0 updates of a task"),
    Dialect("mcp", f"{_PLACE}mcp:McpFraming", "the answer to an MCP tool call", says_pieces=False),
    Dialect(
        "websocket",
        f"{_PLACE}websocket:WebSocketFraming",
        "one text message per event",
        carrier="websocket",
        of_channels=True,
    ),
):
    register(_row)
