"""An Agno agent with a tool, unchanged: tokens and tool calls.

Needs `agno openai`; OPENAI_COMPATIBLE_BASE_URL says where its model is.
"""

import json
import os

from agno.agent import Agent
from agno.models.openai.like import OpenAILike

from orchestrator import AgentError, events
from orchestrator.tools import clock

model = OpenAILike(id="m", base_url=os.environ.get("OPENAI_COMPATIBLE_BASE_URL"), api_key="none")
agent = Agent(model=model, tools=[clock], instructions="You tell the time.", telemetry=False)


async def answer(request):
    async for event in agent.arun(request.message, stream=True, stream_events=True):
        tool = getattr(event, "tool", None)
        if event.event == "RunContent" and event.content:
            yield event.content
        elif event.event == "ToolCallStarted":
            yield events.ToolCall(tool.tool_call_id, tool.tool_name, json.dumps(tool.tool_args))
        elif event.event == "ToolCallCompleted":
            yield events.ToolResult(tool.tool_call_id, str(tool.result), bool(tool.tool_call_error))
        elif event.event == "RunError":
            raise AgentError("upstream_unavailable", "Agno's agent failed.")
