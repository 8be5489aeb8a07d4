"""Serves `/openapi.json` and its page, `/docs` and `/docs/api`. Owns neither what they say nor the page's markup."""

from __future__ import annotations

from importlib import metadata, resources

from aiohttp import web

from ...events.encoding import encode_json
from ..http.guards.proxies import outside
from ..openapi.operation import ResponseDoc, asset, build_openapi, operation
from ..openapi.page import render_docs
from ..openapi.schemas import Schema
from ..options import ServerOptions

__all__ = ["ApiDocs", "render_docs"]

DISTRIBUTION = "fanin-orchestrator"


class ApiDocs:
    """The document and its page, made at the first request: only then are all routes known."""

    def __init__(self, limits: ServerOptions) -> None:
        self._limits = limits
        self._document: Schema | None = None

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to the application that is described."""
        return [
            web.get("/openapi.json", self.show_document),
            web.get("/docs", self.show_page),
            web.get("/docs/api", self.show_page_below),
            web.get("/docs.css", self.show_style),
        ]

    def document(self, app: web.Application) -> Schema:
        if self._document is None:
            version = _version()
            self._document = build_openapi(app.router.routes(), limits=self._limits, version=version)
        return self._document

    @operation(
        "This API as OpenAPI 3.1",
        tag="server",
        answers={200: ResponseDoc("The document.", {"type": "object"})},
    )
    async def show_document(self, request: web.Request) -> web.StreamResponse:
        document = self.document(request.app)
        if root := outside(request, ""):
            document = document | {"servers": [{"url": root}]}
        return _unchanging(encode_json(document), "application/json")

    @operation("This API as a page", tag="server", answers={200: ResponseDoc("The page.", media="text/html")})
    async def show_page(self, request: web.Request) -> web.StreamResponse:
        return _unchanging(render_docs(self.document(request.app)).encode(), "text/html")

    @asset
    async def show_page_below(self, request: web.Request) -> web.StreamResponse:
        page = render_docs(self.document(request.app), root="../")
        return _unchanging(page.encode(), "text/html")

    @asset
    async def show_style(self, request: web.Request) -> web.StreamResponse:
        style = resources.files("orchestrator.web").joinpath("docs.css").read_bytes()
        return _unchanging(style, "text/css")


def _version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0"  # run from a folder that was never installed


def _unchanging(body: bytes, content_type: str) -> web.Response:
    headers = {"Cache-Control": "no-cache"}
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
