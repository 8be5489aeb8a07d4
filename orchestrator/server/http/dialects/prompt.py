"""Reads a question, and who is asked, in another API's words. Owns neither routes nor checks of values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from ....errors import FieldProblem, InvalidRequest, NotFound
from ....run.registry import AgentRegistry
from ....supervisor.supervisor import AnyRun
from ...app_keys import OPTIONS, READER, REGISTRY, SUPERVISOR
from ..hops import read_depth, read_traceparent
from ..problem import ProblemError
from ..requests import fields_wrong, read_start

DEFAULT = "default"
PANEL_PREFIX = "panel:"
OWN_KEYS = ("agents", "panel", "blind", "on_disconnect")
"""What the body of any dialect may have of a run's own, where the API that it copies has no word for it."""

MAX_NAME_CHARS = 256
"""Of a name that the client chose for a thing of its own, such as a thread or a call: answers repeat it."""

MAX_MODEL_CHARS = 4096
"""Of the names of all agents that are asked together: each piece of an answer repeats it."""


def wrong(at: str, detail: str) -> InvalidRequest:
    """Return what says that the field *at* is wrong, and how."""
    return InvalidRequest(f"{at} {detail}.", [FieldProblem(at, detail)])


def read_flag(body: Mapping[str, Any], key: str, *, below: str = "") -> bool:
    """Return a flag of *body*, which is `below` of the request; one that is not there is off.

    Raises:
        InvalidRequest: It is neither true nor false; "true" would be taken for off.
    """
    value = body.get(key)
    if value is not None and not isinstance(value, bool):
        raise wrong(f"{below}.{key}".lstrip("."), "must be true or false")
    return bool(value)


def read_object(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object of *body*, an empty one if it is not there. Raises InvalidRequest if it is none."""
    value = body.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise wrong(key, "must be an object")
    return value or {}


@dataclass(slots=True)
class ParsedPrompt:
    """A client's question, as the last of its messages has it; `earlier` are the others as (speaker, text)."""

    text: str = ""
    images: list[str] = field(default_factory=list)
    earlier: list[tuple[str, str]] = field(default_factory=list)

    @property
    def message(self) -> str:
        """The question with what was said before, for a client that owns its history."""
        if not self.earlier:
            return self.text
        history = "\n\n".join(f"{speaker}: {text}" for speaker, text in self.earlier)
        return f"{history}\n\nUser: {self.text}"


_SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "Instructions", "developer": "Instructions"}
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


def read_messages(messages: object, *, at: str = "messages") -> ParsedPrompt:
    """Read a list of `{role, content}`; what is no message, such as a tool's call, is left out.

    Raises:
        InvalidRequest: It is no list, or no message of the user's ends it.
    """
    if not isinstance(messages, list):
        raise wrong(
            at, "must be a list of messages" if at == "messages" else "must be a string or a list of messages"
        )
    found = ParsedPrompt()
    said: list[tuple[str, str, list[str]]] = []
    for message in messages:
        role = message.get("role") if isinstance(message, Mapping) else None
        if isinstance(role, str) and role in _SPEAKERS:
            text, images = read_content(message.get("content"))
            said.append((role, text, images))
    asked = [place for place, (role, _, _) in enumerate(said) if role == "user"]
    if not asked:
        raise wrong(at, "must have a message whose role is user")
    last = asked[-1]
    found.text, found.images = said[last][1], said[last][2]
    found.earlier = [(_SPEAKERS[role], text) for role, text, _ in said[:last] if text]
    return found


def read_content(content: object) -> tuple[str, list[str]]:
    """Return the text and the images of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content, []
    texts, images = [], []
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, Mapping):
            continue
        kind = part.get("type")
        if isinstance(kind, str) and kind in _TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if isinstance(url, str):
            images.append(url)
    return "\n".join(texts), images


def own_name(value: object, at: str) -> str:
    """Return a client's name for a thing of its own.

    Raises:
        InvalidRequest: It is no string, empty, or too long to be said back with each piece of an answer.
    """
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_CHARS:
        raise wrong(at, f"must be a string of 1 to {MAX_NAME_CHARS} characters")
    return value


def call_name(value: object, at: str = "id") -> str | int | float | None:
    """Return the id of a JSON-RPC call. Raises InvalidRequest as `own_name`, if it is no number either."""
    return value if value is None or isinstance(value, int | float) else own_name(value, at)


def check_model(model: object) -> None:
    """Raise InvalidRequest if *model* is no string, or too long to be said back."""
    if model is not None and (not isinstance(model, str) or len(model) > MAX_MODEL_CHARS):
        raise wrong("model", f"must be a string of at most {MAX_MODEL_CHARS} characters")


def parts_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parts of a message; what is none is left out."""
    parts = message.get("parts")
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []


def addressed(registry: AgentRegistry, model: object, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return who is asked, and how, as a run's body has it: what *body* says of its own, else what *model* names.

    Raises:
        NotFound: There is no such agent or panel.
        InvalidRequest: *model* is no string, or too long.
    """
    check_model(model)
    own = {key: body[key] for key in OWN_KEYS if body.get(key) is not None}
    if "agents" in own or "panel" in own:
        return own
    return _named(registry, model) | own


def _named(registry: AgentRegistry, model: object) -> dict[str, Any]:
    """Return the `agents` or `panel` that *model* names. Raises as `addressed`."""
    if model is None or model == DEFAULT:
        return {}
    if not isinstance(model, str) or not model:
        raise wrong("model", "must name an agent, several as a+b, or a panel as panel:id")
    if model.startswith(PANEL_PREFIX):
        panel = model.removeprefix(PANEL_PREFIX)
        if panel not in registry.panels:
            raise _nobody(model, registry.why_no_panel(panel), is_left_out=panel in registry.left_out_panels)
        return {"panel": panel}
    agents = model.split("+")
    for agent_id in agents:
        if agent_id not in registry.agents:
            raise _nobody(model, registry.why_not(agent_id), is_left_out=agent_id in registry.left_out)
    if twice := sorted({each for each in agents if agents.count(each) > 1}):
        raise wrong("model", f"names {twice[0]!r} twice; name each agent once")
    return {"agents": agents}


def _nobody(model: str, why: str, *, is_left_out: bool) -> NotFound:
    shown = repr(model[:80])
    return NotFound(
        f"Model {shown} cannot be asked: {why}." if is_left_out else f"There is no model {shown}: {why}."
    )


def _as_asked(problem: FieldProblem, at: str) -> FieldProblem:
    """Return *problem* at the place where the client's own request has what is wrong."""
    own, _, rest = problem.at.partition("[")
    if own == "message":
        return FieldProblem(at, problem.detail)
    if own == "images":
        return FieldProblem(at, f"image {rest[:-1]} {problem.detail}" if rest else problem.detail)
    return problem


def models(registry: AgentRegistry) -> Iterable[tuple[str, str, str]]:
    """Yield what can be asked, as (model, title, description): each agent, then each panel."""
    for agent_id, settings in registry.agents.items():
        yield agent_id, settings.title, settings.description
    for panel_id, panel in registry.panels.items():
        yield f"{PANEL_PREFIX}{panel_id}", panel.title or panel_id, panel.description


async def start_asked(
    request: web.Request, question: ParsedPrompt, who: Mapping[str, Any], *, at: str = "messages",
    key: str | None = None, depth: int = 0, **keys: Any,
) -> AnyRun:  # fmt: skip
    """Start a run for *question*; *who* is as `addressed` returns it, *keys* further keys of a run's body, *key* an
    idempotency key, and *depth* what the dialect itself says of who passed the question on.

    Args:
        at: Where the client's own request has the question; refusals name that place.

    Raises:
        As `parse_start` and `Supervisor.start`.
    """
    app = request.app
    if not question.text and not (question.images and question.earlier):
        raise wrong(at, "must have text: the last message of the user's has none")
    body = {
        "message": question.message,
        **{name: value for name, value in keys.items() if value is not None},
        **who,  # over what the dialect's users expect stands what this one says
    }
    if question.images:
        body["images"] = question.images
    depth = max(depth, read_depth(request))
    try:
        wanted = await read_start(body, app[READER], registry=app[REGISTRY], limits=app[OPTIONS])
    except InvalidRequest as exc:
        raise fields_wrong([_as_asked(each, at) for each in exc.fields]) from exc
    except ProblemError as exc:
        problem = exc.problem
        errors = [_as_asked(each, at) for each in problem.errors]
        raise ProblemError(problem.status, problem.detail, errors=errors, headers=problem.headers) from exc
    wanted = replace(wanted, depth=depth)
    run, _ = await app[SUPERVISOR].start(wanted, key=key, traceparent=read_traceparent(request))
    return run
