"""The calls about panels: which there are, and another one over a run's answers."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ...errors import FieldProblem, InvalidRequest
from ...panels.settings import PanelSettings
from ..http.requests import check_pattern
from ..keys import READER, REGISTRY, SUPERVISOR
from ..openapi.operation import SNAPSHOT, ResponseDoc, operation
from .runs import json_response

routes = web.RouteTableDef()


@routes.get("/v1/panels")
@operation("List the configured panels", tag="panels", answers={200: ResponseDoc("The panels.", "PanelList")})
async def list_panels(request: web.Request) -> web.StreamResponse:
    panels = request.app[REGISTRY].panels
    return json_response({"panels": [_described(panel_id, panel) for panel_id, panel in panels.items()]})


@routes.post("/v1/runs/{run_id}/panel")
@operation(
    "Let a panel sit over a run's answers",
    tag="panels",
    description=(
        "The members are not asked again, except for reviews and further rounds. Where the run is open the panel "
        "sits in it; where it has ended, in a new run, which the snapshot and `Location` name."
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
        "Location": str(request.app.router["run"].url_for(run_id=run.spec.run_id)),
    }
    return json_response(run.snapshot(), status=202, headers=headers)


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
