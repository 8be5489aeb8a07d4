"""A real A2A server: the A2A project's own, around an agent that does what the question says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes.agent_card_routes import create_agent_card_routes
from a2a.server.routes.jsonrpc_routes import create_jsonrpc_routes
from a2a.server.routes.rest_routes import create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Part,
    Task,
    TaskState,
    TaskStatus,
)
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from starlette.applications import Starlette

from .asgi import AsgiServer, free_socket, serving_asgi

PAUSE_SECONDS = 0.01


def data(value: Any) -> Part:
    return Part(data=ParseDict(value, Value()))


class Obedient(AgentExecutor):
    """Does what the question's first word says; any other question is repeated word by word.

    Attributes:
        contexts: The context of each question, in order. cancelled: How many tasks were cancelled.
        proceed: Set to let `wait` go on.
    """

    def __init__(self) -> None:
        self.contexts: list[str] = []
        self.answers: list[Any] = []
        self.cancelled = 0
        self.proceed = asyncio.Event()

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        task_id, context_id = str(context.task_id), str(context.context_id)
        self.contexts.append(context_id)
        updater = TaskUpdater(event_queue, task_id, context_id)
        if context.current_task is None:
            submitted = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
            await event_queue.enqueue_event(Task(id=task_id, context_id=context_id, status=submitted))
        else:
            await self._answered(context, updater)
            return
        await updater.start_work(updater.new_agent_message([Part(text="I begin.")]))
        words = context.get_user_input().split()
        act = getattr(self, f"_do_{words[0]}", None)
        await (self._repeat(words, updater) if act is None else act(updater))

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        self.cancelled += 1
        await TaskUpdater(event_queue, str(context.task_id), str(context.context_id)).cancel()

    async def _answered(self, context: RequestContext, updater: TaskUpdater) -> None:
        from google.protobuf.json_format import MessageToDict

        self.answers = [MessageToDict(part) for part in context.message.parts] if context.message else []
        await updater.start_work()
        await updater.add_artifact([Part(text="Thank you.")], artifact_id="a")
        await updater.complete()

    async def _repeat(self, words: list[str], updater: TaskUpdater) -> None:
        for number, word in enumerate(words):
            await asyncio.sleep(PAUSE_SECONDS)
            await updater.add_artifact(
                [Part(text=f"{word} ")],
                artifact_id="a",
                append=number > 0,
                last_chunk=number == len(words) - 1,
            )
        await updater.complete()

    async def _do_ask(self, updater: TaskUpdater) -> None:
        await updater.requires_input(updater.new_agent_message([Part(text="Shall I?")]))

    async def _do_fail(self, updater: TaskUpdater) -> None:
        await updater.add_artifact([Part(text="half ")], artifact_id="a")
        await updater.failed(updater.new_agent_message([Part(text="key sk-very-secret is wrong")]))

    async def _do_adk_fail(self, updater: TaskUpdater) -> None:
        """Fail as ADK does: it tells what went wrong while it still works."""
        told = updater.new_agent_message([Part(text="key sk-very-secret is wrong")])
        metadata = {"adk_error_code": "RuntimeError", "adk_usage_metadata": {"promptTokenCount": 3}}
        await updater.update_status(TaskState.TASK_STATE_WORKING, told, metadata=metadata)
        await updater.failed(told)

    async def _do_adk_count(self, updater: TaskUpdater) -> None:
        counted = {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 1}
        for _ in range(2):
            metadata = {"adk_usage_metadata": counted}
            await updater.update_status(TaskState.TASK_STATE_WORKING, metadata=metadata)
        await updater.add_artifact([Part(text="Counted.")], artifact_id="a")
        await updater.complete()

    async def _do_whole(self, updater: TaskUpdater) -> None:
        """Say a piece, then the whole that begins with it, as ADK does."""
        await updater.add_artifact([Part(text="It ")], artifact_id="a")
        await updater.add_artifact([Part(text="It is.")], artifact_id="a", last_chunk=True)
        await updater.complete()

    async def _do_takeback(self, updater: TaskUpdater) -> None:
        await updater.add_artifact([Part(text="It ")], artifact_id="a")
        await updater.add_artifact([Part(text="No.")], artifact_id="a")
        await updater.complete()

    async def _do_finish(self, updater: TaskUpdater) -> None:
        """Answer with the last message alone."""
        await updater.complete(updater.new_agent_message([Part(text="Only this.")]))

    async def _do_rich(self, updater: TaskUpdater) -> None:
        parts = [
            Part(text="hm", metadata={"adk_thought": True}),
            Part(data=ParseDict({"id": "c1", "name": "look", "args": {"at": "sky"}}, Value()),
                 metadata={"adk_type": "function_call"}),
            Part(data=ParseDict({"id": "c1", "name": "look", "response": {"is": "blue"}}, Value()),
                 metadata={"adk_type": "function_response"}),
            Part(text="Blue."),
            data({"weights": [1, None]}),
            Part(raw=b"\x89PNG", media_type="image/png", filename="dot.png"),
            Part(url="https://example.org/a.pdf", media_type="application/pdf", filename="a.pdf"),
        ]  # fmt: skip
        await updater.add_artifact(parts, artifact_id="Result 1")
        await updater.complete()

    async def _do_wait(self, updater: TaskUpdater) -> None:
        await updater.add_artifact([Part(text="before ")], artifact_id="a")
        await self.proceed.wait()
        await updater.add_artifact([Part(text="after")], artifact_id="a", append=True)
        await updater.complete()

    async def _do_work(self, updater: TaskUpdater) -> None:
        await updater.add_artifact([Part(text="on ")], artifact_id="a")
        await asyncio.Event().wait()


@asynccontextmanager
async def a2a_server(
    *, binding: str = "JSONRPC", streaming: bool = True, version: str = "1.0", url: str | None = None
) -> AsyncIterator[tuple[AsgiServer, Obedient]]:
    """Serve the obedient agent in one binding; *url* is what its card says instead of the truth."""
    listening = free_socket()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    card = AgentCard(
        name="Obedient", description="Does what it is told.", version="1",
        capabilities=AgentCapabilities(streaming=streaming),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[AgentSkill(id="obey", name="Obey", description="Obeys.", tags=["test"])],
        supported_interfaces=[
            AgentInterface(url=url or f"{address}/a2a", protocol_binding=binding, protocol_version=version)
        ],
    )  # fmt: skip
    agent = Obedient()
    handler = DefaultRequestHandler(agent_executor=agent, task_store=InMemoryTaskStore(), agent_card=card)
    routes = [*create_agent_card_routes(card)]
    if binding == "JSONRPC":
        routes += create_jsonrpc_routes(handler, "/a2a")
    else:
        routes += create_rest_routes(handler, path_prefix="/a2a")
    async with serving_asgi(Starlette(routes=routes), listening) as server:
        yield server, agent
