"""Answers as real servers send them, on both transports and both APIs: the right events, and the same on both.

The answers stand in `replays/`, by kind; a server writes them as they are, headers and all, in front of the real SDK
and the whole spine (attempts, mailbox, merge, log).
"""

from __future__ import annotations

import pytest

from .replays.kinds import FIRST, replays_of
from .replays.play import play
from .replays.wire import Replay


@pytest.mark.parametrize("replay", replays_of(FIRST), ids=str)
async def test_an_answer_is_read_as_what_it_is(replay: Replay) -> None:
    await play(replay)
