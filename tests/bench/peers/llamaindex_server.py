"""LlamaIndex's own server: a workflow with a step for each agent, side by side; its store is in memory."""

from __future__ import annotations

import argparse
import asyncio
import socket
from functools import cache

import uvicorn
from llama_agents.server import WorkflowServer
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike
from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent


class Ask(Event):
    agent: str
    model: str


class Token(Event):
    agent: str
    text: str


class Answered(Event):
    agent: str


class FanIn(Workflow):
    """Asks the model once for each agent."""

    def __init__(self, upstream: str) -> None:
        super().__init__(timeout=None)
        self._llm = cache(
            lambda name: OpenAILike(
                model=name,
                api_base=upstream,
                api_key="none",
                is_chat_model=True,
                max_retries=0,
                reuse_client=True,
            )
        )

    @step
    async def begin(self, ctx: Context, asked: StartEvent) -> Ask | None:
        await ctx.store.set("agents", asked.agents)
        for n in range(asked.agents):
            ctx.send_event(Ask(agent=f"a{n}", model=asked.model))
        return None

    @step(num_workers=16)
    async def ask(self, ctx: Context, asked: Ask) -> Answered:
        async for piece in await self._llm(asked.model).astream_chat(
            [ChatMessage(role="user", content="go")]
        ):
            if piece.delta:
                ctx.write_event_to_stream(Token(agent=asked.agent, text=piece.delta))
        return Answered(agent=asked.agent)

    @step
    async def end(self, ctx: Context, answered: Answered) -> StopEvent | None:
        agents = await ctx.store.get("agents")
        return None if ctx.collect_events(answered, [Answered] * agents) is None else StopEvent(result="done")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", required=True)
    server = WorkflowServer()
    server.add_workflow("fanin", FanIn(parser.parse_args().upstream))
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await uvicorn.Server(uvicorn.Config(server.app, log_level="warning", access_log=False)).serve(
        sockets=[listener]
    )


if __name__ == "__main__":
    asyncio.run(main())
