"""A connection that is cut at a byte: a proxy in front of the service that ends some answers in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web

from tests.support.probe import ProblemServer
from tests.support.service import Service

_HOP = frozenset({"transfer-encoding", "content-length", "connection", "content-encoding"})


class CuttingProxy:
    """Passes all on. `cut_at` is after how many bytes of its body the next stream is cut; None cuts nothing."""

    def __init__(self, service: Service, session: ClientSession) -> None:
        self._service = service
        self._session = session
        self.url = ""
        self.cut_at: int | None = None
        self.cuts = 0
        self.streams = 0
        """How many have begun."""

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Answer *request* as the service does, as far as it goes."""
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with self._session.request(
            request.method,
            self._service.url + request.path_qs,
            data=await request.read() or None,
            headers=headers | {"Accept-Encoding": "identity"},
        ) as found:
            kept = {name: value for name, value in found.headers.items() if name.lower() not in _HOP}
            if found.content_type != "text/event-stream":
                return web.Response(status=found.status, headers=kept, body=await found.read())
            answer = web.StreamResponse(status=found.status, headers=kept)
            await answer.prepare(request)
            self.streams += 1
            left, self.cut_at = self.cut_at, None
            async for chunk in found.content.iter_any():
                if left is None:
                    await answer.write(chunk)
                    continue
                await answer.write(chunk[:left])
                left -= len(chunk)
                if left <= 0:
                    self.cuts += 1
                    answer.force_close()
                    assert request.transport is not None
                    request.transport.close()  # what was written arrives, the end of the body does not
                    break
            return answer


@asynccontextmanager
async def cutting(service: Service) -> AsyncIterator[CuttingProxy]:
    async with ClientSession() as session:
        proxy = CuttingProxy(service, session)
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", proxy.forward)
        async with ProblemServer(app) as server:
            proxy.url = str(server.make_url("")).rstrip("/")
            yield proxy
