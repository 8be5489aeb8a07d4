"""What every fault test has: chance with a seed that is said on failure, how long to go on, and what it took.

`FAULT_SEED=…` repeats a failure's choices. `FAULT_ROUNDS=200` makes the suite long: that many rounds where a
test has some, full sizes where it has one. Without it the whole suite takes less than `CI_SECONDS`.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.support.parts import require
from tests.support.redis_server import RedisServer

from .oracle import patient_session

CI_SECONDS = 180
SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(2**32))
ROUNDS = int(os.environ.get("FAULT_ROUNDS") or 0)
_HERE = Path(__file__).parent
_took: dict[str, float] = {}


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance of this test's own, the same for the same seed whatever else ran."""
    return random.Random(f"{SEED} {request.node.nodeid}")


@pytest.fixture
def rounds() -> int | None:
    """How many rounds were asked for; None in a usual run."""
    return ROUNDS or None


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with patient_session() as session:
        yield session


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    require("redis-server")
    server = RedisServer(tmp_path / "redis")
    await server.start()
    yield server
    await server.stop(kill=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _HERE in item.path.parents:
        _took[report.nodeid] = _took.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            report.sections.append(("chance", f"FAULT_SEED={SEED} repeats this test's choices"))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _took:
        return
    total = sum(_took.values())
    limit = "" if ROUNDS else f" of {CI_SECONDS} s at most"
    terminalreporter.write_sep("-", f"faults: {total:.0f} s{limit}, FAULT_SEED={SEED}")
    for nodeid, seconds in sorted(_took.items(), key=lambda item: -item[1])[:8]:
        terminalreporter.write_line(f"{seconds:6.1f} s  {nodeid.rpartition('/')[2]}")
