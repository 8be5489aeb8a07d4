"""Each kind of what real servers and apps do has variants enough to stand for the others."""

from __future__ import annotations

from collections import Counter

import pytest

from .replays.kinds import FIRST, FURTHER, KINDS, VENDORS, Kind, replays_of

LEAST = 3


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_has_three_variants_on_each_api_on_which_it_can_occur(kind: Kind) -> None:
    assert kind.variants() >= LEAST
    for api in kind.apis if kind.replays else ():
        assert sum(replay.api == api for replay in kind.replays) >= LEAST, api


def test_each_replay_is_of_one_kind_and_has_a_name_of_its_own() -> None:
    """And is played: the files beside this one run through one of the three lists of tables each."""
    in_kinds = [replay for kind in KINDS.values() for replay in kind.replays]
    in_tables = replays_of([*FIRST, *FURTHER, *VENDORS])
    assert Counter(map(id, in_kinds)) == Counter(map(id, in_tables))
    assert len({(replay.name, replay.api) for replay in in_tables}) == len(in_tables)
