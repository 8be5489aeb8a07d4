"""Asks agents whose models LiteLLM reaches in this process. Runs in LiteLLM's environment (`serve`)."""

from __future__ import annotations

import json
import os
from typing import Any

from orchestrator.backends.base import AgentInput, Finish
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError
from orchestrator.events import Reasoning, Token, ToolCall, ToolResult


async def answer(keys: dict[str, Any]) -> dict[str, Any]:
    settings = OpenAIAgentsSettings.model_validate({"agent_id": "a", **keys}, context={"file": None})
    backend = OpenAIAgentsBackend(settings, {"a": settings})
    told: dict[str, Any] = {"text": "", "reasoning": "", "calls": []}
    try:
        async for each in backend.stream(AgentInput("my secret prompt")):
            match each:
                case Token():
                    told["text"] += each.text
                case Reasoning():
                    told["reasoning"] += each.text
                case ToolCall():
                    told["calls"].append([each.name, json.loads(each.arguments)])
                case ToolResult():
                    told["calls"][-1].append(each.output)
                case Finish() if each.usage is not None:
                    told["usage"] = [each.usage.input_tokens, each.usage.output_tokens]
    except AgentError as exc:
        told.update(error=exc.code, message=exc.message, retryable=exc.retryable)
    finally:
        await backend.aclose()
    return told


async def answers(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask one agent after another, each with its `environ` and `keys`; return what came of them."""
    results = []
    for case in cases:
        os.environ.update(case["environ"])
        results.append(await answer(case["keys"]))
    return results
