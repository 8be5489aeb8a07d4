"""A smolagents agent, unchanged: it is synchronous, so a thread takes its steps; to stop the agent interrupts it.

Needs `smolagents[openai]`; OPENAI_COMPATIBLE_BASE_URL says where its model is.
"""

import asyncio
import json
import os

import smolagents as smol

from orchestrator import events, tools

model = smol.OpenAIServerModel("m", api_base=os.environ.get("OPENAI_COMPATIBLE_BASE_URL"), api_key="none")


async def answer(request):
    agent = smol.ToolCallingAgent(tools=[smol.tool(tools.clock)], model=model, verbosity_level=0)
    steps = agent.run(request.message, stream=True)
    try:
        while (step := await asyncio.to_thread(next, steps, None)) is not None:
            if isinstance(step, smol.FinalAnswerStep):
                yield str(step.output)
            elif isinstance(step, smol.agents.ToolCall) and step.name != "final_answer":
                yield events.ToolCall(step.id, step.name, json.dumps(step.arguments))
            elif isinstance(step, smol.agents.ToolOutput) and not step.is_final_answer:
                yield events.ToolResult(step.id, str(step.output), is_error=False)
    finally:
        agent.interrupt()
