"""LiteLLM as a client, in an environment of its own: asked for by `TEST_FOREIGN=1`."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from tests.support import foreign
from tests.support.commands import finish

from .agents import CHATTY, TOOLED, dialects_served

PROGRAM = """
import json, sys
import litellm

where = {"api_base": sys.argv[1] + "/v1", "api_key": "none", "max_retries": 0}
asked = [{"role": "user", "content": "hi"}]
told = {}
both = litellm.completion(model="openai/chatty+tooled", messages=asked, **where)
told["both"] = [choice.message.content for choice in both.choices]
pieces = litellm.completion(model="openai/tooled", messages=asked, stream=True, **where)
told["streamed"] = "".join(each.choices[0].delta.content or "" for each in pieces)
try:
    litellm.completion(model="openai/nobody", messages=asked, **where)
except litellm.NotFoundError as error:
    told["unknown"] = str(error)
try:
    for _ in litellm.completion(model="openai/broken", messages=asked, stream=True, **where):
        pass
except Exception as error:
    told["failed"] = type(error).__name__
told["responses"] = litellm.responses(model="openai/tooled", input="hi", **where).output_text
print(json.dumps(told))
"""

if foreign.ASKED_FOR:

    @pytest.mark.timeout(1200)
    async def test_it_asks_agents_as_models() -> None:
        python = await asyncio.to_thread(foreign.environment_of, "litellm")
        async with dialects_served() as service:
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(
                str(python), "-c", PROGRAM, service.url,
                stdout=pipe, stderr=pipe, env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
            )  # fmt: skip
            code, out, err = await finish(process)
        assert code == 0, err
        told = json.loads(out.splitlines()[-1])
        assert told["both"] == ["".join(CHATTY), "".join(TOOLED)]
        assert told["streamed"] == told["responses"] == "".join(TOOLED)
        assert "nobody" in told["unknown"]
        assert told["failed"]
