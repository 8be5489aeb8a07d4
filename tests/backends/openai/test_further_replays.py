"""Further answers of the same kinds as those of `test_replays`, as other vendors send them."""

from __future__ import annotations

import pytest

from .replays import more_errors, more_odd, more_texts, more_vendors
from .replays.play import play
from .replays.wire import Replay

REPLAYS = [replay for table in (more_texts, more_odd, more_errors, more_vendors) for replay in table.REPLAYS]


@pytest.mark.parametrize("replay", REPLAYS, ids=str)
async def test_an_answer_is_read_as_what_it_is(replay: Replay) -> None:
    await play(replay)
