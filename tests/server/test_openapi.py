"""Covers `orchestrator/server/openapi/operation.py`, `schemas.py`, `docs.py` and `docspage.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import web
from schemathesis.specs.openapi.definitions import OPENAPI_31

from orchestrator import events
from orchestrator.config import load_config
from orchestrator.server.app import create_app
from orchestrator.server.http.guards.security import SecuritySettings, setup_security
from orchestrator.server.http.problem import setup_problems
from orchestrator.server.openapi.operation import (
    EVENT_STREAM,
    SNAPSHOT,
    STREAM,
    STREAM_PARAMETERS,
    ResponseDoc,
    asset,
    build_openapi,
    missing_operations,
    operation,
)
from orchestrator.server.openapi.schemas import component_schemas
from orchestrator.server.options import ServerOptions
from orchestrator.server.routes.docs import ApiDocs, render_docs
from tests.support.probe import Listen, fetch

LIMITS = ServerOptions()
AGENTS_CONFIG = Path(__file__).parents[2] / "agents_config"

PROTOCOL_CALLS = {
    "GET /",
    "GET /v1/agents",
    "POST /v1/runs",
    "GET /v1/runs",
    "GET /v1/runs/{run_id}",
    "DELETE /v1/runs/{run_id}",
    "DELETE /v1/conversations/{conversation_id}",
    "GET /v1/runs/{run_id}/events",
    "POST /v1/runs/{run_id}/cancel",
    "POST /v1/runs/{run_id}/agents",
    "POST /v1/runs/{run_id}/agents/{agent_id}/cancel",
    "POST /v1/runs/{run_id}/agents/{agent_id}/retry",
    "POST /v1/runs/{run_id}/agents/{agent_id}/approvals/{call_id}",
    "GET /v1/channels/{channel}/events",
    "GET /v1/ws",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/",
    "GET /docs/{page}",
    "GET /v1/panels",
    "POST /v1/runs/{run_id}/panel",
    "POST /v1/runs/{run_id}/vote",
    "DELETE /v1/runs/{run_id}/vote",
    "GET /v1/scores",
    "GET /v1/scores.csv",
    "GET /v1/scores/pairs",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "POST /v1/responses",
    "GET /v1/responses/{response_id}",
    "POST /v1/responses/{response_id}/cancel",
    "POST /v1/chat/completions",
    "POST /v1/ai-sdk/chat",
    "GET /v1/ai-sdk/chat/{chat_id}/stream",
    "POST /v1/ai-sdk/chat/{chat_id}/stop",
    "POST /v1/mcp",
    "GET /v1/mcp",
    "POST /v1/ag-ui",
    "GET /.well-known/agent-card.json",
    "GET /v1/a2a/{model}/.well-known/agent-card.json",
    "POST /v1/a2a/{model}",
    "POST /v1/a2a/{model}/message:send",
    "POST /v1/a2a/{model}/message:stream",
    "GET /v1/a2a/{model}/tasks",
    "GET /v1/a2a/{model}/tasks/{task_id}",
    "POST /v1/a2a/{model}/tasks/{task_id}:cancel",
    "POST /v1/a2a/{model}/tasks/{task_id}:subscribe",
    "POST /v1/ag-ui/{model}",
    "POST /v1/ag-ui/runs/{run_id}/cancel",
}
"""The protocol's table of calls."""


def build(app: web.Application) -> dict[str, Any]:
    return build_openapi(app.router.routes(), limits=LIMITS, version="1.2.3")


def calls(document: dict[str, Any]) -> set[str]:
    return {f"{method.upper()} {path}" for path, said in document["paths"].items() for method in said}


def references(value: Any) -> Iterator[str]:
    """Yield every `$ref`, and what discriminators point at."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" or (isinstance(inner, str) and inner.startswith("#/")):
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def check_document(document: dict[str, Any]) -> None:
    """Fail unless *document* is valid OpenAPI 3.1, its schemas are valid, and all it points at is there."""
    jsonschema.Draft202012Validator(OPENAPI_31).validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for ref in references(document):
        found: Any = document
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]
    ids = [said["operationId"] for path in document["paths"].values() for said in path.values()]
    assert len(ids) == len(set(ids))
    for path, methods in document["paths"].items():
        for said in methods.values():
            named = {p["name"] for p in said.get("parameters", ()) if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))


# ── the server's own document ─────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def server() -> web.Application:
    return create_app(load_config(AGENTS_CONFIG, {}))


def test_every_route_of_the_server_is_described(server: web.Application) -> None:
    assert missing_operations(server.router.routes()) == []


def test_the_document_is_the_protocols_table(server: web.Application) -> None:
    assert calls(build(server)) == PROTOCOL_CALLS


def test_the_servers_document_is_valid(server: web.Application) -> None:
    check_document(build(server))


def test_a_stream_cannot_be_opened_with_head(server: web.Application) -> None:
    """aiohttp puts a HEAD beside each GET; on a stream it would run for ever and say nothing."""
    heads = {r.resource.canonical for r in server.router.routes() if r.method == "HEAD" and r.resource}
    assert not {path for path in heads if path.endswith(("/events", "/ws"))}


# ── making a document ─────────────────────────────────────────────────────────────────────────


def small_app() -> web.Application:
    @operation("Start", answers={200: STREAM, 201: SNAPSHOT}, body="StartRequest", errors=(429,))
    async def start(request: web.Request) -> web.StreamResponse:
        return web.Response()

    @operation(
        "Follow `it`", answers={200: STREAM}, parameters=STREAM_PARAMETERS, errors=(404,), tag="streams"
    )
    async def follow(request: web.Request) -> web.StreamResponse:
        return web.Response()

    @operation("<script>alert(1)</script>", answers={200: (SNAPSHOT, STREAM)}, tag="server")
    async def health(request: web.Request) -> web.StreamResponse:
        return web.Response()

    @asset
    async def style(request: web.Request) -> web.StreamResponse:
        return web.Response()

    async def forgotten(request: web.Request) -> web.StreamResponse:
        return web.Response()

    app = web.Application()
    setup_problems(app)
    setup_security(app, SecuritySettings())
    app.router.add_post("/v1/runs", start)
    app.router.add_get(r"/v1/runs/{run_id:run_\w+}/events", follow)
    app.router.add_get("/healthz", health)
    app.router.add_get("/style.css", style)
    app.router.add_get("/forgotten", forgotten)
    app.router.add_static("/assets", Path(__file__).parent)
    app.add_routes(ApiDocs(LIMITS).routes())
    return app


def test_routes_that_nobody_described_are_named() -> None:
    """Assets that say so, static folders and aiohttp's own HEAD routes need no description."""
    assert missing_operations(small_app().router.routes()) == ["GET /forgotten"]


def test_what_was_said_becomes_a_valid_document() -> None:
    document = build(small_app())
    check_document(document)
    assert calls(document) == {
        "POST /v1/runs",
        "GET /v1/runs/{run_id}/events",
        "GET /healthz",
        "GET /openapi.json",
        "GET /docs",
    }
    assert document["info"]["version"] == "1.2.3"


def test_failures_that_follow_by_themselves_need_not_be_said() -> None:
    paths = build(small_app())["paths"]
    assert {"200", "201", "400", "401", "403", "408", "413", "415", "422", "429", "500"} == set(
        paths["/v1/runs"]["post"]["responses"]
    )
    assert set(paths["/v1/runs/{run_id}/events"]["get"]["responses"]) == {"200", "401", "403", "404", "500"}
    assert set(paths["/healthz"]["get"]["responses"]) == {"200", "500"}


def test_only_calls_below_v1_ask_for_the_token() -> None:
    paths = build(small_app())["paths"]
    assert paths["/v1/runs"]["post"]["security"] == [{"token": []}, {}]
    assert "security" not in paths["/healthz"]["get"]


def test_a_path_loses_its_pattern_and_gains_its_parameters() -> None:
    said = build(small_app())["paths"]["/v1/runs/{run_id}/events"]["get"]
    named = [(parameter["name"], parameter["in"]) for parameter in said["parameters"]]
    assert named == [
        ("run_id", "path"),
        ("Last-Event-ID", "header"),
        ("last_event_id", "query"),
        ("agents", "query"),
        ("framing", "query"),
    ]


def test_answers_of_one_status_are_merged() -> None:
    response = build(small_app())["paths"]["/healthz"]["get"]["responses"]["200"]
    assert set(response["content"]) == {"application/json", EVENT_STREAM}


def test_a_method_of_an_object_can_be_described() -> None:
    class Handlers:
        @operation("Look", answers={200: ResponseDoc("Fine.")}, tag="server")
        async def look(self, request: web.Request) -> web.StreamResponse:
            return web.Response()

    app = web.Application()
    app.router.add_get("/look", Handlers().look)
    assert build(app)["paths"]["/look"]["get"]["operationId"] == "look"


# ── the schemas are those of the real thing ───────────────────────────────────────────────────

AGENT_METRICS = events.AgentMetrics(
    queue_ms=1, ttft_ms=None, duration_ms=2, output_chars=3, tokens_per_s=None, retries=0
)
RUN_METRICS = events.RunMetrics(
    duration_ms=1, output_chars=2, input_tokens=None, output_tokens=None, retries=0
)
INFO = events.AgentInfo("a", "A", "offline", None)
SAMPLES: list[tuple[str | None, events.Payload]] = [
    ("a", events.Started(1)),
    ("a", events.Status("thinking")),
    ("a", events.Token("x", speaker="b")),
    ("a", events.Reasoning("x")),
    ("a", events.ToolCall("c", "n", "{}")),
    ("a", events.ToolResult("c", "o", False)),
    ("a", events.Handoff("b")),
    ("a", events.ApprovalRequest("c", "n", "{}")),
    ("a", events.Approval("c", True, "fine", "ann")),
    ("a", events.Progress("l", fraction=0)),
    ("a", events.Data("n", None)),
    ("a", events.Source("s", document="d")),
    ("a", events.File("f", "n", "text/plain", "https://example.org/n")),
    ("a", events.Retry(2, 0.5, "upstream_unavailable")),
    ("a", events.Done("x", None, "stop", AGENT_METRICS, 1)),
    ("a", events.Error("internal", "m", "e", False, AGENT_METRICS, 1)),
    ("a", events.Cancelled("requested", AGENT_METRICS, 1)),
    (None, events.RunStarted("run_1", "ch", [INFO])),
    (None, events.AgentAdded(INFO)),
    (None, events.RunDone("completed", {"a": events.AgentOutcome("done", 1)}, RUN_METRICS)),
    (None, events.RunGap("trimmed", "e-1", None, "e-9")),
]


def validator(name: str) -> jsonschema.Draft202012Validator:
    schemas = component_schemas(LIMITS)
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    )


def test_the_samples_are_all_events() -> None:
    known = {*events.AGENT_PAYLOADS.values(), *events.RUN_PAYLOADS.values()}
    assert {type(payload) for _, payload in SAMPLES} == known


@pytest.mark.parametrize(("agent_id", "payload"), SAMPLES, ids=lambda value: type(value).__name__)
def test_encoded_events_fit_their_schema(agent_id: str | None, payload: events.Payload) -> None:
    """What goes over the wire is what the document says, and with a field less it is not."""
    data = json.loads(events.encode_data(agent_id, payload, 5))
    own = validator(f"{type(payload).__name__}Event")
    own.validate(data)
    validator("Event").validate(data)
    for key in ("type", "t", *(("agent_id",) if agent_id else ())):
        assert not own.is_valid({name: value for name, value in data.items() if name != key})


def test_an_encoded_snapshot_fits_its_schemas() -> None:
    agent = events.AgentSnapshot("done", 1, "x", None, AGENT_METRICS, events.Usage(1, 2))
    snapshot = events.Snapshot("run_1", "ch", None, "hi", "completed", 1, 2, "e-1", {"a": agent})
    validator("Snapshot").validate(json.loads(events.encode_json(snapshot)))
    validator("Event").validate(json.loads(events.encode_snapshot(snapshot, 3)))


async def test_a_problem_fits_its_schema(listen: Listen) -> None:
    client = await listen(small_app())
    answer = await fetch(client, "GET", "/nothing")
    validator("ProblemDocument").validate(answer.problem)


@pytest.mark.parametrize(
    ("message", "valid"),
    [
        ({"op": "start", "ref": 1, "message": "hi", "agents": ["a"]}, True),
        ({"op": "start"}, False),
        ({"op": "attach", "run_id": "run_1", "after": None, "agents": ["a"]}, True),
        ({"op": "attach", "channel": "tab", "after": "e-1", "agents": ["a"], "runs": ["run_1"]}, True),
        ({"op": "attach", "channel": "tab", "agents": "a"}, False),
        ({"op": "detach", "channel": "tab"}, True),
        ({"op": "cancel", "run_id": "run_1", "agent_id": "a"}, True),
        ({"op": "detach"}, False),
        ({"op": "other", "run_id": "run_1"}, False),
    ],
)
def test_the_sockets_operations_have_a_schema(message: dict[str, Any], valid: bool) -> None:
    assert validator("SocketOperation").is_valid(message) is valid


# ── the page ──────────────────────────────────────────────────────────────────────────────────


class Page(HTMLParser):
    """What a page has: ids, links within it, and what a strict CSP would refuse."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self.loaded: list[str] = []
        self.refused: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        href = given.get("href", "")
        if href.startswith("#"):
            self.targets.add(href[1:])
        if tag == "link":
            self.loaded.append(href)
        if tag in ("script", "style") or "style" in given or any(name.startswith("on") for name in given):
            self.refused.append(tag)


def test_the_page_has_what_it_links_to_and_nothing_that_its_policy_refuses() -> None:
    page = Page(render_docs(build(small_app())))
    assert page.targets <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert page.refused == []
    assert page.loaded == ["data:,", "docs.css"]
    assert {"start", "follow", "health", "events", "schema-TokenEvent", "schema-StartRequest"} <= set(
        page.ids
    )


def test_the_page_escapes_what_the_document_says() -> None:
    text = render_docs(build(small_app()))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "Follow <code>it</code>" in text


async def test_page_style_and_document_are_served(listen: Listen) -> None:
    app = small_app()
    client = await listen(app)
    page = await fetch(client, "GET", "/docs")
    style = await fetch(client, "GET", "/docs.css")
    document = await fetch(client, "GET", "/openapi.json")
    assert (page.status, page.content_type) == (200, "text/html")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert b"run.started" in page.body
    assert (style.status, style.content_type) == (200, "text/css")
    assert (document.status, document.content_type) == (200, "application/json")
    assert document.json["paths"].keys() == build(app)["paths"].keys()
