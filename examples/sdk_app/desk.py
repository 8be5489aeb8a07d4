"""The agents: a front desk that hands over to the one who knows the orders, who asks a nested one to write."""

import sys
from pathlib import Path

import models  # noqa: F401 - sets the default client
from agents import Agent, GuardrailFunctionOutput, RunContextWrapper, function_tool, input_guardrail
from agents.mcp import MCPServerStdio
from customer import Answer, Customer


@input_guardrail
def no_card_numbers(context: object, agent: object, items: object) -> GuardrailFunctionOutput:
    """Refuse a message that holds a card's number."""
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered="4111" in str(items))


@function_tool
def customer_name(context: RunContextWrapper[Customer]) -> str:
    """Say who asks."""
    return context.context.name


writer = Agent[Customer](name="writer", model="writer", instructions="Write one friendly sentence.")
clerk = Agent[Customer](
    name="clerk",
    model="clerk",
    instructions="Find the order, have a sentence written, and answer.",
    handoff_description="Knows the orders.",
    mcp_servers=[
        MCPServerStdio({"command": sys.executable, "args": [str(Path(__file__).with_name("orders.py"))]})
    ],
    tools=[customer_name, writer.as_tool("write", "Writes one friendly sentence.")],
    output_type=Answer,
)
desk = Agent[Customer](
    name="desk",
    model="desk",
    instructions="Hand questions about orders to the clerk.",
    handoffs=[clerk],
    input_guardrails=[no_card_numbers],
)
