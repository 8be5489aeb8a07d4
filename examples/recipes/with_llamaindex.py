"""A LlamaIndex agent with a tool, unchanged. Needs `llama-index-core llama-index-llms-openai-like`."""

import json
import os

from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCall, ToolCallResult
from llama_index.llms.openai_like import OpenAILike

from orchestrator import events
from orchestrator.tools import clock

where = {"api_base": os.environ.get("OPENAI_COMPATIBLE_BASE_URL"), "api_key": "none"}
model = OpenAILike(model="m", is_chat_model=True, is_function_calling_model=True, **where)
agent = FunctionAgent(llm=model, tools=[clock], system_prompt="You tell the time.")


async def answer(request):
    handler = agent.run(request.message)
    try:
        async for event in handler.stream_events():
            if isinstance(event, AgentStream) and event.delta:
                yield event.delta
            elif isinstance(event, ToolCallResult):
                yield events.ToolResult(event.tool_id, str(event.tool_output), event.tool_output.is_error)
            elif isinstance(event, ToolCall):
                yield events.ToolCall(event.tool_id, event.tool_name, json.dumps(event.tool_kwargs))
        await handler
    finally:
        await handler.cancel_run()
