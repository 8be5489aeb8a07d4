"""What is on the wire stays: streams and snapshots are what the release before the rooms sent.

`recorded/*` was made with that release by `recorded/record.py`, but for blind runs: their snapshot says `"blind": true`
since, and their `status` events no longer carry `detail`, which told who speaks. `blind*` was recorded again for that.
An agent whose `Finish` has a field of a wrong type, as that of `rich` has, says since which mistake it made.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .recorded.record import record

RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(path.name for path in RECORDED.iterdir() if path.suffix in (".sse", ".json"))


@pytest.fixture(scope="module")
def sent() -> dict[str, str]:
    return record()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_sent_is_what_was_sent(name: str, sent: dict[str, str]) -> None:
    assert sent[name] == (RECORDED / name).read_text()


def test_every_recording_is_compared(sent: dict[str, str]) -> None:
    assert sorted(sent) == NAMES
