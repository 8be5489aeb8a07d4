"""What every test needs: an event loop for plugins that ask for one outside of a test, and an order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import hypothesis
import pytest

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

LONGEST_FIRST = (
    "letta/test_real", "faults/test_cut_streams", "faults/test_drained_streams", "test_clients_gone",
    "tests/test_bench", "eventlog/test_redis", "tests/test_web", "test_promises", "test_cuts",
    "faults/test_lost_workers", "browser/test_page_panels", "browser/test_page_safety", "browser/test_page_runs",
    "browser/", "openai/test_decoders", "test_examples", "cli/", "openai/test_", "test_workers", "faults/",
    "test_recovery",
)  # fmt: skip
"""Parts of the paths of files that take longer. Begun last, one of them would leave all cores but one idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order within a file stays."""

    def rank(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((place for place, part in enumerate(LONGEST_FIRST) if part in path), len(LONGEST_FIRST))

    items.sort(key=rank)


@pytest.fixture(autouse=True, scope="session")
def _main_thread_loop() -> Iterator[None]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()
