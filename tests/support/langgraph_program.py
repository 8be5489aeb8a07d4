"""Graphs behind LangGraph's own AG-UI server: `python langgraph_program.py PORT MODELS_URL`.

It is run by the Python of an environment of its own, so it imports nothing of this repository. The model of the graph
at `/talking` is one of an OpenAI-compatible server; the others play theirs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from ag_ui_langgraph import LangGraphAgent, add_langgraph_fastapi_endpoint
from fastapi import FastAPI
from langchain_core.callbacks.manager import adispatch_custom_event
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt


class PlayedModel(BaseChatModel):
    """Thinks, calls a tool when it is asked, and says what that returned."""

    @property
    def _llm_type(self) -> str:
        return "played"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **keys: Any) -> ChatResult:
        whole = None
        for chunk in _played(messages[-1], len(messages)):
            whole = chunk if whole is None else whole + chunk
        return ChatResult(
            generations=[ChatGeneration(message=AIMessage(**whole.model_dump(exclude={"type"})))]
        )

    async def _astream(
        self, messages: list[Any], stop: Any = None, run_manager: Any = None, **keys: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _played(messages[-1], len(messages)):
            yield ChatGenerationChunk(message=chunk)


def _played(last: Any, count: int) -> list[AIMessageChunk]:
    if isinstance(last, ToolMessage):
        used: Any = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
        return [
            AIMessageChunk(content="It is "),
            AIMessageChunk(content=str(last.content)),
            AIMessageChunk(content=".", usage_metadata=used, response_metadata={"finish_reason": "stop"}),
        ]
    call: Any = {"name": "look", "args": '{"at"', "id": f"c{count}", "index": 0}
    rest: Any = {"name": None, "args": ': "sky"}', "id": None, "index": 0}
    used = {
        "input_tokens": 3,
        "output_tokens": 4,
        "total_tokens": 7,
        "output_token_details": {"reasoning": 2},
    }
    return [
        AIMessageChunk(content=[{"type": "thinking", "thinking": "hm", "index": 0}]),
        AIMessageChunk(content=[{"type": "text", "text": "Let me look. ", "index": 1}]),
        AIMessageChunk(content="", tool_call_chunks=[call]),
        AIMessageChunk(content="", tool_call_chunks=[rest]),
        AIMessageChunk(content="", usage_metadata=used, response_metadata={"finish_reason": "tool_calls"}),
    ]


class WireModel(BaseChatModel):
    """Streams what an OpenAI-compatible server says."""

    url: str
    name_there: str

    @property
    def _llm_type(self) -> str:
        return "wire"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **keys: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self, messages: list[Any], stop: Any = None, run_manager: Any = None, **keys: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        roles = {"human": "user", "ai": "assistant"}
        asked = [{"role": roles.get(each.type, each.type), "content": each.content} for each in messages]
        body = {"model": self.name_there, "messages": asked, "stream": True}
        async with (
            httpx.AsyncClient(timeout=None, trust_env=False) as client,
            client.stream("POST", f"{self.url}/chat/completions", json=body) as answer,
        ):
            async for line in answer.aiter_lines():
                data = line.removeprefix("data: ")
                if data in (line, "[DONE]"):
                    continue
                for choice in json.loads(data)["choices"]:
                    yield ChatGenerationChunk(
                        message=AIMessageChunk(content=choice["delta"].get("content") or "")
                    )


def look(at: str) -> str:
    """Look at something."""
    return "blue"


class Steps(MessagesState):
    """The messages, and how far it is."""

    steps: list[str]


async def play(state: Steps) -> dict[str, Any]:
    await adispatch_custom_event("Seen So Far", {"messages": len(state["messages"])})
    answer = await PlayedModel().ainvoke(state["messages"])
    return {"messages": [answer], "steps": [*state.get("steps", []), "play"]}


def file_it(state: MessagesState) -> dict[str, Any]:
    answer = interrupt({"question": "Shall I?", "name": "file_it"})
    return {"messages": [AIMessage(f"You said {json.dumps(answer)}.")]}


def graph_of(**nodes: Any) -> Any:
    builder = StateGraph(Steps)
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    return builder


def graphs(url: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return the graphs by their paths, and how their server is set up."""

    async def talk(state: MessagesState) -> dict[str, Any]:
        name = "endless" if state["messages"][-1].content.startswith("work") else "echo"
        return {"messages": [await WireModel(url=url, name_there=name).ainvoke(state["messages"])]}

    playing = graph_of(play=play)
    playing.add_node("tools", ToolNode([look]))
    playing.add_conditional_edges(
        "play", lambda s: "tools" if s["messages"][-1].tool_calls else END, ["tools", END]
    )
    playing.add_edge("tools", "play")
    return {
        "playing": (playing, {}),
        "talking": (graph_of(talk=talk), {}),
        "asking": (graph_of(file_it=file_it), {}),
        "asking-outright": (graph_of(file_it=file_it), {"emit_interrupt_outcome": True}),
    }


def main() -> None:
    """Serve until SIGTERM."""
    port, url = int(sys.argv[1]), sys.argv[2]
    app = FastAPI()
    for name, (builder, options) in graphs(url).items():
        agent = LangGraphAgent(name=name, graph=builder.compile(checkpointer=InMemorySaver()), **options)
        add_langgraph_fastapi_endpoint(app, agent, f"/{name}")
    # Longer than any client keeps a connection: else it is closed while it is being used again.
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=3600)


if __name__ == "__main__":
    main()
