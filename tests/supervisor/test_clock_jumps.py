"""A clock that is set ahead makes nothing expire before its time."""

from __future__ import annotations

from orchestrator.supervisor.clock_jumps import ClockJumps


class Clocks:
    def __init__(self) -> None:
        self.steady = 50.0
        self.ahead = 1_000_000.0

    def grace(self, seconds: float) -> ClockJumps:
        return ClockJumps(seconds, wall=lambda: self.steady + self.ahead, steady=lambda: self.steady)


def test_time_that_passes_needs_no_grace() -> None:
    clocks = Clocks()
    grace = clocks.grace(3600)
    for _ in range(100):
        clocks.steady += 1000
        clocks.ahead += 0.3  # a correction, bit by bit
        assert grace.now() == 0


def test_jump_ahead_counts_until_the_limit_has_really_passed() -> None:
    clocks = Clocks()
    grace = clocks.grace(3600)
    clocks.ahead += 7200
    assert grace.now() == 7200
    clocks.steady += 3599
    assert grace.now() == 7200
    clocks.steady += 2
    assert grace.now() == 0


def test_several_jumps_add_up_and_one_back_needs_nothing() -> None:
    clocks = Clocks()
    grace = clocks.grace(3600)
    for jump, wanted in ((100, 100), (-5000, 100), (5000, 5100)):
        clocks.ahead += jump
        assert grace.now() == wanted
