"""What operators and newcomers look at: the page, liveness, readiness, metrics, the API's description."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from ..errors import NotFound
from .keys import METRICS, ROSTER, SUPERVISOR
from .openapi import Answer, asset, operation
from .problem import problem_response
from .runs import json_response

routes = web.RouteTableDef()

_WEB = files("orchestrator") / "web"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@routes.get("/")
@operation("The web page", tag="server", answers={200: Answer("The page.", media="text/html")})
async def page(request: web.Request) -> web.StreamResponse:
    return _web_file("index.html")


@routes.get("/web/{name:[a-z0-9_-]+[.](?:js|css|svg)}")
@asset
async def page_file(request: web.Request) -> web.StreamResponse:
    return _web_file(request.match_info["name"])


@routes.get("/healthz")
@operation("Liveness", tag="server", answers={200: Answer("The process answers.", {"type": "object"})})
async def health(request: web.Request) -> web.StreamResponse:
    return json_response({"status": "ok"})


@routes.get("/readyz")
@operation(
    "Readiness",
    tag="server",
    answers={200: Answer("Runs can be started.", {"type": "object"})},
    errors=(503,),
)
async def readiness(request: web.Request) -> web.StreamResponse:
    if request.app[SUPERVISOR].draining:
        return problem_response(503, "The server is draining.", headers={"Retry-After": "5"})
    if not request.app[ROSTER].ready:
        return problem_response(503, "The agents are still loading.", headers={"Retry-After": "1"})
    return json_response({"status": "ready"})


@routes.get("/metrics")
@operation(
    "Metrics for Prometheus", tag="server", answers={200: Answer("The exposition.", media="text/plain")}
)
async def metrics(request: web.Request) -> web.StreamResponse:
    body, content_type = request.app[METRICS].render(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


def _web_file(name: str) -> web.Response:
    file = _WEB / name
    if not file.is_file():
        raise NotFound(f"There is no file {name!r}.")
    kind = _TYPES[f".{name.rpartition('.')[2]}"]
    headers = {"Cache-Control": "no-cache"}
    return web.Response(body=file.read_bytes(), content_type=kind, charset="utf-8", headers=headers)
