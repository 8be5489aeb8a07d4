"""Graphs whose nodes are run again, and whose tools ask models of their own at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import RetryPolicy, interrupt
from pydantic import Field

from .graphs import StreamingModel, line

AGAIN = RetryPolicy(initial_interval=0.0, max_attempts=3, jitter=False, retry_on=lambda exc: True)


class Failing(StreamingModel):
    """Says half of its words, and fails the first time; `fails` counts down."""

    words: list[str]
    fails: list[None] = Field(default_factory=list)

    async def _astream(
        self, messages: list[Any], stop: Any = None, run_manager: Any = None, **keys: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        fails = bool(self.fails) and bool(self.fails.pop() is None)
        for word in self.words[: len(self.words) // 2] if fails else self.words:
            await asyncio.sleep(0)
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        if fails:
            raise RuntimeError("the provider has gone")


def _node(*, model_fails: int = 0, node_fails: int = 0) -> Any:
    model = Failing(words=["It ", "is ", "blue ", "now. "], fails=[None] * model_fails)
    left = [node_fails]

    async def say(state: MessagesState) -> dict[str, Any]:
        answer = await model.ainvoke(state["messages"])
        if left[0]:
            left[0] -= 1
            raise ValueError("no good answer")
        return {"messages": [answer]}

    return say


def _graph(name: str, node: Any, **keys: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("first", lambda state: {"messages": [AIMessage("First. ")]})
    builder.add_node(name, node, **keys)
    builder.add_edge(START, "first")
    builder.add_edge("first", name)
    builder.add_edge(name, END)
    return builder.compile(checkpointer=InMemorySaver())


def broken_model() -> Any:
    """Make a graph whose model fails in the middle twice."""
    return _graph("say", _node(model_fails=2), retry_policy=AGAIN)


def broken_node() -> Any:
    """Make a graph whose node does not like what its model said, once."""
    return _graph("say", _node(node_fails=1), retry_policy=AGAIN)


def caught() -> Any:
    """Make a graph whose node asks another model if the first fails."""
    first = Failing(words=["Half ", "of ", "it ", "all."], fails=[None])
    second = Failing(words=["It ", "is ", "blue ", "now. "])

    async def say(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await first.with_fallbacks([second]).ainvoke(state["messages"])]}

    return _graph("say", say)


def left_early() -> Any:
    """Make a graph whose node has heard enough before its model has ended."""
    model = Failing(words=["It ", "is ", "blue ", "now. ", "never said"])

    async def say(state: MessagesState) -> dict[str, Any]:
        said = ""
        async for chunk in model.astream(state["messages"]):
            said += str(chunk.content)
            if said.endswith("now. "):
                break
        return {}

    return _graph("say", say)


def asking() -> Any:
    """Make a graph whose node asks after its model has spoken: LangGraph runs it again with the answer."""
    model = Failing(words=["It ", "is ", "blue ", "now. "])

    async def say(state: MessagesState) -> dict[str, Any]:
        answer = await model.ainvoke(state["messages"])
        interrupt("Shall I?")
        return {"messages": [answer]}

    return _graph("say", say)


@tool
async def whisper(what: str) -> str:
    """Say it by a model of its own."""
    return str((await Failing(words=list(what)).ainvoke("hm")).content)


class _Caller(StreamingModel):
    """Calls two tools at once, and is done with what they say."""

    async def _astream(
        self, messages: list[Any], stop: Any = None, run_manager: Any = None, **keys: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        if messages[-1].type == "tool":
            yield ChatGenerationChunk(message=AIMessageChunk(content="Done."))
            return
        for index, what in enumerate(("aaa", "bbb")):
            call: Any = {
                "name": "whisper", "args": f'{{"what": "{what}"}}', "id": f"call-{what}", "index": index,
            }  # fmt: skip
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))


def _two_tools(node: str) -> Any:
    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await _Caller().ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("think", think)
    builder.add_node(node, ToolNode([whisper]))
    builder.add_edge(START, "think")
    calls = lambda state: node if getattr(state["messages"][-1], "tool_calls", None) else END  # noqa: E731
    builder.add_conditional_edges("think", calls, [node, END])
    builder.add_edge(node, "think")
    return builder.compile()


def two_tools() -> Any:
    """Make a graph whose tools have models of their own, and are called at the same time."""
    return _two_tools("tools")


def other_name() -> Any:
    """Make the same with another name of the node than LangGraph's own agents give it."""
    return _two_tools("hands")


class _Halves(Failing):
    """Says an emoji in two halves, as a provider's server in JavaScript may."""

    async def _astream(
        self, messages: list[Any], stop: Any = None, run_manager: Any = None, **keys: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for piece in ("It is \ud83d", "\ude00 and \ud83d", "", "\ude42\ud83d", "\ude00."):
            yield ChatGenerationChunk(
                message=AIMessageChunk.model_construct(content=piece, type="AIMessageChunk")
            )


def halves() -> Any:
    """Make a graph whose model cuts characters in half."""

    async def say(state: MessagesState) -> dict[str, Any]:
        async for _ in _Halves(words=[]).astream(state["messages"]):
            pass
        return {}

    return line(say)
