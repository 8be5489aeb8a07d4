"""The Python client's fold has, at the end of each recorded stream, the state that all clients share."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from orchestrator.client.agent_view import AgentView
from orchestrator.client.event import parse_event
from orchestrator.client.run_view import RunView
from tests.support.commands import ROOT

RECORDED = sorted((ROOT / "tests" / "recorded").glob("*.json"))


def state_of(agent: AgentView) -> dict[str, Any]:
    content = agent.content
    return {
        "status": agent.status,
        "attempt": agent.attempt,
        "text": agent.text,
        "reasoning": agent.reasoning,
        "tools": [dataclasses.asdict(tool) for tool in agent.tools],
        "approvals": list(agent.approvals),
        "error": agent.error["code"] if agent.error else None,
        "usage": agent.usage,
        "finish_reason": agent.finish_reason,
        "turns": [turn.text for turn in agent.turns],
        "content": {
            "progress": content.progress,
            "data": content.data,
            "sources": content.sources,
            "files": content.files,
        }
        | ({"output": content.output} if content.has_output else {}),
    }


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_end_state_is_the_shared_one(path: Any) -> None:
    recorded = json.loads(path.read_text())
    view = RunView("run_1")
    for each in recorded["events"]:
        event = parse_event(json.dumps(each["data"]), id=each["id"], name=each["event"])
        assert event is not None
        view.apply(event)
    agents = {agent_id: state_of(agent) for agent_id, agent in view.agents.items()}
    assert {"status": view.status, "agents": agents} == recorded["state"]


def test_there_are_recordings() -> None:
    assert len(RECORDED) >= 6
