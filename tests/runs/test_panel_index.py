"""Covers `orchestrator/run/panel_index.py`: which runs hold another one's answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.eventlog.base import Store
from orchestrator.run.panel_index import PanelIndex
from tests.contract.stores import STORES, Clock


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](tmp_path, Clock()) as opened:
        yield opened


async def test_the_panels_over_a_run_are_known_until_they_are_forgotten(store: Store) -> None:
    panels = PanelIndex(store)
    assert await panels.of("run_1") == []
    for of, panel in (("run_1", "run_2"), ("run_1", "run_3"), ("run_4", "run_5")):
        await panels.note(of, panel)
    assert await panels.of("run_1") == ["run_2", "run_3"]
    await panels.forget("run_1")
    assert (await panels.of("run_1"), await panels.of("run_4")) == ([], ["run_5"])
