"""The plain OpenAI SDK as an agent: history, tokens, usage; to stop the agent closes its connection.

Needs `openai`. The SDK itself reads OPENAI_API_KEY and OPENAI_BASE_URL.
"""

import os

from openai import AsyncOpenAI

from orchestrator import Finish, Usage

MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")


async def answer(request):
    messages = []
    for turn in request.history:
        messages += [{"role": "user", "content": turn.message}, {"role": "assistant", "content": turn.text}]
    messages.append({"role": "user", "content": request.message})
    asked = {"model": MODEL, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    async with AsyncOpenAI() as client, await client.chat.completions.create(**asked) as stream:
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                yield text
            if chunk.usage is not None:
                yield Finish(usage=Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens))
