"""Answers with JSON: in one go, or, if they may be large, made and sent piece by piece, so that nobody else waits.

A large answer is never in memory as a whole, whatever its reader does. Owns no route.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import hdrs, web

from ...events.encoding import encode_json
from ...events.json_chunks import is_large, json_pieces
from ...events.snapshot import Snapshot
from ..app_keys import STREAMS

JSON = "application/json"


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON that no cache keeps."""
    return _response(encode_json(value), status, headers or {})


async def snapshot_response(
    request: web.Request, snapshot: Snapshot, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Answer with a run as it stands."""
    if is_large(snapshot):
        return await send_json(request, snapshot, status=status, headers=headers)
    return json_response(snapshot, status=status, headers=headers)


async def send_json(
    request: web.Request,
    value: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    depth: int = 4,
) -> web.StreamResponse:
    """Answer with *value*, which nobody changes any more, piece by piece if it is longer than a piece.

    Args:
        depth: As `json_pieces` has it.
    """
    pieces = json_pieces(value, depth)
    begin, more = next(pieces), next(pieces, None)
    if more is None:
        return _response(begin, status, headers or {})
    response = web.StreamResponse(status=status, headers={"Cache-Control": "no-store", **(headers or {})})
    response.content_type = JSON
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        await response.write(begin)
        await response.write(more)
        share = request.app[STREAMS].share
        for piece in pieces:
            await share.take()
            await response.write(piece)
    await response.write_eof()
    return response


def _response(body: bytes, status: int, headers: Mapping[str, str]) -> web.Response:
    headers = {"Cache-Control": "no-store", **headers}
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)
