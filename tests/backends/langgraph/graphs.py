"""Graphs as users write them, and a chat model that asks a server of the test's own."""

from __future__ import annotations

import asyncio
import itertools
import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar, TypedDict

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import Send, interrupt
from openai import AsyncOpenAI

from orchestrator import Progress
from orchestrator.backends.base import AgentInput


class StreamingModel(BaseChatModel):
    """A model that is only ever streamed."""

    @property
    def _llm_type(self) -> str:
        return type(self).__name__

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **keys: Any) -> ChatResult:
        raise NotImplementedError


class WireModel(StreamingModel):
    """Streams what an OpenAI-compatible server says; `url` is set by the test."""

    url: ClassVar[str] = ""
    name_there: ClassVar[str] = "echo-20"

    async def _astream(
        self, messages: list[Any], stop: Any = None, run_manager: Any = None, **keys: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        roles = {"human": "user", "ai": "assistant"}
        asked: Any = [{"role": roles.get(m.type, m.type), "content": m.content} for m in messages]
        async with AsyncOpenAI(base_url=self.url, api_key="k", max_retries=0) as client:
            stream = await client.chat.completions.create(model=self.name_there, messages=asked, stream=True)
            async with stream:
                async for chunk in stream:
                    text = chunk.choices[0].delta.content if chunk.choices else None
                    yield ChatGenerationChunk(message=AIMessageChunk(content=text or ""))


class PlayedModel(StreamingModel):
    """Calls a tool when it is asked, and says what that returned."""

    async def _astream(
        self, messages: list[Any], stop: Any = None, run_manager: Any = None, **keys: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages[-1], len(messages)):
            yield ChatGenerationChunk(message=chunk)

    def _chunks(self, last: Any, count: int) -> list[AIMessageChunk]:
        if isinstance(last, ToolMessage):
            used: Any = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
            return [
                AIMessageChunk(content="It is "),
                AIMessageChunk(content=str(last.content)),
                AIMessageChunk(
                    content="", usage_metadata=used, response_metadata={"finish_reason": "length"}
                ),
            ]
        call: Any = {"name": "look", "args": '{"at"', "id": f"c{count}", "index": 0}
        rest: Any = {"name": None, "args": ': "sky"}', "id": None, "index": 0}
        used = {
            "input_tokens": 3, "output_tokens": 4, "total_tokens": 7,
            "input_token_details": {"cache_read": 1}, "output_token_details": {"reasoning": 2},
        }  # fmt: skip
        return [
            AIMessageChunk(content=[{"type": "thinking", "thinking": "hm"}]),
            AIMessageChunk(content=[{"type": "text", "text": "Let me look. "}]),
            AIMessageChunk(content="", tool_call_chunks=[call]),
            AIMessageChunk(content="", tool_call_chunks=[rest], usage_metadata=used),
        ]


class SpellingModel(StreamingModel):
    """Says its words, one in a turn of the loop."""

    words: list[str]

    async def _astream(
        self, messages: list[Any], stop: Any = None, run_manager: Any = None, **keys: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in self.words:
            await asyncio.sleep(0)
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))


def look(at: str) -> str:
    """Look at something."""
    return "blue"


async def _talk(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await WireModel().ainvoke(state["messages"])]}


async def _play(state: MessagesState) -> dict[str, Any]:
    write = get_stream_writer()
    write(Progress("Playing", step=1, steps=2))
    write({"seen": len(state["messages"])})
    write("still playing")
    return {"messages": [await PlayedModel().ainvoke(state["messages"])]}


def _ask(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f" You said {interrupt({'question': 'Shall I?'})}.")]}


def _ask_twice(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f"{interrupt('First?')}, {interrupt('Second?')}")]}


def _count(state: MessagesState) -> dict[str, Any]:
    asked = sum(message.type == "human" for message in state["messages"])
    return {"messages": [AIMessage(f"question {asked} of {len(state['messages'])}")]}


def _end(state: MessagesState) -> dict[str, Any]:
    """Say what stands before the bar, and why that ended, in an integration's words."""
    text, key, word = str(state["messages"][-1].content).split("|")
    return {"messages": [AIMessage(text, response_metadata={key: word})]}


async def _spoil(state: MessagesState) -> dict[str, Any]:
    if state["messages"][-1].content == "fail":
        raise ConnectionError("secret host")
    return _count(state)


def line(*nodes: Any, **options: Any) -> Any:
    builder = StateGraph(MessagesState)
    for node in nodes:
        builder.add_node(node.__name__.strip("_"), node)
    names = [START, *(node.__name__.strip("_") for node in nodes), END]
    for before, after in itertools.pairwise(names):
        builder.add_edge(before, after)
    return builder.compile(**options)


talking = line(_talk)
asking_twice = line(_ask_twice, checkpointer=InMemorySaver())
asking = line(_count, _ask, checkpointer=InMemorySaver())
forgetful = line(_ask)
remembering = line(_spoil, checkpointer=InMemorySaver())
counting = line(_count)
ending = line(_end)
uncompiled = (
    StateGraph(MessagesState).add_node("count", _count).add_edge(START, "count").add_edge("count", END)
)


def playing() -> Any:
    """Return a graph with a tool: a factory."""
    builder = StateGraph(MessagesState)
    builder.add_node("play", _play)
    builder.add_node("tools", ToolNode([look]))
    builder.add_edge(START, "play")
    builder.add_conditional_edges(
        "play", lambda s: "tools" if s["messages"][-1].tool_calls else END, ["tools", END]
    )
    builder.add_edge("tools", "play")
    return builder.compile()


class _Endless(TypedDict):
    messages: Annotated[list[AnyMessage], operator.add]


def circling() -> Any:
    builder = StateGraph(_Endless)
    builder.add_node("round", lambda state: {"messages": []})
    builder.add_edge(START, "round")
    builder.add_edge("round", "round")
    return builder.compile()


def _approve(state: MessagesState) -> dict[str, Any]:
    """Ask as LangChain's human-in-the-loop middleware does."""
    asked = {"action_requests": [{"name": "send", "args": {"to": "all"}}], "review_configs": []}
    return {"messages": [AIMessage(str(interrupt(asked)["decisions"]))]}


approving = line(_approve, checkpointer=InMemorySaver())
nothing = 3


PIXEL = "iVBORw0KGgo="
NOTE = {"type": "citation", "url": "https://example.org/a", "title": "A", "cited_text": "It is so."}


def _show(state: MessagesState) -> dict[str, Any]:
    """Return a tool's result with an image in it, and an answer that cites and draws."""
    seen = [
        {"type": "text", "text": "A dot."},
        {"type": "image", "base64": PIXEL, "mime_type": "image/gif"},
    ]
    linked = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    local = {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}
    said = [{"type": "text", "text": "See.", "annotations": [NOTE, NOTE]}, linked, local]
    call = {"name": "draw", "args": {}, "id": "c1"}
    return {
        "messages": [
            AIMessage("", tool_calls=[call]),
            ToolMessage(seen, tool_call_id="c1", name="draw"),
            AIMessage(said),
        ]
    }


showing = line(_show)


class Form(TypedDict, total=False):
    question: str


unheard = StateGraph(Form).add_node("fill", lambda state: {}).add_edge(START, "fill").compile()


def _write_anything(state: MessagesState) -> dict[str, Any]:
    write = get_stream_writer()
    for each in ([1, "two"], 3, None, True, {"a": {4}}, "words"):
        write(each)
    return {"messages": [AIMessage("written")]}


class Unreadable:
    def __repr__(self) -> str:
        raise ValueError("nothing to see")


def _write_too_much(state: MessagesState) -> dict[str, Any]:
    write = get_stream_writer()
    deep: list[Any] = []
    for _ in range(2_000):
        deep = [deep]
    for each in (float("nan"), Unreadable(), deep, "x" * 100_000, {"a": "x" * 100_000}, 10**5_000):
        write(each)
    for number in range(1_100):
        write(number)
    return {"messages": [AIMessage("written")]}


def _again(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("again")]}


class Draft(TypedDict, total=False):
    messages: list[Any]
    draft: Any


def _draft(state: Draft) -> dict[str, Any]:
    return {
        "draft": {"title": "A"} if state["messages"][-1].content == "structured" else "In a key of its own."
    }


drafting = StateGraph(Draft).add_node("draft", _draft).add_edge(START, "draft").compile()


@entrypoint()
async def functional(given: dict[str, Any]) -> str:
    return f"heard {given['messages'][-1].content}"


def _addressed(state: MessagesState, runtime: Runtime[Any]) -> dict[str, Any]:
    return {"messages": [AIMessage(f"for {runtime.context}")]}


def context_of(request: AgentInput) -> str:
    return request.agent_id


class Said(TypedDict):
    messages: Annotated[list[Any], operator.add]


async def _work(state: dict[str, Any]) -> dict[str, Any]:
    """Speak at the same time as the others: after each word, all have said as many."""
    model = SpellingModel(words=[f"{state['number']}{letter} " for letter in "abc"])
    return {"messages": [await model.ainvoke("go")]}


together = (
    StateGraph(Said)
    .add_node("work", _work)
    .add_conditional_edges(
        START, lambda state: [Send("work", {"number": each}) for each in range(3)], ["work"]
    )
    .compile()
)


async def _spell(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await SpellingModel(words=["spelt "]).ainvoke("go")]}


async def _call(state: MessagesState) -> dict[str, Any]:
    call = {"name": "spell", "args": {}, "id": "c1"}
    return {"messages": [AIMessage("Let me. ", tool_calls=[call])]}


async def _tools(state: MessagesState) -> dict[str, Any]:
    """Run a tool that is a graph with a model of its own."""
    said = await line(_spell).ainvoke({"messages": []})
    return {"messages": [ToolMessage(said["messages"][-1].content, tool_call_id="c1", name="spell")]}


delegating = line(_call, _tools, _again)
nested = (
    StateGraph(MessagesState).add_node("researcher", line(_spell)).add_edge(START, "researcher").compile()
)
too_much = line(_write_too_much)
paused = line(_count, _again, checkpointer=InMemorySaver(), interrupt_before=["again"])
addressed = line(_addressed)
MADE: list[str] = []


async def made_later(config: dict[str, Any]) -> Any:
    MADE.append(str(config["tags"]))
    return counting


def made_of_config(config: dict[str, Any]) -> Any:
    return line(_count)


@asynccontextmanager
async def opened(config: dict[str, Any]) -> AsyncIterator[Any]:
    MADE.append("opened")
    yield counting
    MADE.append("closed")


async def fails_later() -> Any:
    raise ValueError("no graph today")


writing = StateGraph(MessagesState).add_node("write", _write_anything).add_edge(START, "write").compile()


async def _exit(state: MessagesState) -> None:
    raise SystemExit(3)


exiting = StateGraph(MessagesState).add_node("exit", _exit).add_edge(START, "exit").compile()


def leaves() -> None:
    raise SystemExit(3)
