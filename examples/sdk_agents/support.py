"""Agents of the OpenAI Agents SDK with tools and handoffs, side by side.

Run: cd examples/sdk_agents && orchestrator run --config agents_config "Where is order 1001? Refund it if it is late."

Needs OPENAI_API_KEY, or OPENAI_COMPATIBLE_BASE_URL for any server that speaks OpenAI's API (Ollama, vLLM, …;
then set SMALL_MODEL and LARGE_MODEL to models that it has).

Two ways to describe an agent stand beside each other in agents_config/:
    desk.yaml      names `support:desk`, an `agents.Agent` made here, which hands off to `billing`, made here, too
    planner.yaml   is described in YAML alone: model, instructions, tools from here, a handoff to clerk.yaml
"""

from __future__ import annotations

import os
from datetime import date, timedelta

from agents import Agent, function_tool

from orchestrator import ToolError

ORDERS = {"1001": date.today() - timedelta(days=12), "1002": date.today() - timedelta(days=1)}
"""When each order was sent: where you would ask your database."""

SMALL_MODEL = os.environ.get("SMALL_MODEL", "gpt-5-nano")


# ── tools ─────────────────────────────────────────────────────────────────────────────────────
# The signature and the docstring are what the model reads. A function without `async` runs in a thread.


def look_up_order(order: str) -> str:
    """Say when an order was sent.

    Args:
        order: The order's number.
    """
    sent = ORDERS.get(order)
    return f"Order {order} was sent on {sent}." if sent else f"There is no order {order}."


def days_since(day: str) -> int:
    """Count the days from a date, written as 2030-01-31, until today."""
    return (date.today() - date.fromisoformat(day)).days


def refund(order: str) -> str:
    """Refund an order that is late."""
    if date.today() - ORDERS[order] < timedelta(days=7):
        # Reaches the model as the tool's failure, and the client as `tool_result` with `is_error`.
        raise ToolError(f"Order {order} is not late.")
    return f"Order {order} is refunded."


# ── agents ────────────────────────────────────────────────────────────────────────────────────

billing = Agent(
    name="billing",
    handoff_description="Refunds orders that are late.",
    instructions="You refund what is late, with the tool, and confirm it in one sentence.",
    model=SMALL_MODEL,
    tools=[function_tool(refund)],
)
desk = Agent(
    name="desk",
    instructions="You answer customers. Look the order up first. Where money is due, hand off to billing.",
    model=SMALL_MODEL,
    tools=[function_tool(look_up_order)],
    handoffs=[billing],
)
