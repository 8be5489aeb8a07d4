"""Covers `orchestrator/server/malloc_trim.py`: freed memory goes back to the system."""

from __future__ import annotations

import asyncio
import sys

import pytest

from orchestrator.server import malloc_trim as module
from orchestrator.server.malloc_trim import GROWN_BYTES, OWN_MAPPING_BYTES, FreedMemory
from tests.support.patience import eventually


class Library:
    """Notes what the C library is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def mallopt(self, what: int, value: int) -> int:
        self.asked.append((what, value))
        return 1

    def malloc_trim(self, pad: int) -> int:
        self.asked.append((pad,))
        return 1


async def test_what_is_free_is_given_back_whenever_memory_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = [10 * GROWN_BYTES]
    monkeypatch.setattr(module, "_resident", lambda: size[0])
    library = Library()
    freed = FreedMemory(library)
    assert await freed.look()
    assert not await freed.look(), "nothing has changed"
    for change in (1 - GROWN_BYTES, 2 * GROWN_BYTES, -3 * GROWN_BYTES):
        size[0] += change
        assert await freed.look() == (abs(change) >= GROWN_BYTES)
    assert library.asked == [(0,)] * 3


async def test_it_goes_on_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    library = Library()
    task = asyncio.create_task(FreedMemory(library).give_back())
    await eventually(lambda: len(library.asked) > 1)
    task.cancel()
    await asyncio.wait((task,))
    assert library.asked[0] == (-3, OWN_MAPPING_BYTES)
    assert task.cancelled()


@pytest.mark.skipif(sys.platform != "linux", reason="only there is it known to keep what is free")
async def test_memory_of_this_process_is_given_back() -> None:
    freed = FreedMemory.of_system()
    if freed is None:
        pytest.skip("the C library is not glibc")
    kept = [bytes(60_000) for _ in range(1000)]
    assert await freed.look()
    full = module._resident()
    del kept[1::2]
    kept.append(bytes(10))
    freed._seen = 0
    assert await freed.look()
    assert module._resident() < full - 20 * 1024 * 1024, "what lies between them went, too"
