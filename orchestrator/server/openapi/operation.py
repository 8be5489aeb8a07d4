"""Says what each route does, beside its handler, and makes the OpenAPI document from what was said.

Owns neither handlers nor schemas. Source: OpenAPI 3.1.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TypeVar

from aiohttp import hdrs, web

from ...framing.base import dialects
from ..http.problem import PROBLEM_TYPE
from ..options import ServerOptions
from .schemas import PREFIX, Schema, component_schemas

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
_ATTRIBUTE = "__openapi_operation__"
_Handler = TypeVar("_Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter or request header."""

    name: str
    place: Literal["query", "header", "path"]
    description: str
    schema: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(
        default_factory=lambda: {"type": "string"}
    )
    """What it may be; a callable says it when the document is made."""

    def document(self) -> Schema:
        schema = self.schema() if callable(self.schema) else self.schema
        found: Schema = {
            "name": self.name,
            "in": self.place,
            "description": self.description,
            "schema": dict(schema),
        }
        return found | {"required": True} if self.place == "path" else found


@dataclass(frozen=True, slots=True)
class ResponseDoc:
    """One answer that is no failure.

    Args:
        schema: A component's name, or a schema; of one event's `data` for a stream; None for no body.
        headers: Names that `HEADERS` describes.
    """

    description: str
    schema: str | Mapping[str, Any] | None = None
    media: str = JSON
    headers: tuple[str, ...] = ()

    def document(self) -> Schema:
        found: Schema = {"description": self.description}
        if self.headers:
            found["headers"] = {name: HEADERS[name] for name in self.headers}
        content = self.content()
        return found | {"content": content} if content else found

    def content(self) -> Schema:
        schema = {"$ref": PREFIX + self.schema} if isinstance(self.schema, str) else self.schema
        if self.media == JSON:
            return {JSON: {"schema": dict(schema)}} if schema else {}
        # 3.1 cannot say "a sequence of these" (3.2's itemSchema can), hence the extension.
        found: Schema = {"schema": {"type": "string"} | ({"x-event-data": schema} if schema else {})}
        others = {row.framing.content_type for row in dialects()} if self.media == EVENT_STREAM else ()
        return {media: {"schema": {"type": "string"}} for media in sorted(others)} | {self.media: found}


@dataclass(frozen=True, slots=True)
class OperationDoc:
    """The description that `operation` was given."""

    summary: str
    description: str
    tag: str
    answers: Mapping[int, tuple[ResponseDoc, ...]]
    parameters: tuple[Parameter, ...] = ()
    body: str | None = None
    errors: tuple[int, ...] = ()
    hidden: bool = False


HEADERS: dict[str, Schema] = {
    "Location": {"description": "The run's address.", "schema": {"type": "string"}},
    "Run-Id": {"description": "The run's id.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "Which credentials are asked for.", "schema": {"type": "string"}},
}
PATH_PARAMETERS = {
    "run_id": "The run's id.",
    "agent_id": "The agent's id.",
    "call_id": "The `call_id` of the `approval_request`.",
    "channel": "The channel's name.",
    "page": "The page's name, such as `protocol`.",
    "model": "An agent's id, several joined by `+`, `panel:<id>`, or `default`.",
    "response_id": "The response's id: `resp_` and the random part of its run's.",
    "chat_id": "The chat's id, as the client chose it.",
    "task_id": "The task's id, which is its run's.",
}
LAST_EVENT_ID = Parameter(
    "Last-Event-ID", "header", "The last event's id that was seen; the stream goes on after it."
)
LAST_EVENT_ID_QUERY = Parameter(
    "last_event_id", "query", "The same, for who can set no header; the header wins."
)


def _framings(*, of_channels: bool) -> Schema:
    """Return the schema of the query parameter `framing`, as the table of dialects has them by now."""
    rows = dialects(of_channels=of_channels)
    said = "; ".join(f"`{row.name}`: {row.description}" for row in rows)
    return {"enum": [row.name for row in rows], "default": rows[0].name, "description": said}


FRAMING = Parameter("framing", "query", "In which dialect.", partial(_framings, of_channels=False))
CHANNEL_FRAMING = Parameter("framing", "query", "In which dialect.", partial(_framings, of_channels=True))
AGENTS_FILTER = Parameter(
    "agents", "query", "Only these agents' events, and all of `run.*`: ids joined by commas."
)
RUNS_FILTER = Parameter("runs", "query", "Only these runs' events: ids joined by commas.")
STREAM_PARAMETERS = (LAST_EVENT_ID, LAST_EVENT_ID_QUERY, AGENTS_FILTER, FRAMING)
CHANNEL_PARAMETERS = (LAST_EVENT_ID, LAST_EVENT_ID_QUERY, AGENTS_FILTER, CHANNEL_FRAMING, RUNS_FILTER)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "A repeated request with this key returns the run that the first one started.",
    {"type": "string", "minLength": 1, "maxLength": 200},
)
DEPTH = Parameter(
    "Orchestrator-Depth",
    "header",
    "How many instances of this service have passed the question on.",
    {"type": "integer", "minimum": 0, "maximum": 4},
)

SNAPSHOT = ResponseDoc("The run as it stands.", "Snapshot")
STREAM = ResponseDoc("Server-Sent Events, each `data` one line of JSON.", "Event", EVENT_STREAM, ("Run-Id",))

_PROBLEMS = {
    400: "Malformed JSON, query or Host.",
    401: "The token is missing or wrong.",
    403: "The Host or the page's Origin is foreign.",
    404: "Nothing has that name.",
    408: "The body did not come in time.",
    409: "The state forbids it now.",
    410: "It was deleted or has expired.",
    413: "The body or the message is too long.",
    415: "The body is not JSON.",
    422: "Fields are wrong; `errors` names them.",
    426: "This address speaks WebSocket only.",
    429: "A limit is reached.",
    500: "The server failed; `error_id` finds it in the log.",
    503: "Starting, draining, or without the log.",
}
_BODY_ERRORS = (400, 408, 413, 415, 422)
_V1_ERRORS = (401, 403)
_PROBLEM_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}


def operation(
    summary: str,
    *,
    answers: Mapping[int, ResponseDoc | tuple[ResponseDoc, ...]],
    tag: str = "runs",
    description: str = "",
    parameters: Iterable[Parameter] = (),
    body: str | None = None,
    errors: Iterable[int] = (),
    hidden: bool = False,
) -> Callable[[_Handler], _Handler]:
    """Say what the decorated handler does.

    Args:
        answers: By status; several of one status differ in their media types.
        body: The request's schema, by its component's name.
        errors: Statuses beyond those that follow by themselves: 401 and 403 below `/v1`, those of
            a body if there is one, and 500.
        hidden: Leave it out of the document: an asset, not a part of the API.
    """
    several = {status: given if isinstance(given, tuple) else (given,) for status, given in answers.items()}
    found = OperationDoc(summary, description, tag, several, tuple(parameters), body, tuple(errors), hidden)

    def decorate(handler: _Handler) -> _Handler:
        setattr(handler, _ATTRIBUTE, found)
        return handler

    return decorate


asset = operation("An asset of the page.", answers={200: ResponseDoc("The file.", media="*/*")}, hidden=True)
"""Marks a handler that is no part of the API."""


def operation_of(handler: object) -> OperationDoc | None:
    """Return what was said of *handler*."""
    found = getattr(handler, _ATTRIBUTE, None)
    return found if isinstance(found, OperationDoc) else None


def build_openapi(routes: Iterable[web.AbstractRoute], *, limits: ServerOptions, version: str) -> Schema:
    """Return the document for *routes*, as `app.router.routes()` gives them.

    Those of which nothing was said are left out; `missing_operations` names them.
    """
    paths: dict[str, Schema] = {}
    for method, path, handler in _listed(routes):
        said = operation_of(handler)
        if said is not None and not said.hidden:
            paths.setdefault(path, {})[method.lower()] = _document(said, path, handler)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Orchestrator",
            "version": version,
            "summary": _SUMMARY,
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": component_schemas(limits),
            "responses": {_problem_name(status): _problem(status) for status in _PROBLEMS},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": _CREDENTIALS_NOTE}
            },
        },
    }


def missing_operations(routes: Iterable[web.AbstractRoute]) -> list[str]:
    """Name the routes that nobody said anything about, as ``"GET /v1/agents"``."""
    return [f"{method} {path}" for method, path, handler in _listed(routes) if operation_of(handler) is None]


def _listed(routes: Iterable[web.AbstractRoute]) -> Iterator[tuple[str, str, Any]]:
    """Yield method, path and handler of each route that somebody wrote.

    So no static folder, and no HEAD that aiohttp put beside a GET.
    """
    found = [
        route for route in routes if route.resource and not isinstance(route.resource, web.StaticResource)
    ]
    gets = {(route.resource, route.handler) for route in found if route.method == hdrs.METH_GET}
    for route in found:
        if route.method == hdrs.METH_HEAD and (route.resource, route.handler) in gets:
            continue
        if route.resource is not None:
            yield route.method, route.resource.canonical, route.handler


def _document(said: OperationDoc, path: str, handler: Any) -> Schema:
    under_v1 = path.startswith("/v1/")
    named = [Parameter(name, "path", PATH_PARAMETERS.get(name, "")) for name in re.findall(r"{(\w+)}", path)]
    parameters = [parameter.document() for parameter in (*named, *said.parameters)]
    errors = {*said.errors, 500, *(_BODY_ERRORS if said.body else ()), *(_V1_ERRORS if under_v1 else ())}
    answers = {str(status): _merge(given) for status, given in said.answers.items()}
    problems = {
        str(status): {"$ref": f"#/components/responses/{_problem_name(status)}"} for status in sorted(errors)
    }
    return {
        "operationId": handler.__name__,
        "tags": [said.tag],
        "summary": said.summary,
        **({"description": said.description} if said.description else {}),
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": _body(said.body)} if said.body else {}),
        "responses": answers | problems,
        **({"security": [{"token": []}, {}]} if under_v1 else {}),
    }


def _body(name: str) -> Schema:
    return {"required": True, "content": {JSON: {"schema": {"$ref": PREFIX + name}}}}


def _merge(answers: tuple[ResponseDoc, ...]) -> Schema:
    """Return one response for several answers of one status."""
    first = replace(answers[0], description=" Or: ".join(answer.description for answer in answers))
    found = first.document()
    content = {media: schema for answer in answers for media, schema in answer.content().items()}
    return found | {"content": content} if content else found


def _problem_name(status: int) -> str:
    return f"Problem{status}"


def _problem(status: int) -> Schema:
    headers = _PROBLEM_HEADERS.get(status, ())
    answer = ResponseDoc(_PROBLEMS[status], "ProblemDocument", headers=headers).document()
    return answer | {"content": {PROBLEM_TYPE: {"schema": {"$ref": f"{PREFIX}ProblemDocument"}}}}


TAGS = {
    "runs": "One message, fanned out to several agents.",
    "agents": "Who can be asked, and what one of them does within a run.",
    "scores": "Whose answers were found better.",
    "streams": "The events, as they happen and again later.",
    "openai": "The same for clients of OpenAI's API.",
    "ai-sdk": "The same for pages on the AI SDK.",
    "ag-ui": "The same for AG-UI clients.",
    "a2a": "The same for A2A clients.",
    "mcp": "The same for MCP clients.",
    "server": "How the server is, and what it can do.",
}
_SUMMARY = "Runs several agents at once and merges what they say into one resumable stream."
_DESCRIPTION = (
    "Start a run with `POST /v1/runs`; its events come as Server-Sent Events, or over a WebSocket. "
    "Every event has an id: a client that comes back with the last one it saw goes on from there. "
    "Failures are `application/problem+json`."
)
_CREDENTIALS_NOTE = (
    "Asked for if the server was given a token. A browser's WebSocket offers it as the subprotocol "
    "`bearer.<base64url of the token>` beside `orchestrator.v1`."
)
