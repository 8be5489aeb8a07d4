"""The plain Anthropic SDK as an agent: history, thinking, tokens, usage; to stop the agent closes its connection.

Needs `anthropic`. The SDK itself reads ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL.
"""

import os

from anthropic import AsyncAnthropic

from orchestrator import Finish, Usage
from orchestrator.events import Reasoning

MODEL = os.environ.get("ANTHROPIC_MODEL", "claude-sonnet-4-5")


async def answer(request):
    messages = []
    for turn in request.history:
        messages += [{"role": "user", "content": turn.message}, {"role": "assistant", "content": turn.text}]
    messages.append({"role": "user", "content": request.message})
    asked = {"model": MODEL, "max_tokens": 2000, "messages": messages}
    async with AsyncAnthropic() as client, client.messages.stream(**asked) as stream:
        async for event in stream:
            if event.type == "text":
                yield event.text
            elif event.type == "thinking":
                yield Reasoning(event.thinking)
        spent = (await stream.get_final_message()).usage
    yield Finish(usage=Usage(spent.input_tokens, spent.output_tokens))
