"""Regular expressions of others: they are searched for, and never hold the server up."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.panels import regex_process
from orchestrator.panels.regex_process import matches
from tests.support.patience import PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\d", "it is 7", True), (r"\d", "it is seven", False), ("", "", True), ("é\n", "caf\u00e9\n\ud800", True),
        (r"(?s)a.*z$", "a" + "b" * 300_000 + "\nz", True),
    ],
)  # fmt: skip
async def test_a_pattern_is_searched_for(pattern: str, text: str, found: bool) -> None:
    assert await matches(pattern, text) is found


async def test_a_match_without_end_is_none_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """`re` cannot be interrupted, so a pattern in a request could otherwise stop the whole server."""
    monkeypatch.setattr(regex_process, "MATCH_SECONDS", 0.5)
    asked = asyncio.create_task(matches("^(a+)+$", "a" * 40 + "!"))
    turns = 0
    while not asked.done():
        turns += 1
        await asyncio.sleep(0.01)
    assert await asked is False
    assert turns > 1, "the loop went on while it searched"


async def test_cancelling_a_match_ends_its_process() -> None:
    asked = asyncio.create_task(matches("^(a+)+$", "a" * 40 + "!"))
    await asyncio.sleep(0.1)
    asked.cancel()
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(asyncio.CancelledError):
            await asked
