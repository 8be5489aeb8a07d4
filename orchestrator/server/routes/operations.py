"""The routes for operators: liveness, readiness, metrics."""

from __future__ import annotations

from aiohttp import web

from ..app_keys import METRICS, REGISTRY, SIBLINGS, SUPERVISOR
from ..http.json_response import json_response
from ..http.problem import problem_response
from ..openapi.operation import ResponseDoc, operation
from ..sibling_metrics import ALONE

routes = web.RouteTableDef()


@routes.get("/healthz")
@operation("Liveness", tag="server", answers={200: ResponseDoc("The process answers.", {"type": "object"})})
async def health(request: web.Request) -> web.StreamResponse:
    return json_response({"status": "ok"})


@routes.get("/readyz")
@operation(
    "Readiness",
    tag="server",
    answers={200: ResponseDoc("Runs can be started.", {"type": "object"})},
    errors=(503,),
)
async def readiness(request: web.Request) -> web.StreamResponse:
    if request.app[SUPERVISOR].draining:
        return problem_response(503, "The server is draining.", headers={"Retry-After": "5"})
    if not request.app[SUPERVISOR].log.available:
        return problem_response(503, "The event log does not answer.", headers={"Retry-After": "1"})
    if not request.app[REGISTRY].ready:
        return problem_response(503, "The agents are still loading.", headers={"Retry-After": "1"})
    return json_response({"status": "ready"})


@routes.get("/metrics")
@operation(
    "Metrics for Prometheus", tag="server", answers={200: ResponseDoc("The exposition.", media="text/plain")}
)
async def metrics(request: web.Request) -> web.StreamResponse:
    siblings = request.app.get(SIBLINGS)
    if siblings is not None and ALONE not in request.query:
        # One scrape reaches one of the workers behind the socket; it answers for all.
        own, content_type = request.app[METRICS].render()
        body = await siblings.render(own)
    else:
        body, content_type = request.app[METRICS].render(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
