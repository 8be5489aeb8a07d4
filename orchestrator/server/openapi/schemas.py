"""The JSON Schemas of what is sent and received, made from the types that are sent and received.

Knows no path: which operation uses which schema is said beside its handler.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec

from ...errors import ErrorCode
from ...events.agent import AGENT_PAYLOADS, ApprovalRequest
from ...events.base import PANEL, Payload
from ...events.content import CONTENT
from ...events.panel import PANEL_PAYLOADS
from ...events.run import RUN_PAYLOADS
from ...events.snapshot import SNAPSHOT_TYPE, Revealed, Snapshot
from ...settings.variants import VariableKey
from ...supervisor.run_list import RunList
from ...supervisor.scores import Scores
from ..http.requests import start_schema
from ..options import ServerOptions

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"


class AgentDescription(msgspec.Struct):
    """One configured agent. `default`: it takes part if a request names none; `variants`: what a request may change."""

    agent_id: str
    title: str
    description: str
    backend: str
    model: str | None
    default: bool
    variants: list[VariableKey]


class LeftOutAgent(msgspec.Struct):
    """An agent that has a file and cannot be asked; `reason` says what it lacks."""

    agent_id: str
    reason: str


class AgentList(msgspec.Struct):
    """The configured agents, in the order they are shown, and those that are left out for what they lack."""

    agents: list[AgentDescription]
    left_out: list[LeftOutAgent]


class AddAgent(msgspec.Struct, forbid_unknown_fields=True):
    """Who joins the run."""

    agent_id: str


class ApprovalBody(msgspec.Struct, forbid_unknown_fields=True):
    """The answer to an `approval_request`."""

    approve: bool
    reason: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    by: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


class StartWhenDescription(msgspec.Struct):
    """When a panel's last word begins: at the first of these that comes true."""

    all: bool | None
    quorum: int | None
    deadline_s: float | None


class PanelDescription(msgspec.Struct):
    """One configured panel. `fallback` has the last word if `moderator` fails."""

    panel_id: str
    title: str
    description: str
    method: str
    members: list[str]
    moderator: str | None
    fallback: list[str]
    start_when: StartWhenDescription
    revise: bool


class MethodKey(msgspec.Struct):
    """A key of a panel that a method reads: its type, and the bounds and the default of a number."""

    name: str
    type: Literal["text", "integer"]
    default: int | str | None
    minimum: int | None = None
    maximum: int | None = None


class MethodDescription(msgspec.Struct):
    """A panel method. `over_answers`: whether it makes sense over answers that are there already."""

    method: str
    title: str
    description: str
    moderator: Literal["required", "optional", "none"]
    least_members: int
    asks_again: bool
    over_answers: bool
    keys: list[MethodKey]


class LeftOutPanel(msgspec.Struct):
    """A panel that has a file and cannot be asked; `reason` names the agent and says what that lacks."""

    panel_id: str
    reason: str


class PanelList(msgspec.Struct):
    """The configured panels, those that are left out, and the methods that a panel of one's own can have."""

    panels: list[PanelDescription]
    left_out: list[LeftOutPanel]
    methods: list[MethodDescription]


class CallPanel(msgspec.Struct):
    """A panel's id, or an inline panel as in agents_config/panels."""

    panel: str | dict[str, Any]


class Vote(msgspec.Struct, forbid_unknown_fields=True):
    """Which agent of the run is the best, or why none is: one of the two."""

    agent_id: str | msgspec.UnsetType = msgspec.UNSET
    verdict: Literal["tie", "both_bad"] | msgspec.UnsetType = msgspec.UNSET


class FieldProblemItem(msgspec.Struct):
    """One field at fault: `at` is its path, as in `agents[1]`."""

    at: str
    detail: str


class ProblemDocument(msgspec.Struct, omit_defaults=True):
    """Why a request failed (RFC 9457). `error_id` finds an unexpected failure in the server's log."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblemItem] = []
    error_id: str = ""


STAGE: Schema = {
    "stage": {"type": "string", "description": "In a panel: what the agent's attempt is part of."},
    "round": {"type": "integer", "minimum": 1, "description": "With the stage `round`."},
    "layer": {"type": "integer", "minimum": 1, "description": "With the stage `layer`."},
}

STRUCTS: tuple[type[msgspec.Struct], ...] = (
    AddAgent, AgentList, ApprovalBody, CallPanel, PanelList, ProblemDocument, Revealed, RunList, Scores, Snapshot, Vote,
)  # fmt: skip


def component_schemas(limits: ServerOptions) -> dict[str, Schema]:
    """Return every named schema: requests, answers, and each event's `data`."""
    payloads = (*AGENT_PAYLOADS.values(), *RUN_PAYLOADS.values(), *PANEL_PAYLOADS.values())
    _, found = msgspec.json.schema_components([*STRUCTS, *payloads], ref_template=PREFIX + "{name}")
    # A snapshot holds an agent's content, and what waits for an answer, as well: their own schemas stay.
    agent_events = {f"{p.__name__}Event": _agent_event(p, found[p.__name__]) for p in AGENT_PAYLOADS.values()}
    for payload in AGENT_PAYLOADS.values():
        if payload not in (*CONTENT, ApprovalRequest):
            del found[payload.__name__]
    run_events = {
        f"{p.__name__}Event": _run_event(p.TYPE, found.pop(p.__name__)) for p in RUN_PAYLOADS.values()
    }
    run_events["RunSnapshotEvent"] = _run_event(SNAPSHOT_TYPE, found["Snapshot"])
    # A snapshot holds these two as well, so their own schemas stay.
    panel_events = {
        f"{p.__name__}Event": _event(f"{PANEL}.{p.TYPE}", p.TYPE, found[p.__name__], {})
        for p in PANEL_PAYLOADS.values()
    }
    found["PanelEvent"] = _one_of("The `data` of a panel's event; has `panel`.", panel_events)
    found["AgentEvent"] = _one_of("The `data` of an agent's event.", agent_events)
    found["RunEvent"] = _one_of("The `data` of the run's own event.", run_events)
    found["Event"] = {
        "title": "Event",
        "description": "One event's `data`.",
        "anyOf": [{"$ref": PREFIX + name} for name in ("AgentEvent", "RunEvent", "PanelEvent")],
    }
    found["ErrorCode"] = {
        "type": "string",
        "enum": list(get_args(ErrorCode)),
        "description": "Why an agent failed.",
    }
    found["StartRequest"] = start_schema(limits)
    found["AnyObject"] = {
        "title": "AnyObject",
        "type": "object",
        "description": "A request in another API's words; keys that are unknown are ignored.",
    }
    found["SocketOperation"] = socket_schema(found["StartRequest"])
    return run_events | agent_events | panel_events | dict(sorted(found.items()))


def _agent_event(payload: type[Payload], schema: Schema) -> Schema:
    who = {"agent_id": {"type": "string", "description": "Whose event it is."}}
    event = _event(f"<agent_id>.{payload.TYPE}", payload.TYPE, schema, who)
    event["properties"] = event["properties"] | STAGE
    return event


def _run_event(type_: str, schema: Schema) -> Schema:
    return _event(f"run.{type_}", type_, schema, {})


def _event(name: str, type_: str, schema: Schema, who: Schema) -> Schema:
    """Return the schema of an event's whole `data`: who, what, when, and the payload's own fields."""
    common: Schema = {
        **who,
        "type": {"const": type_},
        "t": {"type": "integer", "minimum": 0, "description": "Milliseconds since the run's start."},
    }
    run_id = {"type": "string", "description": "In a channel's stream and over a WebSocket."}
    own = schema["properties"] | (
        {"code": {"$ref": PREFIX + "ErrorCode"}} if "code" in schema["properties"] else {}
    )
    return {
        "title": name,
        **({"description": schema["description"]} if "description" in schema else {}),
        "type": "object",
        "properties": {**common, **({} if "run_id" in own else {"run_id": run_id}), **own},
        "required": [*common, *schema.get("required", ())],
        "x-event": name,
    }


def _one_of(description: str, events: dict[str, Schema]) -> Schema:
    mapping = {schema["properties"]["type"]["const"]: PREFIX + name for name, schema in events.items()}
    return {
        "description": description,
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


def socket_schema(start: Schema) -> Schema:
    """Return the schema of what a client sends over the WebSocket."""
    ref = {"description": "Comes back with the answer, whatever it is."}
    run_id = {"type": "string"}
    channel = {"type": "string", "description": "All runs of it, with one cursor."}
    after = {"after": {"type": ["string", "null"], "description": "The cursor."}}
    names = {"type": ["array", "null"], "items": {"type": "string"}, "description": "Keeps these alone."}

    def message(op: str, required: list[str], properties: Schema) -> Schema:
        return {
            "title": op,
            "type": "object",
            "properties": {"op": {"const": op}, **properties},
            "required": ["op", *required],
        }

    return {
        "title": "SocketOperation",
        "description": "One text message of a client.",
        "oneOf": [
            message("start", start["required"], {"ref": ref, **start["properties"]}),
            message("attach", ["run_id"], {"ref": ref, "run_id": run_id, **after, "agents": names}),
            message(
                "attach",
                ["channel"],
                {"ref": ref, "channel": channel, **after, "agents": names, "runs": names},
            ),
            message("cancel", ["run_id"], {"run_id": run_id, "agent_id": {"type": ["string", "null"]}}),
            message("detach", ["run_id"], {"run_id": run_id}),
            message("detach", ["channel"], {"channel": channel}),
        ],
    }
