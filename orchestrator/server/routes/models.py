"""OpenAI's list of models: each agent and each panel is one."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ..app_keys import REGISTRY
from ..http.dialects.openai_error import openai_error
from ..http.dialects.prompt import addressed, models
from ..http.json_response import json_response
from ..http.problem import refuses_as
from ..openapi.operation import ResponseDoc, operation

_ANY = {"type": "object"}

routes = web.RouteTableDef()


@routes.get("/v1/models")
@refuses_as(openai_error)
@operation(
    "List the models, as OpenAI does", tag="openai", answers={200: ResponseDoc("Agents and panels.", _ANY)}
)
async def list_models(request: web.Request) -> web.StreamResponse:
    found = [_model(name) for name, _, _ in models(request.app[REGISTRY])]
    return json_response({"object": "list", "data": found})


@routes.get("/v1/models/{model}")
@refuses_as(openai_error)
@operation("Show a model", tag="openai", answers={200: ResponseDoc("The model.", _ANY)}, errors=(404,))
async def show_model(request: web.Request) -> web.StreamResponse:
    name = request.match_info["model"]
    addressed(request.app[REGISTRY], name, {})
    return json_response(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "orchestrator"}
