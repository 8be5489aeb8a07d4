"""The agents as LangGraph has them: a node that asks the model, once for each agent, side by side."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send


class State(TypedDict, total=False):
    agents: int
    model: str


@cache
def _model(name: str) -> ChatOpenAI:
    return ChatOpenAI(
        model=name, base_url=os.environ["BENCH_UPSTREAM"], api_key="none", max_retries=0, streaming=True
    )


async def ask(state: dict[str, Any]) -> dict[str, Any]:
    await _model(state["model"]).ainvoke([("user", "go")])
    return {}


def each(state: State) -> list[Send]:
    return [Send("ask", {"model": state["model"]}) for _ in range(state["agents"])]


_graph = StateGraph(State)
_graph.add_node("ask", ask)
_graph.add_conditional_edges(START, each, ["ask"])
_graph.add_edge("ask", END)
graph = _graph.compile()
