"""Serves the web page and what it loads: `/` and `/web/…`. Owns neither markup nor scripts.

Everything is read from the package once, kept compressed, and answered with an `ETag`. A request can name only
files that were found there, so no path leads out of the folder. `/` is the page as `tests/web/bundle.js` made it
of `web/page`; the sources and the JavaScript client are served beside it as they are. Addresses that modules had
before they moved (`web/moved.json`) go on working: each hands on to where the module is now.
"""

from __future__ import annotations

import asyncio
import json
import posixpath
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NotRequired, TypedDict

from aiohttp import hdrs, web

from ...errors import NotFound
from ..http.compression import ENCODINGS, Encoding, choose_encoding, pack
from ..openapi.operation import ResponseDoc, asset, operation

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # Markup is made by DOMPurify or not at all; `default` lets the client name its own SharedWorker.
    "require-trusted-types-for 'script'; trusted-types dompurify default"
)
"""What the page itself may do, narrower than what the server says of every answer."""

CACHING = "no-cache"
"""Browsers keep every file, but ask each time by its `ETag` whether it is the newest: then a new version of the
package is a new page at once, and an unchanged file costs a 304 without a body."""

_NOT_SERVED = frozenset({"types", "node_modules", "package.json", "package-lock.json"})


class Moved(TypedDict):
    """The present place of a module of a former address, and what of it had another name: before → today."""

    to: str
    names: NotRequired[dict[str, str]]


class WebFile:
    """One file of the page in every coding that it is answered in."""

    def __init__(self, path: str, body: bytes, content_type: str | None = None) -> None:
        self.content_type = content_type or TYPES[_ending(path)]
        self.etag = sha256(body).hexdigest()[:32]
        self.bodies: dict[Encoding | None, bytes] = {None: body}
        self.bodies.update((encoding, pack(body, encoding)) for encoding in ENCODINGS)


class Pages:
    """The page's routes.

    All files are read at the first request, so that a package that is replaced below a running server never mixes
    two pages; each is compressed at the first request for it.
    """

    def __init__(self, folder: Traversable | None = None) -> None:
        self._folder = folder or files("orchestrator") / "web"
        self._found: dict[str, bytes] | None = None
        self._packed: dict[str, WebFile] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self.show_web_page), web.get("/web/{path:.+}", self.show_web_file)]

    @operation("The web page", tag="server", answers={200: ResponseDoc("The page.", media="text/html")})
    async def show_web_page(self, request: web.Request) -> web.StreamResponse:
        return answer_file(
            request, await self._file("bundle/index.html"), {"Content-Security-Policy": PAGE_POLICY}
        )

    @asset
    async def show_web_file(self, request: web.Request) -> web.StreamResponse:
        return answer_file(request, await self._file(request.match_info["path"]))

    async def _file(self, path: str) -> WebFile:
        """Return a file by its path below the folder.

        Raises:
            NotFound: It is none of the page's.
        """
        if path not in self._packed:
            self._packed[path] = await asyncio.to_thread(self._load, path)
        return self._packed[path]

    def _load(self, path: str) -> WebFile:
        if self._found is None:
            found = {name: file.read_bytes() for name, file in _walk(self._folder)}
            self._found = {**_former_addresses(found), **found}
        if path not in self._found:
            raise NotFound(f"There is no file {path[:80]!r}.")
        return WebFile(path, self._found[path])


@asset
async def redirect_below(request: web.Request) -> web.StreamResponse:
    """Lead from `/chat` to `/chat/`: what the page loads is named relative to its address."""
    raise web.HTTPPermanentRedirect(f"{request.rel_url.raw_path}/")


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.name in _NOT_SERVED or entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif _ending(entry.name) in TYPES:
            yield prefix + entry.name, entry


def _former_addresses(found: dict[str, bytes]) -> dict[str, bytes]:
    """Return a module for each address that a module had before.

    It hands on what the module of today exports, so that a page that imports both addresses gets one and the same.
    """
    moved: dict[str, Moved] = json.loads(found.get("moved.json", b"{}"))
    return {path: _hand_on(path, row).encode() for path, row in moved.items()}


def _hand_on(path: str, row: Moved) -> str:
    target = f"./{posixpath.relpath(row['to'], posixpath.dirname(path) or '.')}"
    names = row.get("names", {}).items()
    return "\n".join(
        [
            f"export * from {target!r};",
            *(f"export {{ {today} as {before} }} from {target!r};" for before, today in names),
            "",
        ]
    )


def _ending(name: str) -> str:
    return f".{name.rpartition('.')[2]}"


def answer_file(request: web.Request, file: WebFile, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with *file* in the coding that the client likes best, or with 304 if it has that already."""
    encoding = choose_encoding(request.headers.get(hdrs.ACCEPT_ENCODING))
    etag = f"{file.etag}-{encoding or 'plain'}"
    headers = {
        "Cache-Control": CACHING,
        "Vary": "Accept-Encoding",
        "ETag": f'"{etag}"',
        **(headers or {}),
    }
    if any(known.value in (etag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return web.Response(
        body=file.bodies[encoding], content_type=file.content_type, charset="utf-8", headers=headers
    )
