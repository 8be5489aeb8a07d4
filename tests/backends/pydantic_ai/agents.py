"""Agents of Pydantic AI as users write them, with its own function models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event
from typing import Any, ClassVar, cast

from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.agent import WrapperAgent
from pydantic_ai.messages import BinaryContent, ImageUrl, ToolReturn, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from orchestrator.backends.base import AgentInput


async def _play(messages: list[Any], info: AgentInfo) -> AsyncIterator[Any]:
    """Think, call both tools, and say what they returned."""
    returned = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
    if returned:
        for part in returned:
            yield f"{part.tool_name}: {part.content}. "
        return
    yield {0: DeltaThinkingPart(content="hm")}
    yield "Let me. "
    for number, tool in enumerate(info.function_tools, 2):
        yield {number: DeltaToolCall(tool.name, '{"at":"sky"}', tool_call_id=f"c{number}")}


playing = Agent(FunctionModel(stream_function=_play))
asking = Agent(FunctionModel(stream_function=_play), deps_type=str)


@playing.tool_plain
def look(at: str) -> dict[str, str]:
    return {at: "blue"}


@asking.tool(requires_approval=True)
def send(context: RunContext[str], at: str) -> str:
    return f"sent to {at} for {context.deps}"


async def _count(messages: list[Any], info: AgentInfo) -> AsyncIterator[str]:
    parts = [part for message in messages for part in message.parts if isinstance(part, UserPromptPart)]
    images = sum(isinstance(each, ImageUrl) for part in parts for each in part.content)
    yield f"question {len(parts)} of {len(messages)} with {images}"


counting = Agent(FunctionModel(stream_function=_count, model_name="abacus"))


class Verdict(BaseModel):
    """An answer with a shape."""

    blue: bool
    why: list[str]


async def _judge(messages: list[Any], info: AgentInfo) -> AsyncIterator[Any]:
    yield {0: DeltaToolCall(info.output_tools[0].name, '{"blue":true,', tool_call_id="o1")}
    yield {0: DeltaToolCall(json_args='"why":["sky"]}')}


judging = Agent(FunctionModel(stream_function=_judge), output_type=Verdict)


async def _fail(messages: list[Any], info: AgentInfo) -> AsyncIterator[str]:
    yield "half "
    raise ConnectionResetError("secret host")


failing = Agent(FunctionModel(stream_function=_fail))


class EndingModel(FunctionModel):
    """Says what stands before the bar in its question, and ends for the reason behind it."""

    @asynccontextmanager
    async def request_stream(self, messages: list[Any], *more: Any) -> AsyncIterator[Any]:
        async with super().request_stream(messages, *more) as response:
            response.finish_reason = _asked(messages)[1]
            yield response


def _asked(messages: list[Any]) -> list[Any]:
    question = [part.content for part in messages[-1].parts if isinstance(part, UserPromptPart)]
    return "".join(map(str, question)).split("|")


async def _say(messages: list[Any], info: AgentInfo) -> AsyncIterator[str]:
    yield _asked(messages)[0]


ending = Agent(EndingModel(stream_function=_say))


def who_asks(request: AgentInput) -> str:
    """Return an attempt's `deps`."""
    return request.run_id


class Place:
    """Where `wired` finds its model; set by the test."""

    url = ""
    model = "echo-20"
    clients: ClassVar[list[AsyncOpenAI]] = []

    @classmethod
    async def close(cls) -> None:
        """Close what was opened: a pool of the user's outlives the agent."""
        while cls.clients:
            await cls.clients.pop().close()


def wired() -> Agent:
    """Return an agent whose model is an OpenAI-compatible server."""
    Place.clients.append(AsyncOpenAI(base_url=Place.url, api_key="k", max_retries=0))
    provider = OpenAIProvider(openai_client=Place.clients[-1])
    return Agent(OpenAIChatModel(Place.model, provider=provider))


async def later() -> Any:
    return counting


async def never() -> None: ...


async def _draw(messages: list[Any], info: AgentInfo) -> AsyncIterator[Any]:
    """Call every tool once, and say that it is done."""
    if any(isinstance(part, ToolReturnPart) for part in messages[-1].parts):
        yield "Drawn."
        return
    for number, tool in enumerate(info.function_tools):
        yield {number: DeltaToolCall(tool.name, "{}", tool_call_id=f"c{number}")}


drawing = Agent(FunctionModel(stream_function=_draw))


@drawing.tool_plain
def draw() -> list[Any]:
    huge = BinaryContent(bytes(300_000), media_type="image/png")
    return ["A dot.", BinaryContent(b"GIF87a", media_type="image/gif"), huge]


@drawing.tool_plain
def find() -> ToolReturn:
    return ToolReturn("found", content=["See", ImageUrl("https://example.org/a.png")])


waiting = Agent(FunctionModel(stream_function=_play))
WAITS, GOES_ON = Event(), Event()


@waiting.tool_plain(name="look")
def look_for_ever(at: str) -> str:
    WAITS.set()
    GOES_ON.wait()
    return "late"


refining = Agent(FunctionModel(stream_function=_play))


@refining.tool_plain(name="look", retries=5)
def look_once_more(at: str) -> str:
    raise ModelRetry("look again")


async def _draft(messages: list[Any], info: AgentInfo) -> AsyncIterator[str]:
    yield "quiet "
    yield "words"


shouting = Agent(FunctionModel(stream_function=_draft))
checking = Agent(FunctionModel(stream_function=_draft))
wrapping = WrapperAgent(checking)
modelless: Agent[None, str] = Agent()
optional = Agent(FunctionModel(stream_function=_draft), deps_type=cast("type[str | None]", str | None))


@shouting.output_validator
def shout(said: str) -> str:
    return said.upper()


@checking.output_validator
def let_through(said: str) -> str:
    return said
