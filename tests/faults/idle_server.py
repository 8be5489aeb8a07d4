"""A service with one run that goes on and says nothing: prints its port and the run's id, and serves until killed."""

from __future__ import annotations

import asyncio

from orchestrator.settings.limits import RunLimits
from tests.support.service import serving, silent


async def main() -> None:
    async with serving({"a": silent}, limits=RunLimits(max_subscribers=100_000)) as service:
        run_id = await service.start(channel="room")
        print("ready", service.port, run_id, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
