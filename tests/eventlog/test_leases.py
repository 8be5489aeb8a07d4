"""Who lives: by a steady clock, whatever the time of day says. The stores' part is in `contract/test_runstore.py`."""

from __future__ import annotations

import pytest

from orchestrator.eventlog.leases import LEASE_SECONDS, Leases


class Steady:
    """A clock that the test moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Steady:
    return Steady()


@pytest.fixture
def leases(clock: Steady) -> Leases:
    return Leases(clock)


def test_lease_counts_from_its_first_sight(leases: Leases, clock: Steady) -> None:
    assert leases.living({"a": 1003.0, "b": 999.0}, 1000.0) == {"a"}
    clock.now += 2.9
    assert leases.living({"a": 1003.0}, 1002.9) == {"a"}
    clock.now += 0.2
    assert leases.living({"a": 1003.0}, 1003.1) == set()


def test_lease_that_ends_in_hours_is_believed_for_seconds(leases: Leases, clock: Steady) -> None:
    """Its worker beat before somebody set the clock back."""
    assert leases.living({"a": 9000.0}, 1000.0) == {"a"}
    clock.now += LEASE_SECONDS + 0.1
    assert leases.living({"a": 9000.0}, 1005.0) == set()


def test_beat_since_the_last_look_counts_though_the_clock_says_it_is_over(
    leases: Leases, clock: Steady
) -> None:
    leases.beaten(5.0)
    assert leases.living({"a": 1005.0}, 1000.0) == {"a"}
    clock.now += 4.9
    # It beat at 1004, and then the clock was set an hour ahead.
    assert leases.living({"a": 1009.0}, 4604.9) == {"a"}
    clock.now += 5.1
    assert leases.living({"a": 1009.0}, 4610.0) == set()


def test_farewell_counts_at_once(leases: Leases) -> None:
    assert leases.living({"a": 1005.0}, 1000.0) == {"a"}
    assert leases.living({"a": -1001.0}, 1001.0) == set()


def test_who_lived_before_an_outage_may_beat_first(leases: Leases, clock: Steady) -> None:
    """Nobody could beat meanwhile, ourselves included: that is how we know."""
    leases.beaten(5.0)
    assert leases.living({"a": 1005.0, "gone": -999.0}, 1000.0) == {"a"}
    clock.now += 60
    leases.beaten(5.0)
    assert leases.living({"a": 1005.0, "gone": -999.0}, 1060.0) == {"a"}
    clock.now += 5.1
    assert leases.living({"a": 1005.0}, 1065.1) == set()


def test_who_was_dead_before_an_outage_stays_so(leases: Leases, clock: Steady) -> None:
    leases.beaten(5.0)
    assert leases.living({"a": 1001.0}, 1000.0) == {"a"}
    clock.now += 2
    assert leases.living({"a": 1001.0}, 1002.0) == set()
    clock.now += 60
    leases.beaten(5.0)
    assert leases.living({"a": 1001.0}, 1062.0) == set()


def test_stranger_may_beat_first_too_where_nobody_could(leases: Leases, clock: Steady) -> None:
    """A process that begins right after an outage has seen nobody before it."""
    leases.doubt()
    assert leases.living({"a": 990.0, "gone": -990.0}, 1000.0) == {"a"}
    clock.now += LEASE_SECONDS + 0.1
    assert leases.living({"a": 990.0, "late": 990.0}, 1005.1) == set()
