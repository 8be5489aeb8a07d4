"""Checks the body of `POST /v1/runs` (and of a WebSocket's `start`), and states its schema.

Checks shape and names; whether the run can be started now is the supervisor's to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from ...errors import FieldProblem, InvalidRequest
from ...events.base import AGENT_ID_PATTERN
from ...events.encoding import clean_text
from ...panels.regex_process import explain_pattern
from ...run.channels import SYSTEM_CHANNEL
from ...run.registry import AgentRegistry
from ...run.spec import BEGINNING, StartRequest
from ...supervisor.panel_request import choose_panel
from ...supervisor.variant_request import AskedAgents, read_agents
from ..options import ServerOptions
from .images import IMAGE_PATTERN
from .json_body import SMALL_BODY_BYTES, JsonReader
from .problem import ProblemError

AFTER_PATTERN = r"run_[A-Za-z0-9_-]{1,64}"
NAME_PATTERN = r"[A-Za-z0-9_-]{1,64}"
ON_DISCONNECT = ("continue", "cancel")
_KEYS = (
    "message", "agents", "conversation_id", "after", "channel", "panel", "on_disconnect", "images", "blind",
)  # fmt: skip
_MAX_UNKNOWN_KEYS = 20
_T = TypeVar("_T")


def parse_start(body: Mapping[str, Any], *, registry: AgentRegistry, limits: ServerOptions) -> StartRequest:
    """Check *body* as a whole. A null is taken for a key that is not there, except for `message`.

    Raises:
        InvalidRequest: Fields are wrong; all of them are named.
        ProblemError: 413, the message is too long; other fields that are wrong are named too.
    """
    check = _Check(body)
    message = check.field("message", lambda value: _message(value, limits.max_message_chars), required=True)
    asked = check.field("agents", lambda value: _agents(check, value, registry, limits))
    wanted = StartRequest(
        message=message or "",
        agents=None if asked is None else asked.names,
        conversation_id=check.field("conversation_id", _name),
        after=check.field("after", _after),
        channel=check.field("channel", _channel),
        on_disconnect=check.field("on_disconnect", _on_disconnect) or ON_DISCONNECT[0],
        images=check.field("images", lambda value: _images(check, value, limits)) or (),
        panel=check.field("panel", lambda value: _panel(check, value, registry, asked, limits)),
        blind=check.field("blind", _blind) or False,
        variants={} if asked is None else asked.variants,
    )
    if wanted.blind and wanted.panel is not None:
        check.problems.append(
            FieldProblem("blind", "is not possible in a panel, whose agents know each other")
        )
    if wanted.after is not None and wanted.conversation_id is None:
        check.problems.append(
            FieldProblem("after", "names a run of a conversation; give its conversation_id")
        )
    check.unknown_keys()
    check.finish()
    return wanted


async def read_start(
    body: Mapping[str, Any], reader: JsonReader, *, registry: AgentRegistry, limits: ServerOptions
) -> StartRequest:
    """Check *body* as `parse_start`, and its panel's pattern; what is large not on the loop.

    Raises:
        As `parse_start` and `check_pattern`.
    """
    parse = partial(parse_start, body, registry=registry, limits=limits)
    wanted = await reader.in_thread(parse) if _brings_much(body.get("images")) else parse()
    await check_pattern(body.get("panel"))
    return wanted


def _brings_much(images: object) -> bool:
    return (
        isinstance(images, list)
        and sum(len(image) for image in images if isinstance(image, str)) > SMALL_BODY_BYTES
    )


async def check_pattern(panel: object) -> None:
    """Check an inline panel's texts, and its regular expression, which costs what a client chooses: not on the loop.

    Raises:
        InvalidRequest: It is none, or takes too long. LimitReached: Too many others wait for theirs.
    """
    wrong = _texts_wrong(panel)
    if wrong is not None:
        raise InvalidRequest("The panel is wrong.", [FieldProblem("panel", wrong)])
    pattern = panel.get("valid") if isinstance(panel, dict) else None
    if isinstance(pattern, str):
        wrong = await explain_pattern(pattern)
        if wrong is not None:
            raise InvalidRequest("The panel is wrong.", [FieldProblem("panel.valid", wrong)])


class _Wrong(Exception):
    """A field's value is wrong; the text says how."""


class _TooLong(_Wrong):
    """A text exceeds its limit, which HTTP reports by a status of its own."""


def fields_wrong(problems: Sequence[FieldProblem]) -> InvalidRequest:
    """Return what refuses a body whose fields are wrong; its text says how many, and what is wrong with the first."""
    count = len(problems)
    what = "1 field of the request is wrong." if count == 1 else f"{count} fields of the request are wrong."
    return InvalidRequest(f"{what} {problems[0].at}: {problems[0].detail}.", problems)


class _Check:
    """Gathers what is wrong with one body."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self.problems: list[FieldProblem] = []
        self._too_long: str | None = None

    def field(self, key: str, parse: Callable[[Any], _T], *, required: bool = False) -> _T | None:
        value = self._body.get(key)
        if value is None and not required:
            return None
        try:
            if key not in self._body:
                raise _Wrong("is required")
            return parse(value)
        except _Wrong as exc:
            self.problems.append(FieldProblem(key, str(exc)))
            if isinstance(exc, _TooLong):
                self._too_long = str(exc)
        return None

    def unknown_keys(self) -> None:
        unknown = [key for key in self._body if key not in _KEYS]
        for key in unknown[:_MAX_UNKNOWN_KEYS]:
            self.problems.append(FieldProblem(_shown(key), f"is unknown; the keys are {', '.join(_KEYS)}"))

    def finish(self) -> None:
        if self._too_long is not None:
            raise ProblemError(413, f"The message {self._too_long}.", errors=self.problems)
        if self.problems:
            raise fields_wrong(self.problems)


def _message(value: Any, limit: int) -> str:
    if not isinstance(value, str):
        raise _Wrong("must be a string")
    if not value:
        raise _Wrong("must not be empty")
    if len(value) > limit:
        raise _TooLong(f"has {len(value):,} characters; at most {limit:,} are allowed")
    return clean_text(value)  # half a surrogate pair, as a client's cut leaves it, is no valid Unicode


def _agents(check: _Check, value: Any, registry: AgentRegistry, limits: ServerOptions) -> AskedAgents:
    if not isinstance(value, list):
        raise _Wrong("must be a list of agent ids")
    if not value:
        raise _Wrong("must name at least one agent; leave it out for the default ones")
    if len(value) > limits.max_agents_per_run:
        raise _Wrong(f"names {len(value)} agents; at most {limits.max_agents_per_run} are allowed")
    if (wrong := _texts_wrong([each for each in value if not isinstance(each, str)])) is not None:
        raise _Wrong(wrong)
    shown = [each if not isinstance(each, str) or each in registry.agents else _shown(each) for each in value]
    asked = read_agents(shown, registry)
    check.problems += asked.problems
    return asked


def _images(check: _Check, value: Any, limits: ServerOptions) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Wrong("must be a list of addresses")
    if len(value) > limits.max_images:
        raise _Wrong(f"names {len(value)} images; at most {limits.max_images} are allowed")
    for index, image in enumerate(value):
        wrong = limits.images.wrong(image)
        if wrong is not None:
            check.problems.append(FieldProblem(f"images[{index}]", wrong))
    return tuple(str(image) for image in value)


def _name(value: Any) -> str:
    if not isinstance(value, str) or re.fullmatch(NAME_PATTERN, value) is None:
        raise _Wrong("must have 1 to 64 of the characters A-Z, a-z, 0-9, _ and -")
    return value


def _after(value: Any) -> str:
    if value != BEGINNING and (not isinstance(value, str) or re.fullmatch(AFTER_PATTERN, value) is None):
        raise _Wrong(f'must be a run\'s id, or "{BEGINNING}"')
    return str(value)


def _channel(value: Any) -> str:
    name = _name(value)
    if name == SYSTEM_CHANNEL:
        raise _Wrong(f"{SYSTEM_CHANNEL!r} is the server's own channel; choose another")
    return name


def _on_disconnect(value: Any) -> str:
    if value not in ON_DISCONNECT:
        raise _Wrong('must be "continue" or "cancel"')
    return str(value)


def _panel(
    check: _Check, value: Any, registry: AgentRegistry, asked: AskedAgents | None, limits: ServerOptions
) -> dict[str, Any] | None:
    wrong = _texts_wrong(value)
    if wrong is not None:
        check.problems.append(FieldProblem("panel", wrong))
        return None
    names, variants = ((), {}) if asked is None else (asked.names, asked.variants)
    known = all(name in registry.agents or name in variants for name in names)
    try:
        panel = choose_panel(
            value,
            registry,
            agents=names if known else None,
            variants=variants,
            most=limits.max_agents_per_run,
        )
    except InvalidRequest as exc:
        check.problems.extend(exc.fields)
        return None
    return panel.model_dump(mode="json")


def _texts_wrong(value: Any) -> str | None:
    """Say why the texts of *value* cannot be handled as they are: too long to be compared and quoted, or no Unicode."""
    left, size = [value], 0
    while left:
        each = left.pop()
        if isinstance(each, str):
            size += len(each)
            if size > SMALL_BODY_BYTES:
                return f"has more than {SMALL_BODY_BYTES} characters"
            if clean_text(each) != each:
                return "holds half a surrogate pair, which is no text"
        elif isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each
    return None


def _blind(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("must be true or false")
    return value


def _shown(text: str) -> str:
    """Return *text* short and printable enough to be quoted."""
    cleaned = clean_text(text[:81])
    return cleaned if len(cleaned) <= 80 else f"{cleaned[:80]}…"


def start_schema(limits: ServerOptions) -> dict[str, Any]:
    """Return the JSON Schema of what `parse_start` takes; which agents there are is not part of it."""

    def optional(schema: dict[str, Any], description: str) -> dict[str, Any]:
        return {"anyOf": [schema, {"type": "null"}], "default": None, "description": description}

    name = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
    agent_id = {"type": "string", "pattern": f"^{AGENT_ID_PATTERN}$"}
    agents = {
        "type": "array",
        "items": {"anyOf": [agent_id, _variant_schema(agent_id)]},
        "minItems": 1,
        "maxItems": limits.max_agents_per_run,
        "uniqueItems": True,
    }
    images = {
        "type": "array",
        "items": {"type": "string", "pattern": f"^({IMAGE_PATTERN})$"},
        "maxItems": limits.max_images,
    }
    return {
        "title": "StartRequest",
        "type": "object",
        "required": ["message"],
        "additionalProperties": False,
        "properties": {
            "message": {
                "type": "string",
                "minLength": 1,
                "maxLength": limits.max_message_chars,
                "description": "What every agent is asked.",
            },
            "agents": optional(
                agents, "Who takes part, by id or as a variant; the default agents if it is left out."
            ),
            "conversation_id": optional(name, "Each agent goes on from its own earlier turns of this name."),
            "after": optional(
                {"type": "string", "pattern": f"^({AFTER_PATTERN}|{BEGINNING})$"},
                "A run of the conversation: agents know what was said up to it, and nothing later. `start`: nothing.",
            ),
            "channel": optional(name, "The log that the run writes to; its own if it is left out."),
            "images": optional(images, "Images that belong to the message, for models that take them."),
            "panel": optional(
                {"anyOf": [{"type": "string"}, {"type": "object", "required": ["method"]}]},
                "A panel's id (see GET /v1/panels) or an inline panel; `agents`, if given, are its members.",
            ),
            "blind": optional(
                {"type": "boolean"},
                "Hides names, models, errors' wording and metrics until a vote; not in a panel.",
            ),
            "on_disconnect": optional(
                {"enum": list(ON_DISCONNECT)},
                "`cancel` cancels the run once no subscriber has been there for a while; default `continue`.",
            ),
        },
    }


def _variant_schema(agent_id: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an agent with changes; which keys it has besides is each agent's own to say."""
    return {
        "type": "object",
        "required": ["agent_id", "as"],
        "properties": {
            "agent_id": {**agent_id, "description": "The configured agent."},
            "as": {**agent_id, "description": "The name under which it takes part, changed."},
        },
        "description": "An agent with changes to the keys that GET /v1/agents lists as its `variants`.",
    }
