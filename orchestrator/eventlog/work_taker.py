"""How a worker waits for work, whatever the store: the part of a `Cluster` that the stores have in common."""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod

from ..errors import LogUnavailable

LOOK_AGAIN_SECONDS = 1.0
"""A wake-up that was lost costs a taker no more."""

LOOK_AFTER_SECONDS = 3.0
"""How often a waiting taker looks for work whose taker died."""


class WorkTaker(ABC):
    """Takes work one after another; a `Cluster` of a store says how one piece is taken."""

    def __init__(self) -> None:
        self._offered = asyncio.Event()
        self._take = ""
        self._looked_after_at = 0.0

    async def take_work(self, worker: str) -> str:
        # The same word until a call has returned: what a call took that was cancelled, the next one gets.
        self._take = self._take or secrets.token_hex(8)
        while True:
            self._offered.clear()
            now = asyncio.get_running_loop().time()
            look_after = now - self._looked_after_at > LOOK_AFTER_SECONDS
            try:
                run_id = await self._try_take(worker, self._take, look_after=look_after)
            except LogUnavailable:
                if self._is_closed():
                    raise
                run_id = None
            else:
                self._looked_after_at = now if look_after else self._looked_after_at
            if run_id is not None:
                self._take = ""
                return run_id
            await self._look_again()

    @abstractmethod
    async def _try_take(self, worker: str, take: str, *, look_after: bool) -> str | None:
        """Take one run for *worker*, None if there is none; set `_offered` when one is offered after this.

        Args:
            take: A word that is the same until one was returned: what it took already is returned again.
            look_after: Whether to look for what a dead worker took, too.
        """

    @abstractmethod
    def _is_closed(self) -> bool:
        """Return whether the store was closed, so that nothing will come any more."""

    async def _look_again(self) -> None:
        try:
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                await self._offered.wait()
        except TimeoutError:
            return
