"""Covers what is known of a cluster's partitions without asking each of them: by stand-ins that count who asks."""

from __future__ import annotations

from typing import cast

import pytest

from orchestrator.errors import LogUnavailable
from orchestrator.eventlog.redis.partitioned.partition import RedisPartition
from orchestrator.eventlog.redis.partitioned.partition_runs import ScannedPartition
from orchestrator.eventlog.redis.partitioned.partition_scan import PartitionScan
from orchestrator.eventlog.redis.partitioned.partitions import Partitions

PARTITIONS = 4


class Partition:
    """A partition that says what it is told to say."""

    def __init__(self) -> None:
        self.found = ScannedPartition({}, 0, None)
        self.asked = 0
        self.is_there = True

    async def survey(self) -> ScannedPartition:
        self.asked += 1
        if not self.is_there:
            raise LogUnavailable("away")
        return self.found


@pytest.fixture
def members() -> list[Partition]:
    return [Partition() for _ in range(PARTITIONS)]


@pytest.fixture
def survey(members: list[Partition]) -> PartitionScan:
    return PartitionScan(Partitions(cast(list[RedisPartition], members)))


def asked(members: list[Partition]) -> int:
    return sum(each.asked for each in members)


async def test_each_is_asked_at_first_and_then_in_its_turn(
    survey: PartitionScan, members: list[Partition]
) -> None:
    members[3].found = ScannedPartition({"w": 2}, 5, 70)
    await survey.look()
    assert (survey.owners, survey.ended, asked(members)) == ({"w": 2}, 5, PARTITIONS)
    for each in members:
        each.found = ScannedPartition({"other": 1}, 1, 80)
    for _ in range(PARTITIONS):
        await survey.look()
    assert [each.asked for each in members] == [2] * PARTITIONS
    assert (survey.owners, survey.ended) == ({"other": PARTITIONS}, PARTITIONS)


async def test_what_is_doubted_is_asked_before_its_turn(
    survey: PartitionScan, members: list[Partition]
) -> None:
    await survey.look()
    survey.doubt(cast(RedisPartition, members[0]))
    await survey.refresh()
    await survey.refresh()
    assert [each.asked for each in members] == [2, 1, 1, 1]
    survey.doubt()
    await survey.look()
    assert asked(members) == 2 * PARTITIONS + 1


async def test_own_changes_are_known_at_once(survey: PartitionScan, members: list[Partition]) -> None:
    await survey.look()
    one = cast(RedisPartition, members[0])
    survey.note_owned(one, "w", 1)
    survey.note_owned(one, "w", 1)
    assert survey.owners == {"w": 2}
    survey.note_owned(one, "w", -1)
    survey.note_ended(one, 90)
    survey.note_ended(one, 60)
    assert (survey.owners, survey.ended) == ({"w": 1}, 2)
    assert survey.ended_before(60) == []
    assert survey.ended_before(61) == [one]
    survey.note_owns(one, "w", 0)
    assert survey.owners == {}
    await survey.refresh()
    assert members[0].asked == 2, "what was asked for its ended runs has fewer of them afterwards"


async def test_one_that_is_away_leaves_the_others_known_and_is_asked_again(
    survey: PartitionScan, members: list[Partition]
) -> None:
    members[1].is_there = False
    members[2].found = ScannedPartition({"w": 1}, 0, None)
    await survey.look()
    assert survey.owners == {"w": 1}
    members[1].is_there, members[1].found = True, ScannedPartition({"w": 1}, 0, None)
    await survey.refresh()
    assert survey.owners == {"w": 2}


async def test_all_that_are_away_are_said_to_be(survey: PartitionScan, members: list[Partition]) -> None:
    for each in members:
        each.is_there = False
    with pytest.raises(LogUnavailable):
        await survey.look()
    members[0].is_there = True
    await survey.look()
