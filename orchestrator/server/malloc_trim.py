"""Gives memory that was freed back to the system; the C library of most Linux systems keeps it, however much it is.

A crowd's requests and runs lie between what stays, so what they leave behind is never at the end of the heap, where
alone it would be given back. Then memory stands at the sum of all that was ever there at once, whatever the bounds on
it are. Owns no bound.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from pathlib import Path
from typing import Any

_M_MMAP_THRESHOLD = -3
OWN_MAPPING_BYTES = 128 * 1024
"""What is as large gets memory of its own, which is given back with it. glibc begins with this number and raises it."""

LOOK_SECONDS = 1.0
GROWN_BYTES = 4 * 1024 * 1024
"""By so much memory has changed before it is worth its while to look for what is free: that takes some milliseconds."""

_STATM = Path("/proc/self/statm")


class FreedMemory:
    """The memory of this process, for a command that owns it.

    Args:
        libc: The C library.
    """

    def __init__(self, libc: Any) -> None:
        self._libc = libc
        self._seen = 0

    @classmethod
    def of_system(cls) -> FreedMemory | None:
        """Return it; None if the C library is not glibc, which alone is known to keep so much."""
        try:
            libc = ctypes.CDLL(None)
            _ = libc.mallopt, libc.malloc_trim, libc.gnu_get_libc_version
        except (OSError, AttributeError, TypeError):
            return None
        return cls(libc) if _STATM.exists() else None

    async def give_back(self) -> None:
        """Give back what is free, now and then, until cancelled."""
        self._libc.mallopt(_M_MMAP_THRESHOLD, OWN_MAPPING_BYTES)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> bool:
        """Give back what is free, if memory has grown or shrunk since the last time; return whether it has."""
        if abs(_resident() - self._seen) < GROWN_BYTES:
            return False
        await asyncio.to_thread(self._libc.malloc_trim, 0)
        self._seen = _resident()
        return True


def _resident() -> int:
    return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
