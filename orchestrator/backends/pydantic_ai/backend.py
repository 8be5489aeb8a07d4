"""The pydantic-ai backend: an agent of Pydantic AI, the user's own and unchanged, answers in this process.

Owns the course of an attempt. What the events mean is `reading`'s, what is sent of earlier turns `history`'s.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing
from types import NoneType
from typing import Any, get_args

import msgspec
from msgspec import UNSET

from ...errors import AgentError, ErrorCode
from ...events.agent import ApprovalRequest, Token
from ...settings.agent import AgentSettings
from ..base import AgentInput, Correction, Emission, Finish
from ..framework_errors import framework_error
from ..json_values import plain
from ..upstream.finish_reasons import end_of
from ..user_objects import LazyObject, load_function, load_library, load_own, made_for
from .history import Messages
from .reading import AgentRunReading, usage_of
from .settings import PydanticAISettings

EXTRA = "pydantic-ai"
TOOL_THREADS = 32
"""How many synchronous tools of an agent run at once, over all its runs."""
_FAILURES: dict[str, tuple[ErrorCode, str]] = {
    "UsageLimitExceeded": ("max_turns", "The agent used all that it may use."),
    "ContentFilterError": ("refusal", "The provider's content filter withheld the answer."),
    "OutputTokenLimitExceeded": ("upstream_invalid", "The model's answer broke off at its limit."),
    "IncompleteToolCall": ("upstream_invalid", "The model's answer broke off in the middle of a call."),
    "UnexpectedModelBehavior": ("upstream_invalid", "The model did something that the agent cannot follow."),
    "UserError": ("internal", "The agent is not set up in a way that Pydantic AI accepts."),
}
"""A class of `pydantic_ai.exceptions` → what it means; looked up along its bases."""


class PydanticAIBackend:
    """Answers with an agent of Pydantic AI.

    Args:
        settings: `PydanticAISettings`.
        agents: Not used: an agent of Pydantic AI knows its own.
    Raises:
        ConfigError: The library is not installed, or a reference names nothing of use.
    """

    def __init__(self, settings: PydanticAISettings, agents: Mapping[str, AgentSettings]) -> None:
        self._settings = settings
        self._library: Any = load_library(settings, "pydantic_ai", EXTRA)
        self._messages = Messages(load_library(settings, "pydantic_ai.messages", EXTRA))
        own = load_own(settings, "agent", settings.agent, "run_stream_events")
        self._later = own if isinstance(own, LazyObject) else None
        self._agent: Any = None if self._later is not None else own
        self._threads = ThreadPoolExecutor(TOOL_THREADS, thread_name_prefix=settings.agent_id)
        self._deps = load_function(settings, "deps", settings.deps)
        if self._later is None:
            self._check()

    def _check(self) -> None:
        settings = self._settings
        if self._deps is None and (wanted := _deps_wanted(self._agent)) is not None:
            raise settings.problem(
                "agent",
                f"{settings.agent!r} wants deps of the type {wanted}; name a function that returns them in `deps`",
            )
        if self.model is None and getattr(self._agent, "model", "") is None:
            raise settings.problem("agent", f"{settings.agent!r} has no model; name one in `model`")

    @property
    def model(self) -> str | None:
        """The model's name: as the settings have it, else as the agent does."""
        if self._settings.model is not None:
            return self._settings.model
        own = getattr(self._agent, "model", None)
        name = own if isinstance(own, str) else getattr(own, "model_name", None)
        return name if isinstance(name, str) and name else None

    async def aclose(self) -> None:
        """Let go of an agent that was made here, and of the threads of synchronous tools, whatever they wait for."""
        if self._later is not None:
            await self._later.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Answer *request*.

        Raises:
            AgentError: The model failed, or nobody answered what the agent asked.

        Cancelling and closing return when the run has ended and the model's connection is closed.
        """
        if self._later is not None and self._agent is None:
            self._agent = await self._later.get()
            self._check()
        reading = AgentRunReading()
        arguments: dict[str, Any] = self._output_type()
        if self._deps is not None:
            arguments["deps"] = await made_for(request, self._deps)
        if self._settings.model is not None:
            arguments["model"] = self._settings.model
        earlier = self._messages.earlier(request.history)
        prompt: Any = self._messages.prompt(request)
        messages, results = earlier, None
        usage = None
        while True:
            reading.result = None
            given = {**arguments, "message_history": messages, "deferred_tool_results": results}
            async with aclosing(self._events(prompt, given, reading)) as emissions:
                async for emission in emissions:
                    yield emission
            result = reading.result
            if result is None:
                raise AgentError("upstream_invalid", "The agent's run ended without a result.")
            spent = usage_of(result.usage)
            usage = spent if usage is None or spent is None else usage.plus(spent)
            if not isinstance(result.output, self._library.DeferredToolRequests):
                break
            results = self._library.DeferredToolResults()
            async with aclosing(self._ask(request, result.output, results)) as questions:
                async for question in questions:
                    yield question
            prompt, messages = None, result.all_messages()
        output = UNSET if isinstance(result.output, str) else plain(result.output)
        for emission in _unsent_output(reading, result.output, output):
            yield emission
        memory = None
        if request.conversation_id is not None:
            memory = self._messages.memory(result.all_messages()[len(earlier) :])
        word = getattr(result.response, "finish_reason", None) or "stop"
        yield Finish(end_of(word, is_empty=not (reading.said or result.output)), usage, memory, output)

    async def _events(
        self, prompt: Any, given: dict[str, Any], reading: AgentRunReading
    ) -> AsyncGenerator[Emission, None]:
        try:
            async with AsyncExitStack() as run:
                # Its own are shared by all agents, and a cancel waits for what is in them.
                with self._library.Agent.using_thread_executor(self._threads):
                    events = await run.enter_async_context(self._agent.run_stream_events(prompt, **given))
                async for event in events:
                    for emission in reading.feed(event):
                        yield emission
        except AgentError:
            raise
        except Exception as exc:
            known = framework_error(exc) or _known(exc)
            if known is None:
                raise
            raise known from exc

    async def _ask(
        self, request: AgentInput, asked: Any, results: Any
    ) -> AsyncGenerator[ApprovalRequest, None]:
        """Ask for each call that waits, and put the answers into *results*."""
        if asked.calls or not asked.approvals:
            names = ", ".join(call.tool_name for call in asked.calls)
            wrong = (
                f"The agent waits for tools that somebody else has to run ({names}), which nobody does here."
            )
            raise AgentError("upstream_invalid", wrong, retryable=False)
        for call in asked.approvals:
            yield ApprovalRequest(call.tool_call_id, call.tool_name, call.args_as_json_str())
            approve = await request.approve(call.tool_call_id)
            reason = request.reasons.get(call.tool_call_id)
            denied = self._library.ToolDenied(reason) if reason else self._library.ToolDenied()
            results.approvals[call.tool_call_id] = True if approve else denied

    def _output_type(self) -> dict[str, Any]:
        """Return, as an argument of a run, the agent's own type of output, and beside it the calls that wait.

        An agent that validates its output takes no other type than its own: its calls do not wait, unless it says so.
        """
        own, deferred = self._agent.output_type, self._library.DeferredToolRequests
        several = list(own) if isinstance(own, list | tuple) else [own]
        if deferred in several or getattr(_innermost(self._agent), "_output_validators", None):
            return {}
        return {"output_type": [*several, deferred]}


def _unsent_output(reading: AgentRunReading, result: Any, output: Any) -> Iterator[Emission]:
    """Yield what the run's *result* is, if that was not said: *output* is it as JSON has it, unless it is text."""
    if output is not UNSET:
        if not reading.said:
            yield msgspec.json.encode(output).decode()
    elif not reading.said:
        if result:
            yield result
    elif not "".join(reading.said.split()).endswith("".join(result.split())):
        # By a function of the agent's own, after the model had said it otherwise.
        yield Correction((Token(result),))


def _innermost(agent: Any) -> Any:
    while (inner := getattr(agent, "wrapped", None)) is not None:
        agent = inner
    return agent


def _deps_wanted(agent: Any) -> str | None:
    """Return the type of the deps without which an agent cannot run; None if it can."""
    kind = getattr(agent, "deps_type", None)
    if kind in (None, NoneType, object, Any) or NoneType in get_args(kind):
        return None
    return getattr(kind, "__name__", str(kind))


def _known(exc: Exception) -> AgentError | None:
    if not type(exc).__module__.startswith("pydantic_ai"):
        return None
    for kind in type(exc).__mro__:
        if kind.__name__ in _FAILURES:
            code, message = _FAILURES[kind.__name__]
            return AgentError(code, message)
    return None
