"""What every test needs: an event loop for plugins that ask for one outside of a test, and an order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

LONGEST_FIRST = (
    "test_letta_real", "test_cut_streams", "test_clients_gone", "test_bench", "test_redis_log", "test_web",
    "test_promises", "test_cuts", "test_lost_workers", "test_page_panels", "test_page_safety", "test_page_runs",
    "test_page", "test_page_reading", "test_page_blind", "test_screenshots", "test_react_example",
    "test_web_client", "test_eventsource_example", "test_weight", "test_openai_decoders", "test_examples",
    "test_cli", "test_openai_agents", "test_workers", "test_redis_faults", "test_sqlite_faults",
    "test_clock_jumps", "test_slow_clients", "test_idle_and_deaf", "test_readme_panels", "test_recovery",
)  # fmt: skip
"""Files that take more than some seconds. Begun last, one of them would leave all cores but one idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order within a file stays."""
    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(autouse=True, scope="session")
def _main_thread_loop() -> Iterator[None]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()
