"""Graphs that wait for an answer while their process is lost."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from .graphs import line

REACHED: asyncio.Event | None = None
"""Set once a node has its answer and works; set by the test, and None if nothing holds it."""


class Formed(MessagesState, total=False):
    structured_response: dict[str, Any]


def saved(*nodes: Any) -> Any:
    return line(*nodes, checkpointer=InMemorySaver())


async def _delete(state: MessagesState) -> dict[str, Any]:
    draft = interrupt("Delete the draft?")
    if REACHED is not None:
        REACHED.set()
        await asyncio.Event().wait()
    return {"messages": [AIMessage(f"draft {draft}, database {interrupt('Delete the database?')}")]}


def _say(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("Said. ", id="said")]}


def _note(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("Found. "), HumanMessage("Found. ", name="researcher")]}


def _form(state: Formed) -> dict[str, Any]:
    return {"structured_response": {"a": 1}}


def _ask(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f"answer {interrupt('Shall I?')}")]}


def _beside(state: MessagesState) -> dict[str, Any]:
    return {"messages": [*state["messages"], AIMessage("Beside. ", id="beside")]}


def _ask_later(state: MessagesState) -> dict[str, Any]:
    is_first = sum(each.type == "human" for each in state["messages"]) == 1
    return {"messages": [AIMessage("turn one")]} if is_first else _ask(state)


@entrypoint(checkpointer=InMemorySaver())
def function(given: dict[str, Any], *, previous: Any = None) -> dict[str, Any]:
    if previous is None:
        return {"messages": [AIMessage("turn one", id="one")]}
    return {"messages": [AIMessage(f"answer {interrupt('Shall I?')}", id="two")]}


deleting = saved(_delete)
deleting_within = (
    StateGraph(MessagesState)
    .add_node("inner", line(_delete))
    .add_edge(START, "inner")
    .compile(checkpointer=InMemorySaver())
)
within = (
    StateGraph(MessagesState)
    .add_node("inner", line(_say, _ask))
    .add_edge(START, "inner")
    .compile(checkpointer=InMemorySaver())
)
noting = saved(_note, _ask)
later = saved(_ask_later)
forming = (
    StateGraph(Formed)
    .add_node("form", _form)
    .add_node("ask", _ask)
    .add_edge(START, "form")
    .add_edge("form", "ask")
    .compile(checkpointer=InMemorySaver())
)
parallel = (
    StateGraph(MessagesState)
    .add_node("say", _say)
    .add_node("ask", _ask)
    .add_node("beside", _beside)
    .add_edge(START, "say")
    .add_edge("say", "ask")
    .add_edge("say", "beside")
    .compile(checkpointer=InMemorySaver())
)
