"""A ceiling on characters per second. Owns no text and no stream."""

from __future__ import annotations

import asyncio

SLICE_SECONDS = 0.05
"""A piece that takes longer than this at the pace is cut, so that it flows instead of bursting."""


class Pace:
    """Lets text through at no more than *chars_per_s*, without saving up unused time."""

    def __init__(self, chars_per_s: float) -> None:
        self._rate = chars_per_s
        self._slice = max(1, int(chars_per_s * SLICE_SECONDS))
        self._free_at = 0.0

    def split(self, text: str) -> list[str]:
        """Cut *text* into parts short enough to look even."""
        return [text[i : i + self._slice] for i in range(0, len(text), self._slice)]

    async def wait(self, chars: int) -> None:
        """Wait until *chars* more characters may go."""
        now = asyncio.get_running_loop().time()
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
        self._free_at = max(self._free_at, now) + chars / self._rate
