"""An agent that asks the service that it runs in comes to an end, by whatever client it asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from orchestrator import AgentInput, Client, SyncClient, nesting_headers
from orchestrator.client import ClientError
from tests.support.service import Serve


async def test_an_agent_that_asks_itself_comes_to_an_end(serve: Serve) -> None:
    """Each question started a run that waited for the next one, until there was room for no run at all."""
    depths: list[int] = []
    url = ""

    async def asks(request: AgentInput) -> AsyncGenerator[str, None]:
        depths.append(request.depth)
        assert nesting_headers() == {"Orchestrator-Depth": str(request.depth + 1)}
        try:
            if request.depth % 2:
                yield await asyncio.to_thread(asks_in_a_thread)
            else:
                async with Client(url) as client:
                    yield (await (await client.start("on", agents=["asks"])).result()).agents["asks"].text
        except ClientError as exc:
            yield str(exc)

    def asks_in_a_thread() -> str:
        with SyncClient(url) as client:
            return client.start("on", agents=["asks"]).result().agents["asks"].text

    service = await serve({"asks": asks})
    url = service.url
    events = await service.events(await service.start("hi"))
    assert depths == [0, 1, 2, 3, 4]
    (done,) = [each for each in events if each.type == "asks.done"]
    assert "does one ask itself?" in done.data["text"]
    assert nesting_headers() == {}
