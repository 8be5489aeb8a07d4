"""Answers as real servers send them, on both transports and both APIs: the right events, and the same on both.

The answers stand in `replays/`, by kind; a server writes them as they are, headers and all, in front of the real SDK
and the whole spine (attempts, mailbox, merge, log).
"""

from __future__ import annotations

import pytest

from .replays import calls, ends, faults, more_errors, more_odd, more_texts, more_vendors, odd, texts
from .replays.play import play
from .replays.wire import Replay

REPLAYS = [replay for table in (texts, calls, ends, odd, faults) for replay in table.REPLAYS]
FURTHER = [replay for table in (more_texts, more_odd, more_errors, more_vendors) for replay in table.REPLAYS]


def test_every_replay_has_a_name_of_its_own() -> None:
    everything = [*REPLAYS, *FURTHER]
    assert len({(replay.name, replay.api) for replay in everything}) == len(everything)


@pytest.mark.parametrize("replay", REPLAYS, ids=str)
async def test_an_answer_is_read_as_what_it_is(replay: Replay) -> None:
    await play(replay)
