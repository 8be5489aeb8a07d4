"""Further answers of the same kinds as those of `test_replays`, as other vendors send them."""

from __future__ import annotations

import pytest

from .replays.kinds import FURTHER, replays_of
from .replays.play import play
from .replays.wire import Replay


@pytest.mark.parametrize("replay", replays_of(FURTHER), ids=str)
async def test_an_answer_is_read_as_what_it_is(replay: Replay) -> None:
    await play(replay)
