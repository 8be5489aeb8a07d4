"""The calls about panels: which there are, and another one over a run's answers."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ...errors import FieldProblem, InvalidRequest
from ...panels.methods.registry import METHODS, MethodKind
from ...panels.settings import MOST_STAGES, PanelSettings
from ...references import load_attribute
from ..app_keys import READER, REGISTRY, SUPERVISOR
from ..http.guards.proxies import outside
from ..http.json_response import json_response, snapshot_response
from ..http.requests import check_pattern
from ..openapi.operation import SNAPSHOT, ResponseDoc, operation

routes = web.RouteTableDef()


@routes.get("/v1/panels")
@operation(
    "List the configured panels, and the methods that there are",
    tag="panels",
    answers={200: ResponseDoc("The panels and methods.", "PanelList")},
)
async def list_panels(request: web.Request) -> web.StreamResponse:
    registry = request.app[REGISTRY]
    return json_response(
        {
            "panels": [_described(panel_id, panel) for panel_id, panel in registry.panels.items()],
            "left_out": [
                {"panel_id": panel_id, "reason": why} for panel_id, why in registry.left_out_panels.items()
            ],
            "methods": [_described_method(name, kind) for name, kind in METHODS.items()],
        }
    )


@routes.post("/v1/runs/{run_id}/panel")
@operation(
    "Start a panel over a run's answers",
    tag="panels",
    description=(
        "The members are not asked again, except for reviews and further rounds. If the run is open the panel "
        "works in it; if it has ended, in a new run, which the snapshot and `Location` name."
    ),
    answers={202: SNAPSHOT},
    body="CallPanel",
    errors=(404, 409, 410, 429, 503),
)
async def call_panel(request: web.Request) -> web.StreamResponse:
    supervisor = request.app[SUPERVISOR]
    run_id = request.match_info["run_id"]
    await supervisor.get(run_id)
    body = await request.app[READER].read(request)
    wanted = _wanted(body)
    await check_pattern(wanted)
    run = await supervisor.start_panel(run_id, wanted)
    headers = {
        "Run-Id": run.spec.run_id,
        "Location": outside(request, str(request.app.router["run"].url_for(run_id=run.spec.run_id))),
    }
    return await snapshot_response(request, run.snapshot(), status=202, headers=headers)


def _wanted(body: dict[str, Any]) -> object:
    if "panel" in body:
        unknown = [key[:80] for key in body if key != "panel"][:20]
        if unknown:
            raise InvalidRequest(
                "The body has keys that are unknown.",
                [FieldProblem(key, "is unknown; the only key is panel") for key in unknown],
            )
        return body["panel"]
    if "method" in body:
        return body
    raise InvalidRequest(
        'The body must be {"panel": …} with a panel\'s id, or an object with `method`.',
        [FieldProblem("panel", "is required")],
    )


def _described(panel_id: str, panel: PanelSettings) -> dict[str, Any]:
    moderator = panel.moderator
    return {
        "panel_id": panel_id,
        "title": panel.title or panel_id,
        "description": panel.description,
        "method": panel.method,
        "members": list(panel.answering),
        "moderator": moderator.agent if moderator else None,
        "fallback": list(moderator.fallback) if moderator else [],
        "start_when": panel.start_when.model_dump(mode="json"),
        "revise": panel.revise,
    }


def _described_method(name: str, kind: MethodKind) -> dict[str, Any]:
    return {
        "method": name,
        "title": kind.title or name.capitalize(),
        "description": kind.description,
        "moderator": kind.moderator,
        "least_members": kind.least_members,
        "asks_again": kind.asks_again,
        "over_answers": kind.over_answers,
        "keys": [_described_key(key, kind) for key in kind.keys],
    }


def _described_key(key: str, kind: MethodKind) -> dict[str, Any]:
    default = PanelSettings.model_fields[key].default
    if isinstance(default, int):
        return {"name": key, "type": "integer", "default": default, "minimum": 1, "maximum": MOST_STAGES}
    if key == "prompt" and kind.prompt:
        default = load_attribute(kind.prompt)
    return {"name": key, "type": "text", "default": default}
