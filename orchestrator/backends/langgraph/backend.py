"""The langgraph backend: a graph of LangGraph, the user's own and unchanged, answers in this process.

Owns the course of an attempt. What the chunks mean is `reading`'s, what the graph remembers `thread`'s.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Literal

from ...errors import AgentError
from ...events.agent import Status
from ...settings.agent import AgentSettings
from ..base import AgentInput, Emission, Finish
from ..framework_errors import framework_error
from ..user_objects import LazyObject, load_function, load_library, load_own, made_for
from .interrupts import GraphInterrupts
from .reading import GraphReading
from .runs import GraphRuns
from .settings import LangGraphSettings
from .thread import GraphThread, standstill_of, thread_of

EXTRA = "langgraph"
MODES = ("messages", "updates", "custom", "values")
_NO_MEMORY = (
    "The graph waits for an answer, but has no checkpointer to go on from; compile it with one, "
    "as in `builder.compile(checkpointer=InMemorySaver())`."
)
_FORGOTTEN = (
    "The agent's worker was lost, and its graph does not stand any more where it waited for an answer: it had gone on, "
    "or its checkpointer keeps nothing beyond a process, as `InMemorySaver` does. Ask again."
)


class LangGraphBackend:
    """Answers with a graph.

    Args:
        settings: `LangGraphSettings`.
        agents: Not used: a graph knows its own nodes.
    Raises:
        ConfigError: The library is not installed, or `graph` names none.
    """

    def __init__(self, settings: LangGraphSettings, agents: Mapping[str, AgentSettings]) -> None:
        self._settings = settings
        self._command: Any = load_library(settings, "langgraph.types", EXTRA).Command
        errors = load_library(settings, "langgraph.errors", EXTRA)
        self._recursion: type[Exception] = errors.GraphRecursionError
        messages = load_library(settings, "langchain_core.messages", EXTRA)
        self._human, self._ai = messages.HumanMessage, messages.AIMessage
        handler = load_library(settings, "langchain_core.callbacks", EXTRA).BaseCallbackHandler
        self._runs: type[GraphRuns] = type("Runs", (GraphRuns, handler), {})
        self._graph: Any = None
        self._keeps = False
        own = load_own(settings, "graph", settings.graph, "nodes", dict(settings.config))
        self._later = own if isinstance(own, LazyObject) else None
        if self._later is None:
            self._take(own)
        self._context = load_function(settings, "context", settings.context)

    def _take(self, graph: Any) -> None:
        settings = self._settings
        if not hasattr(graph, "astream"):
            if not hasattr(graph, "compile"):
                raise settings.problem("graph", f"{settings.graph!r} is no graph")
            graph = graph.compile()
        builder = getattr(graph, "builder", None)  # what is none, as a functional graph, takes any input
        keys = builder.schemas.get(builder.input_schema, {}) if builder is not None else {}
        if keys and not {"messages", "__root__"} & keys.keys():
            has = ", ".join(map(repr, keys))
            raise settings.problem(
                "graph",
                f"{settings.graph!r} would never hear the question: it comes as `messages`, and the graph's input "
                f"has {has}. Give its input a key `messages`, or ask the graph from a `backend: function`",
            )
        self._graph = graph
        # True asks for a parent's, and a graph that is run by itself has none.
        self._keeps = graph.checkpointer not in (None, True, False)

    @property
    def model(self) -> None:
        """None: the graph's nodes know theirs."""
        return None

    async def aclose(self) -> None:
        """Let go of a graph that was made here; any other is the user's."""
        if self._later is not None:
            await self._later.aclose()

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Answer *request*.

        Raises:
            AgentError: A model failed, the graph went round too often, or nobody answered what it asked.

        Cancelling and closing return when the graph's own stream is closed, and its thread is as it was before.
        """
        if self._later is not None and self._graph is None:
            self._take(await self._later.get())
        options: dict[str, Any] = {"config": self._config(request)}
        if self._context is not None:
            options["context"] = await made_for(request, self._context)
        thread = GraphThread(self._graph, options["config"]) if self._keeps else None
        found = await self._open(thread, request)
        runs = self._runs()
        options["config"]["callbacks"] = [runs, *(options["config"].get("callbacks") or ())]
        reading = GraphReading(runs, speakers=self._settings.speaker_nodes)
        given: Any = {"messages": self._messages(request)}
        well = False
        try:
            while True:
                if found is not None and thread is not None:
                    for emission in reading.recall(await thread.recall(waits=found == "waits")):
                        yield emission
                    found = None
                else:
                    async with aclosing(self._chunks(given, options, reading)) as emissions:
                        async for emission in emissions:
                            yield emission
                if not reading.interrupts and not reading.is_paused:
                    break
                if thread is None:
                    raise AgentError("upstream_invalid", _NO_MEMORY, retryable=False)
                state = await thread.state()
                standstill = await thread.standstill(state)
                yield Status("working", anchor=standstill.anchor())
                questions = GraphInterrupts(request, reading)
                async with aclosing(questions.ask(tuple(state.next))) as asked:
                    async for question in asked:
                        yield question
                yield Status("working", anchor=standstill.left().anchor())
                given = questions.resume(self._command)
                reading.begin()
            well = True
        finally:
            if thread is not None and not well and not request.taken.is_set():
                await thread.put_back()
        if (restated := reading.restated) is not None:
            yield restated
        yield Finish(reading.reason, reading.usage, output=reading.output)

    async def _open(
        self, thread: GraphThread | None, request: AgentInput
    ) -> Literal["waits", "ended"] | None:
        """Note how the thread stands; return whether it waits, or has ended, since a lost worker has left it.

        Raises:
            AgentError: It does neither, and the agent is not to begin anew.
        """
        left = standstill_of(request.anchor)
        if thread is not None and (found := await thread.open(left)) is not None:
            return found
        if left is not None:
            if thread is not None:
                await thread.put_back()
            if self._settings.on_worker_lost != "restart":
                raise AgentError("worker_lost", _FORGOTTEN, retryable=False)
        return None

    async def _chunks(
        self, given: Any, options: dict[str, Any], reading: GraphReading
    ) -> AsyncGenerator[Emission, None]:
        try:
            chunks = self._graph.astream(given, stream_mode=list(MODES), subgraphs=True, **options)
            async with aclosing(chunks):
                async for path, mode, chunk in chunks:
                    for emission in reading.feed(mode, chunk, is_inner=bool(path)):
                        yield emission
            for emission in reading.end():
                yield emission
        except Exception as exc:
            for emission in reading.waiting():
                yield emission
            if isinstance(exc, self._recursion):
                raise AgentError("max_turns", "The graph took all the steps that it may take.") from exc
            known = framework_error(exc)
            if known is None:
                raise
            raise known from exc

    def _config(self, request: AgentInput) -> dict[str, Any]:
        own = self._settings.config
        configurable = own.get("configurable")
        return {
            **own,
            "configurable": {
                **(configurable if isinstance(configurable, dict) else {}),
                "thread_id": thread_of(request),
            },
        }

    def _messages(self, request: AgentInput) -> list[Any]:
        """Return the question, and before it what a graph without a memory of its own was asked earlier."""
        earlier: list[Any] = []
        for turn in () if self._keeps else request.history:
            earlier += [self._human(turn.message), self._ai(turn.text)]
        if not request.images:
            return [*earlier, self._human(request.message)]
        images = [{"type": "image_url", "image_url": {"url": url}} for url in request.images]
        return [*earlier, self._human([{"type": "text", "text": request.message}, *images])]
