"""An agent of Google's ADK behind ADK's own A2A server: `python adk_program.py PORT MODELS_URL MODEL`.

It is run by the Python of an environment of its own, for ADK conflicts with the service; so it imports nothing of this
repository but `travel_server`, the handbook's program for ADK. Its model is one of an OpenAI-compatible server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from google.adk.a2a.utils.agent_to_a2a import to_a2a
from google.adk.agents import LlmAgent
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.genai.types import Content, Part
from travel_server import executor


class WireModel(BaseLlm):
    """Streams what an OpenAI-compatible server says."""

    url: str

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> AsyncIterator[Any]:
        asked = [
            {"role": "user" if each.role == "user" else "assistant", "content": _text(each)}
            for each in llm_request.contents
        ]
        body = {"model": self.model, "messages": asked, "stream": True}
        pieces: list[str] = []
        async with (
            httpx.AsyncClient(timeout=None, trust_env=False) as client,
            client.stream("POST", f"{self.url}/chat/completions", json=body) as answer,
        ):
            async for line in answer.aiter_lines():
                for text in _words(line):
                    pieces.append(text)
                    yield _said(text, partial=True)
        # The last, not partial, has the whole: so does ADK want it.
        yield _said("".join(pieces), partial=False)


def _text(content: Any) -> str:
    return "".join(part.text or "" for part in content.parts)


def _words(line: str) -> list[str]:
    data = line.removeprefix("data: ")
    if data in (line, "[DONE]"):
        return []
    found = (choice["delta"].get("content") for choice in json.loads(data)["choices"])
    return [text for text in found if text]


def _said(text: str, *, partial: bool) -> LlmResponse:
    return LlmResponse(content=Content(role="model", parts=[Part(text=text)]), partial=partial)


def main() -> None:
    """Serve until SIGTERM."""
    port, url, model = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    agent = LlmAgent(name="worker", model=WireModel(model=model, url=url), instruction="Answer.")
    app = to_a2a(agent, host="127.0.0.1", port=port, agent_executor_factory=executor)
    # Longer than any client keeps a connection: else it is closed while it is being used again.
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=3600)


if __name__ == "__main__":
    main()
