"""The event types and their payloads; the only place that spells an event's name.

A payload knows neither its agent nor its time: the log's writer adds both when it encodes
(`encode_data`), so a backend says only what happened. Owns no I/O.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from ..errors import ErrorCode, GapReason

AgentStatus = Literal["queued", "running", "cancelling", "done", "error", "cancelled"]
RunStatus = Literal["running", "completed", "partial", "cancelled", "failed"]

RUN = "run"
"""Prefix of the events that belong to the run itself."""

PANEL = "panel"
"""Prefix of the events of a run's panel. The log names them by it; their data has no `agent_id`."""

RESERVED_IDS = frozenset({RUN, PANEL, "error", "open", "message"})
"""Agent ids that would collide with event names of the protocol or of EventSource."""

AGENT_ID_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened, without who and when. `TYPE` is the last part of the event's name.

    A field without a default is always on the wire; one with a default only where it differs.
    """

    TYPE: ClassVar[str] = ""


class Usage(msgspec.Struct, frozen=True):
    """Tokens that the provider counted."""

    input_tokens: int
    output_tokens: int


class AgentMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """Times in milliseconds. `ttft_ms` is null before a first token, `tokens_per_s` without usage."""

    queue_ms: int
    ttft_ms: int | None
    duration_ms: int
    output_chars: int
    tokens_per_s: float | None
    retries: int
    cost: float | None = None


# ── what an agent says ────────────────────────────────────────────────────────────────────────


class Status(Payload, frozen=True, omit_defaults=True):
    """Progress that is neither text nor a tool: `thinking`, `tool`, or the agent's own word.

    `anchor` is for no client: where the agent's worker is lost, the next attempt gets the last one that was
    said, and may go on with the same upstream work. It holds no secret.
    """

    TYPE: ClassVar[str] = "status"
    status: str
    detail: str = ""
    anchor: str | None = None


class Token(Payload, frozen=True, omit_defaults=True):
    """A piece of the answer. Pieces of one attempt, joined, are the whole answer."""

    TYPE: ClassVar[str] = "token"
    text: str
    speaker: str | None = None
    parent: str | None = None


class Reasoning(Payload, frozen=True, omit_defaults=True):
    """A piece of the model's reasoning (or of its summary)."""

    TYPE: ClassVar[str] = "reasoning"
    text: str
    speaker: str | None = None
    parent: str | None = None


class ToolCall(Payload, frozen=True, omit_defaults=True):
    """A tool starts. `arguments` is a string of JSON."""

    TYPE: ClassVar[str] = "tool_call"
    call_id: str
    name: str
    arguments: str
    parent: str | None = None


class ToolResult(Payload, frozen=True, omit_defaults=True):
    """A tool ended."""

    TYPE: ClassVar[str] = "tool_result"
    call_id: str
    output: str
    is_error: bool
    parent: str | None = None


class Handoff(Payload, frozen=True, omit_defaults=True):
    """Another speaker goes on; its later tokens carry `speaker`."""

    TYPE: ClassVar[str] = "handoff"
    to: str


class ApprovalRequest(Payload, frozen=True, omit_defaults=True):
    """The agent waits until somebody answers this call."""

    TYPE: ClassVar[str] = "approval_request"
    call_id: str
    name: str
    arguments: str


# ── the life of an attempt ────────────────────────────────────────────────────────────────────


class InputRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent in a panel is told of another one's answer; `of_chars` is the whole, where it was cut."""

    agent: str
    attempt: int
    chars: int
    of_chars: int | None = None


class Missing(msgspec.Struct, frozen=True):
    """An agent of a panel that had no answer when one was wanted."""

    agent: str
    status: AgentStatus


class Started(Payload, frozen=True, omit_defaults=True):
    """An attempt begins; the first is 1.

    In a panel an agent may speak several times: each time is a `turn`, and a retry keeps it. `round` and
    `layer` number the stages of those names.
    """

    TYPE: ClassVar[str] = "started"
    attempt: int
    stage: str | None = None
    round: int | None = None
    layer: int | None = None
    turn: int | None = None
    inputs: list[InputRef] = []
    missing: list[Missing] = []


class Retry(Payload, frozen=True, omit_defaults=True):
    """The next attempt comes after `delay_s`; what was said in the failed one is void."""

    TYPE: ClassVar[str] = "retry"
    attempt: int
    delay_s: float
    code: ErrorCode


class Done(Payload, frozen=True, omit_defaults=True):
    """An attempt ended well. `text` is the whole answer; `usage` is null where no provider counted.

    `metrics` is null only in a blind run, here and in the other endings.
    """

    TYPE: ClassVar[str] = "done"
    text: str
    usage: Usage | None
    finish_reason: str
    metrics: AgentMetrics | None
    attempt: int


class Error(Payload, frozen=True, omit_defaults=True):
    """An attempt failed. `error_id` finds the rest in the server's own log."""

    TYPE: ClassVar[str] = "error"
    code: ErrorCode
    message: str
    error_id: str
    retryable: bool
    metrics: AgentMetrics | None
    attempt: int


class Cancelled(Payload, frozen=True, omit_defaults=True):
    """An attempt was cancelled, and the agent's own stream is really closed."""

    TYPE: ClassVar[str] = "cancelled"
    reason: str
    metrics: AgentMetrics | None
    attempt: int


# ── the run itself ────────────────────────────────────────────────────────────────────────────


class AgentInfo(msgspec.Struct, frozen=True):
    """One agent as `run.started` lists it."""

    agent_id: str
    title: str
    backend: str
    model: str | None


class AgentOutcome(msgspec.Struct, frozen=True):
    """How one agent's last attempt ended."""

    status: AgentStatus
    attempt: int


class RunMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sums over the run's agents; token counts are null where no provider reported any."""

    duration_ms: int
    output_chars: int
    input_tokens: int | None
    output_tokens: int | None
    retries: int
    cost: float | None = None


class Given(msgspec.Struct, frozen=True):
    """An answer that a panel begins with, because another run gave it."""

    agent: str
    title: str
    attempt: int
    chars: int


class PanelInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the agents of a run work together. `of` names the run whose answers are `given`."""

    panel_id: str | None
    title: str
    method: str
    members: list[str]
    moderator: str | None
    fallback: list[str]
    of: str | None = None
    given: list[Given] = []


class RunStarted(Payload, frozen=True, omit_defaults=True):
    """The run's first event: who takes part."""

    TYPE: ClassVar[str] = "started"
    run_id: str
    channel: str
    agents: list[AgentInfo]
    panel: PanelInfo | None = None
    blind: bool = False


class AgentAdded(Payload, frozen=True, omit_defaults=True):
    """An agent joined while the run was open."""

    TYPE: ClassVar[str] = "agent_added"
    agent: AgentInfo


class RunDone(Payload, frozen=True, omit_defaults=True):
    """The run's last event: how it ended, for each agent and in all."""

    TYPE: ClassVar[str] = "done"
    status: RunStatus
    agents: dict[str, AgentOutcome]
    metrics: RunMetrics


class RunGap(Payload, frozen=True, omit_defaults=True):
    """The cursor could not be used. Carries no id, so it never becomes a cursor itself."""

    TYPE: ClassVar[str] = "gap"
    reason: GapReason
    requested: str
    earliest: str | None
    latest: str | None


# ── a panel ───────────────────────────────────────────────────────────────────────────────────


class PanelStage(Payload, frozen=True, omit_defaults=True):
    """A stage begins: `agents` speak, and `missing` are those whose answers it goes without.

    `info` is there where the panel was called during the run, so that `run.started` could not tell of it.
    """

    TYPE: ClassVar[str] = "stage"
    panel: str
    method: str
    stage: str
    agents: list[str]
    round: int | None = None
    layer: int | None = None
    missing: list[Missing] = []
    info: PanelInfo | None = None


class Score(msgspec.Struct, frozen=True):
    """One agent's place in a ranking."""

    agent: str
    score: int | float


class PanelResult(Payload, frozen=True, omit_defaults=True):
    """What came of the panel. `by` and `attempt` name the last speech, where one agent had the last word.

    `tally` counts what was chosen: a vote's answers, a judge's or a ranking's agents. `missing` are those whose
    answers it goes without.
    """

    TYPE: ClassVar[str] = "result"
    panel: str
    method: str
    status: Literal["decided", "tie", "undecided", "failed", "cancelled"]
    winner: str | None
    ranking: list[Score]
    tally: dict[str, int | float]
    missing: list[Missing]
    answer: str | None = None
    by: str | None = None
    attempt: int | None = None
    revision: int | None = None


class PanelLate(Payload, frozen=True, omit_defaults=True):
    """A member answered when nobody waited for it any more."""

    TYPE: ClassVar[str] = "late"
    panel: str
    agent: str
    attempt: int
    status: AgentStatus
    chars: int


class EarlierTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent said in an earlier turn of a panel."""

    turn: int
    stage: str
    attempt: int
    status: AgentStatus
    text: str
    round: int | None = None
    layer: int | None = None


class PanelState(msgspec.Struct, omit_defaults=True):
    """A panel as it stands: `PanelInfo`, the newest stage and result, and who was late."""

    panel_id: str | None
    title: str
    method: str
    members: list[str]
    moderator: str | None
    fallback: list[str]
    stage: str | None
    result: PanelResult | None
    late: list[PanelLate]
    of: str | None = None
    given: list[Given] = []
    round: int | None = None
    layer: int | None = None


class AgentSnapshot(msgspec.Struct, omit_defaults=True):
    """One agent as it stands: `text` is what its last attempt said so far. What follows it is of a panel."""

    status: AgentStatus
    attempt: int
    text: str
    error: dict[str, Any] | None
    metrics: AgentMetrics | None
    usage: Usage | None
    stage: str | None = None
    round: int | None = None
    layer: int | None = None
    turn: int | None = None
    inputs: list[InputRef] = []
    missing: list[Missing] = []
    turns: list[EarlierTurn] = []


class RevealedAgent(msgspec.Struct, frozen=True):
    """Who an agent of a blind run is: `configured` is its true id. The rest is null until it has ended."""

    agent_id: str
    configured: str
    title: str
    backend: str
    model: str | None
    metrics: AgentMetrics | None
    usage: Usage | None
    error: dict[str, Any] | None


class Revealed(msgspec.Struct, frozen=True):
    """What a vote reveals: whom it was for, and who all are."""

    vote: str
    agents: list[RevealedAgent]


class Snapshot(msgspec.Struct, omit_defaults=True):
    """A run as it stands at `last_event_id`. Times are milliseconds since 1970 (UTC)."""

    run_id: str
    channel: str
    conversation_id: str | None
    message: str
    status: RunStatus
    created_at: int
    ended_at: int | None
    last_event_id: str | None
    agents: dict[str, AgentSnapshot]
    panel: PanelState | None = None
    blind: bool = False
    revealed: Revealed | None = None


SNAPSHOT_TYPE = "snapshot"
TERMINALS: tuple[type[Payload], ...] = (Done, Error, Cancelled)
TERMINAL_TYPES = frozenset(p.TYPE for p in TERMINALS)
AGENT_PAYLOADS: dict[str, type[Payload]] = {
    p.TYPE: p
    for p in (
        Started, Status, Token, Reasoning, ToolCall, ToolResult, Handoff,
        ApprovalRequest, Retry, Done, Error, Cancelled,
    )
}  # fmt: skip
RUN_PAYLOADS: dict[str, type[Payload]] = {p.TYPE: p for p in (RunStarted, AgentAdded, RunDone, RunGap)}
PANEL_PAYLOADS: dict[str, type[Payload]] = {p.TYPE: p for p in (PanelStage, PanelResult, PanelLate)}

_encoder = msgspec.json.Encoder()
_S = TypeVar("_S", bound=msgspec.Struct)


def clean_text(text: str) -> str:
    """Return *text* with lone surrogates replaced, so that it can be encoded as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def encode_json(value: object) -> bytes:
    """Encode *value* as one line of JSON that no reader can take for two.

    JSON leaves U+2028, U+2029 and U+0085 bare, and some clients split lines at them. Lone surrogates,
    which are no Unicode, are replaced.
    """
    try:
        data = _encoder.encode(value)
    except UnicodeEncodeError:
        data = _encoder.encode(_clean(msgspec.to_builtins(value)))
    if b"\xe2\x80" in data:
        data = data.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    if b"\xc2\x85" in data:
        data = data.replace(b"\xc2\x85", b"\\u0085")
    return data


def _clean(value: Any) -> Any:
    """Return plain *value* with every text in it cleaned."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value


def check_types(value: _S) -> _S:
    """Return *value* as its own type declares it: annotations alone stop no agent from breaking them.

    Raises:
        TypeError, ValueError, RecursionError: A field is of another type, or cannot be encoded at all.
    """
    return msgspec.convert(msgspec.to_builtins(value), type(value))


def encode_data(agent_id: str | None, payload: Payload, t: int) -> bytes:
    """Encode an event's `data`: who, what and when, then the payload's own fields.

    Args:
        agent_id: None for the run's own events, `PANEL` for its panel's.
        t: Milliseconds since the run's start.
    """
    body = encode_json(payload)
    who = "" if agent_id is None or agent_id == PANEL else f'"agent_id":"{agent_id}",'
    head = f'{{{who}"type":"{payload.TYPE}","t":{t}'.encode()
    return head + b"," + body[1:] if len(body) > 2 else head + b"}"


def decode_payload(agent_id: str | None, type_: str, data: bytes) -> Payload | None:
    """Read an event's `data` back; None for an event of a newer version, which changes no state here."""
    kinds = AGENT_PAYLOADS
    if agent_id is None or agent_id == PANEL:
        kinds = RUN_PAYLOADS if agent_id is None else PANEL_PAYLOADS
    kind = kinds.get(type_)
    return None if kind is None else msgspec.json.decode(data, type=kind)


class _Timed(msgspec.Struct):
    t: int


def decode_time(data: bytes) -> int:
    """Read back from an event's `data` when it was, in milliseconds since the run's start."""
    return msgspec.json.decode(data, type=_Timed).t


def encode_snapshot(snapshot: Snapshot, t: int) -> bytes:
    """Encode a `run.snapshot` event's `data`."""
    return f'{{"type":"{SNAPSHOT_TYPE}","t":{t},'.encode() + encode_json(snapshot)[1:]
