"""The budget of an agent or of a run, in output tokens and in money. Owns the sum, not the prices.

Prices are the user's (`prices` of an agent's file, per million tokens): none are shipped, because
they go stale. If an agent has no prices, its cost is unknown and only tokens are counted.
"""

from __future__ import annotations

from ..errors import AgentError
from ..events.agent import Usage
from ..settings.agent import Prices

PER_TOKENS = 1_000_000


def cost_of(usage: Usage, prices: Prices | None) -> float | None:
    """Return what *usage* costs; None if the prices are not known.

    Cached and reasoning tokens are part of the input and the output, and cost as those unless they have a price.
    """
    if prices is None:
        return None
    cached = min(usage.cached_input_tokens or 0, usage.input_tokens)
    reasoned = min(usage.reasoning_tokens or 0, usage.output_tokens)
    cached_price = prices.input if prices.cached_input is None else prices.cached_input
    reasoning_price = prices.output if prices.reasoning is None else prices.reasoning
    sums = (
        (usage.input_tokens - cached) * prices.input,
        cached * cached_price,
        (usage.output_tokens - reasoned) * prices.output,
        reasoned * reasoning_price,
    )
    return sum(sums) / PER_TOKENS


class Budget:
    """A limit and what was spent of it.

    Args:
        whose: Named in the error: `agent` or `run`.
        parent: Charged too, with the same amounts.
    """

    __slots__ = ("_max_cost", "_max_output_tokens", "_parent", "_whose", "cost", "output_tokens")

    def __init__(
        self,
        whose: str,
        *,
        max_output_tokens: int | None = None,
        max_cost: float | None = None,
        parent: Budget | None = None,
    ) -> None:
        self._whose = whose
        self._max_output_tokens = max_output_tokens
        self._max_cost = max_cost
        self._parent = parent
        self.output_tokens = 0
        self.cost = 0.0

    def charge(self, usage: Usage, cost: float | None, *, cut: bool = False) -> None:
        """Add what was spent. Who spends nothing exceeds nothing, whatever siblings have spent.

        Args:
            cut: The answer was cut at a limit on tokens, so reaching ours is enough to exceed it.
        Raises:
            AgentError: `budget`; what was spent is counted all the same, here and in the parent.
        """
        self.output_tokens += usage.output_tokens
        self.cost += cost or 0.0
        if self._parent is not None:
            self._parent.charge(usage, cost, cut=cut)
        tokens, money = self._max_output_tokens, self._max_cost
        spent = bool(usage.input_tokens or usage.output_tokens)
        over = tokens is not None and self.output_tokens > tokens and spent
        if over or (cut and self.output_tokens == tokens):
            raise AgentError(
                "budget", f"The {self._whose} spent its {tokens} output tokens.", retryable=False
            )
        if money is not None and self.cost > money and cost:  # unknown prices exceed no price
            raise AgentError("budget", f"The {self._whose} spent its {money:g} of money.", retryable=False)
