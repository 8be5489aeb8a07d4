"""Budgets end the agent that exceeds one, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from orchestrator.agent.budget import Budget, cost_of
from orchestrator.backends.base import AgentInput, Finish, Spent
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError
from orchestrator.events import Usage
from orchestrator.settings.agent import Prices
from orchestrator.settings.limits import RunLimits

from ..support.spine import of, read, settings, start, supervised, text_of

PRICES = {"input": 2.0, "output": 10.0}


async def two_responses(request: AgentInput) -> AsyncGenerator[object, None]:
    yield "first "
    yield Spent(Usage(100, 60))
    yield "second"
    yield Spent(Usage(200, 60))
    yield Finish(usage=Usage(300, 120))


async def modest(request: AgentInput) -> AsyncGenerator[object, None]:
    yield "cheap"
    yield Finish(usage=Usage(10, 5))


def test_cost_is_tokens_times_price_per_million() -> None:
    assert cost_of(Usage(1_000_000, 500_000), Prices.model_validate(PRICES)) == pytest.approx(7.0)
    assert cost_of(Usage(1, 1), None) is None


def test_what_was_spent_counts_in_the_parent_also_when_it_is_too_much() -> None:
    run = Budget("run", max_output_tokens=100)
    agent = Budget("agent", max_output_tokens=50, parent=run)
    with pytest.raises(AgentError) as caught:
        agent.charge(Usage(0, 60), None)
    assert caught.value.code == "budget"
    assert not caught.value.retryable
    assert run.output_tokens == 60


def test_who_spends_nothing_more_exceeds_nothing() -> None:
    """A whole answer is not lost by what a sibling spends between its last response and its end."""
    run = Budget("run", max_output_tokens=100, max_cost=1.0)
    first, second = Budget("agent", parent=run), Budget("agent", parent=run)
    first.charge(Usage(10, 90), 0.9)
    with pytest.raises(AgentError):
        second.charge(Usage(10, 90), 0.9)
    first.charge(Usage(0, 0), 0.0)
    with pytest.raises(AgentError):
        first.charge(Usage(1, 1), 0.1)


async def test_agent_that_exceeds_its_tokens_ends_alone() -> None:
    keys = {"a": {"limits": {"max_output_tokens": 100}}, "b": {"limits": {"max_output_tokens": 100}}}
    async with supervised({"a": two_responses, "b": modest}, keys=keys) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert of(events, "a", "error")[0].data["code"] == "budget"
    assert text_of(events, "a") == "first second"
    assert of(events, "b", "done")


async def test_usage_is_not_counted_twice() -> None:
    """`Finish.usage` is the whole, the responses are its parts."""
    async with supervised(
        {"a": two_responses}, keys={"a": {"limits": {"max_output_tokens": 120}, "prices": PRICES}}
    ) as supervisor:
        events = await read(supervisor, await start(supervisor))
    done = of(events, "a", "done")[0].data
    assert done["metrics"]["cost"] == pytest.approx((300 * 2 + 120 * 10) / 1e6)
    assert events[-1].data["metrics"]["cost"] == done["metrics"]["cost"]


async def test_answer_cut_at_the_limit_is_over_budget() -> None:
    """The provider was told the limit, so it stops there; that is no whole answer."""

    async def cut(request: AgentInput) -> AsyncGenerator[object, None]:
        yield "half an ans"
        yield Finish("length", Usage(1, 100))

    async with supervised({"a": cut}, keys={"a": {"limits": {"max_output_tokens": 100}}}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert of(events, "a", "error")[0].data["code"] == "budget"


async def test_money_is_a_limit_where_prices_are_known() -> None:
    keys = {"a": {"prices": PRICES, "limits": {"max_cost": 0.001}}}
    async with supervised({"a": two_responses}, keys=keys) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert of(events, "a", "error")[0].data["code"] == "budget"


async def test_run_has_a_budget_of_its_own() -> None:
    async with supervised(
        {"a": two_responses, "b": modest}, limits=RunLimits(max_run_tokens=70)
    ) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert of(events, "a", "error")[0].data["code"] == "budget"
    assert events[-1].data["status"] in ("partial", "failed")


def test_cost_limit_without_prices_is_refused() -> None:
    with pytest.raises(ValueError, match="prices"):
        settings("a", limits={"max_cost": 1.0})


def test_provider_is_asked_for_no_more_than_the_budget_pays_for() -> None:
    one = OpenAIAgentsSettings.model_validate(
        {
            "agent_id": "a",
            "model": "m",
            "prices": PRICES,
            "limits": {"max_cost": 0.002, "max_output_tokens": 500},
        }
    )
    assert one.output_cap == 200
