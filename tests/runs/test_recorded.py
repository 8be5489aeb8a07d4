"""The server's own fold agrees with the clients' on each recorded stream, as far as a snapshot tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.events import PANEL, decode_payload, encode_json
from orchestrator.run.spec import RunSpec
from orchestrator.run.state import RunState
from tests.support.commands import ROOT

WITHOUT_GAPS = [
    path for path in sorted((ROOT / "tests" / "recorded").glob("*.json")) if "run.gap" not in path.read_text()
]


@pytest.mark.parametrize("path", WITHOUT_GAPS, ids=lambda path: path.stem)
def test_a_snapshot_is_what_the_clients_have(path: Any) -> None:
    recorded = json.loads(path.read_text())
    state = RunState(RunSpec(run_id="run_1", channel="run_1", message="m", agents=("a",)), 1)
    for each in recorded["events"]:
        data = each["data"]
        who = PANEL if each["event"].startswith("panel.") else data.get("agent_id")
        payload = decode_payload(who, data["type"], json.dumps(data).encode())
        if payload is not None:
            state.fold(who, payload, each["id"])
    snapshot = json.loads(encode_json(state.snapshot()))
    assert snapshot["status"] == recorded["state"]["status"]
    for agent_id, wanted in recorded["state"]["agents"].items():
        agent = snapshot["agents"][agent_id]
        assert agent["text"] == wanted["text"]
        assert agent["usage"] == wanted["usage"]
        assert (agent["error"] or {}).get("code") == wanted["error"]
        content = {key: agent.get(key, []) for key in ("progress", "data", "sources", "files")}
        content |= {"output": agent["output"]} if "output" in agent else {}
        assert content == wanted["content"]
