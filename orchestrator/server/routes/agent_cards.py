"""The A2A agent cards: of the service, of each agent, mix and panel."""

from __future__ import annotations

from aiohttp import web

from ..app_keys import REGISTRY
from ..http.dialects.a2a_tasks import VERSION, a2a_error
from ..http.dialects.prompt import addressed, models
from ..http.guards.proxies import SCHEME, outside
from ..http.json_response import json_response
from ..http.problem import refuses_as
from ..openapi.operation import ResponseDoc, operation

CARD = ".well-known/agent-card.json"

routes = web.RouteTableDef()


@routes.get(f"/{CARD}")
@refuses_as(a2a_error)
@operation(
    "The service's A2A agent card", tag="a2a", answers={200: ResponseDoc("The card.", {"type": "object"})}
)
async def show_card(request: web.Request) -> web.StreamResponse:
    return _card(request, "default", "Orchestrator", "Several agents answer at once.")


@routes.get("/v1/a2a/{model}/" + CARD)
@refuses_as(a2a_error)
@operation(
    "A model's A2A agent card",
    tag="a2a",
    answers={200: ResponseDoc("The card.", {"type": "object"})},
    errors=(404,),
)
async def show_model_card(request: web.Request) -> web.StreamResponse:
    model = request.match_info["model"]
    addressed(request.app[REGISTRY], model, {})
    found = {name: (title, about) for name, title, about in models(request.app[REGISTRY])}
    title, about = found.get(model, (model, ""))
    return _card(request, model, title, about)


def _card(request: web.Request, model: str, title: str, about: str) -> web.Response:
    url = f"{request[SCHEME]}://{request.host}{outside(request, f'/v1/a2a/{model}')}"
    skills = [
        {
            "id": name,
            "name": each,
            "description": words or each,
            "tags": ["panel" if ":" in name else "agent"],
        }
        for name, each, words in models(request.app[REGISTRY])
        if model in ("default", name) or name in model.split("+")
    ]
    return json_response(
        {
            "name": title,
            "description": about or title,
            "version": VERSION,
            "capabilities": {"streaming": True},
            "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": skills,
            "supportedInterfaces": [
                {"url": url, "protocolBinding": binding, "protocolVersion": VERSION}
                for binding in ("JSONRPC", "HTTP+JSON")
            ],
        }
    )
