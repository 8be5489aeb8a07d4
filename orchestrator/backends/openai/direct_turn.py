"""One turn of an agent that has nothing but its instructions: its model is asked, and no Runner is needed.

Such an agent has no tools, handoffs, guardrails, session, hooks or tracing, so the Runner would ask its model once,
hand on what it says and stop; to set that up costs many times what the answer does, and two more tasks wake for each
piece of it. Whatever else a model answers with (a call that nobody offered, an item of another kind) goes to the
Runner all the same, as if that had asked. Owns the turn; what is said is read by `response_reader`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from agents import Agent, ModelSettings, RunConfig
from agents.items import MessageOutputItem, ReasoningItem
from openai.types.responses import ResponseCompletedEvent

from ...errors import AgentError
from ...events.agent import Usage
from ..base import AgentInput, Correction, Emission, Finish, SayAtOnce, Spent, as_current_input
from .calls import call_ids_in
from .content import usage_of, usage_of_chat
from .errors import model_error
from .model.chat.model import OpenAnswer
from .model.chat.request_template import RequestTemplate
from .model.events import PlainEnd, TextDelta
from .model.fast import FastChatModel, FastResponsesModel
from .outbox import Outbox
from .relay import RelayModel
from .response_reader import ResponseReader
from .runner import InputItems, RunOptions, plain_json, stream_agent

_PLAIN_KEYS = frozenset({"role", "content", "type", "id", "status"})
"""Of a message as we keep it; the Runner would send it as it is."""

_ITEMS: dict[str, type[MessageOutputItem] | type[ReasoningItem]] = {
    "message": MessageOutputItem,
    "reasoning": ReasoningItem,
}
"""What an answer may consist of to be the last word."""


@dataclass(frozen=True, slots=True)
class DirectAgent:
    """An agent that its model alone can answer for.

    Args:
        model: Of the agent, and ours: it raises what the Runner would have to find out.
        model_settings: The agent's, with those of the run's configuration.
        options: For the Runner, if it is needed after all.
        chat: Asks for the answer to one message; None of a model of the Responses API.
    """

    agent: Agent[Any]
    model: FastChatModel | FastResponsesModel
    model_settings: ModelSettings
    options: RunOptions
    chat: RequestTemplate | None

    @classmethod
    def of(cls, agent: Agent[Any], config: RunConfig, options: RunOptions) -> DirectAgent | None:
        """Return *agent* as one that needs no Runner under *config*; None if it does need one."""
        settings = agent.model_settings.resolve(config.model_settings)
        has_parts = bool(
            agent.tools
            or agent.handoffs
            or agent.mcp_servers
            or agent.input_guardrails
            or agent.output_guardrails
        )
        if (
            has_parts
            or not config.tracing_disabled
            or settings.retry is not None
            or settings.timeout is not None
        ):
            return None
        if not isinstance(agent.model, FastChatModel | FastResponsesModel):
            return None
        instructions = agent.instructions
        if instructions is not None and not isinstance(instructions, str):
            return None
        chat = (
            RequestTemplate(agent.model, instructions, settings)
            if isinstance(agent.model, FastChatModel)
            else None
        )
        return cls(agent, agent.model, settings, options, chat)

    async def ask(self, items: InputItems, *, may_end_plain: bool = False) -> OpenAnswer:
        """Ask the model for *items* as the Runner would, and return its open answer. Raises AgentError.

        Args:
            may_end_plain: Nobody wants the items of the answer, so a `PlainEnd` may stand for them.
        """
        answer = (
            None if self.chat is None else await self.chat.open_answer(items, may_end_plain=may_end_plain)
        )
        if answer is not None:
            return answer
        instructions = self.agent.instructions
        return await self.model.open_answer(
            instructions if isinstance(instructions, str) else None, items, self.model_settings
        )


def are_plain(items: InputItems) -> bool:
    """Whether *items* are messages only, which the Runner sends as they are."""
    return all("role" in item and _PLAIN_KEYS.issuperset(item) for item in items)


async def stream_alone(
    lone: DirectAgent, items: InputItems, *, request: AgentInput
) -> AsyncGenerator[Emission, None]:
    """Ask the model of *lone* for *items* and yield its payloads live, a `Finish` last; else as `stream_agent`."""
    outbox = Outbox(lead=lone.agent.name)
    outbox.speaking[None] = lone.agent.name
    turn = _Turn(lone, items, outbox, request.say)
    try:
        with as_current_input(request):
            # Its items are kept for the conversation; nobody else reads them.
            answer = await lone.ask(items, may_end_plain=request.conversation_id is None)
        try:
            say = turn.say if request.say is not None else None
            while turn.hear(await answer.events(say)):
                for payload in outbox.drain():
                    yield payload
        finally:
            answer.close()
        for payload in outbox.drain():
            yield payload
        turn.response.finish()
    except AgentError:
        for payload in outbox.drain():
            yield payload
        raise
    except Exception as exc:
        for payload in outbox.drain():
            yield payload
        raise model_error(exc) from exc
    outbox.speaking.clear()
    if not turn.is_answer:
        run = stream_agent(turn.answered(), items, request=request, options=lone.options, outbox=outbox)
        async with aclosing(run) as emissions:
            async for emission in emissions:
                yield emission
        return
    if outbox.record.corrected:
        yield Correction(outbox.record.payloads())
    memory = turn.memory() if request.conversation_id is not None else None  # nobody else reads it
    yield Finish(outbox.finish_reason or "stop", turn.usage(), memory)


@dataclass(slots=True)
class _Turn:
    """The one call of the model, and what it has come to."""

    lone: DirectAgent
    items: InputItems
    outbox: Outbox
    say_at_once: SayAtOnce | None
    response: ResponseReader = field(init=False)
    completed: ResponseCompletedEvent | None = None
    is_plain: bool = False
    spent: Usage | None = None
    done_items: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outbox.call_ids |= call_ids_in(self.items)
        self.response = ResponseReader(self.outbox, None, self.outbox.call_ids)

    def say(self, events: list[Any]) -> bool:
        """Say at once a piece of text, if *events* are no more; False, and nothing was said, if `hear` has to."""
        event = events[0]
        if len(events) > 1 or type(event) is not TextDelta or self.say_at_once is None:
            return False
        if self.response.holds_half or not self.say_at_once(event.delta):
            return False
        self.response.note_text(event.item_id, event.delta)
        return True

    def hear(self, events: list[Any]) -> bool:
        """Put what the model said into the outbox; return whether more is to be read."""
        response = self.response
        for event in events:
            if type(event) is TextDelta:  # most are
                response.say_text(event.item_id, event.delta)
                continue
            self._hear(event)
            if response.incomplete:
                return False
        return bool(events)

    def _hear(self, event: Any) -> None:
        if type(event) is PlainEnd:
            self._end(event)
            return
        seen = self.response.hear(event)
        if isinstance(seen, ResponseCompletedEvent):
            # Some servers complete a response without the items that they have sent.
            if not seen.response.output and self.done_items:
                seen.response.output = list(self.done_items)
            self.completed = seen
        elif seen is not None and seen.type == "response.output_item.done":
            self.done_items.append(seen.item)

    def _end(self, end: PlainEnd) -> None:
        """End a plain answer, by its items if it was said in other words."""
        if not self.response.end_plain(end.text):
            for event in end.whole():
                self._hear(event)
            return
        self.is_plain = True
        if end.usage is not None:
            self.spent = usage_of_chat(end.usage)
            self.outbox.hold(Spent(self.spent))

    @property
    def is_answer(self) -> bool:
        """Whether the model's items are an answer, and nothing is to be done for the agent."""
        if self.is_plain:
            return True
        return self.completed is not None and all(
            item.type in _ITEMS for item in self.completed.response.output
        )

    def answered(self) -> Agent[Any]:
        """Return the agent with a model that has given its first answer already."""
        return self.lone.agent.clone(model=_Answered(self.lone.model, self.completed))

    def usage(self) -> Usage | None:
        """Return what the provider counted; None if it counted nothing."""
        if self.is_plain:
            spent = self.spent
            return spent if spent is not None and (spent.input_tokens or spent.output_tokens) else None
        counted = None if self.completed is None else self.completed.response.usage
        if counted is None or not (counted.input_tokens or counted.output_tokens):
            return None
        return usage_of(counted)

    def memory(self) -> dict[str, Any]:
        """Return this turn's items, from its question on, as plain JSON."""
        output = [] if self.completed is None else self.completed.response.output
        answer = [_as_input(self.lone.agent, item) for item in output]
        return plain_json([*self.items[-1:], *answer])


class _Answered(RelayModel):
    """A model whose first answer is there already, and has been said; after that *inner*, relayed."""

    def __init__(self, inner: Any, completed: ResponseCompletedEvent | None) -> None:
        super().__init__(inner)
        self._completed = completed

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        completed, self._completed = self._completed, None
        if completed is not None:
            yield completed
            return
        events: Any = super().stream_response(*args, **kwargs)
        async with aclosing(events):
            async for event in events:
                yield event


def _as_input(agent: Agent[Any], item: Any) -> dict[str, Any]:
    """Return an item of the answer as the Runner would keep it for the next turn."""
    made: Any = _ITEMS[item.type](agent=agent, raw_item=item).to_input_item()
    if made.get("status") is None:
        made.pop("status", None)
    kept: dict[str, Any] = made
    return kept
