"""How large a bench is: what the command line's `--quick` and the like become."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes of all scenarios.

    Args:
        rounds: How often the contenders take turns.
        seconds: How long one throughput measurement of one contender takes, about.
        quick: Small enough for CI: shows that everything answers, not how fast.
        uvloop: Measure the servers on uvloop too, where a scenario has room for it.
        peers: Where the environments of other frameworks' servers are.
    """

    rounds: int = 5
    seconds: float = 2.0
    quick: bool = False
    uvloop: bool = True
    peers: Path | None = None

    def pick(self, full: int, quick: int) -> int:
        return quick if self.quick else full
