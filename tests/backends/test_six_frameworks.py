"""One run of six agents of six frameworks, each run by its own library or server: one fails, one is cancelled."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.support import foreign
from tests.support.patience import eventually
from tests.support.service import Event, events_in
from tests.support.six_frameworks import QUESTION, Six, six_frameworks

THEIRS = ("sdk", "memo", "graph", "typed")
"""The agents that end well."""


def ends_in(events: list[Event]) -> dict[str, dict[str, Any]]:
    """Return each agent's last event, and hold the stream to its promises on the way."""
    assert (events[0].type, events[-1].type) == ("run.started", "run.done")
    assert [str(event.id).partition("-")[2] for event in events] == [
        str(n) for n in range(1, len(events) + 1)
    ]
    said: dict[str, str] = {}
    ends: dict[str, dict[str, Any]] = {}
    for event in events:
        agent_id = event.data.get("agent_id")
        if agent_id is None:
            continue
        assert agent_id not in ends, "nothing comes after an agent's end"
        if event.data["type"] == "token" and "parent" not in event.data:
            said[agent_id] = said.get(agent_id, "") + event.data["text"]
        if event.data["type"] in ("done", "error", "cancelled"):
            ends[agent_id] = event.data
            assert event.data.get("text", said.get(agent_id, "")) == said.get(agent_id, "")
    return ends


async def hold_to_promises(six: Six) -> None:
    """Let the six answer, cancel one while another has failed, and look at the stream and at what stays open."""
    service = six.service
    run_id = await service.start(QUESTION)
    run = await service.find(run_id)
    await eventually(lambda: all(run.participants[each].ended for each in (*THEIRS, "front")))
    await eventually(lambda: run.participants["far"].text == "on ")
    cancelled = await service.call("POST", f"/v1/runs/{run_id}/agents/far/cancel")
    assert cancelled.status == 202
    await service.ended(run_id)
    await six.far_has_stopped()
    await six.front_has_stopped()
    # Whatever else is still open lies in a pool: no model is read any more.
    await eventually(lambda: all(each.ended.is_set() for each in six.models.requests))
    body = await service.body(f"/v1/runs/{run_id}/events")
    ends = ends_in(events_in(body))
    statuses = {agent_id: end["type"] for agent_id, end in ends.items()}
    assert statuses == {**dict.fromkeys(THEIRS, "done"), "front": "error", "far": "cancelled"}
    for agent_id in THEIRS:
        assert "somebody says stop" in ends[agent_id]["text"], agent_id
    assert run.participants["front"].text == "half a wo"
    assert b"secret" not in body


async def test_six_frameworks_answer_in_one_stream() -> None:
    async with six_frameworks() as six:
        await hold_to_promises(six)
        # The word of the agent's own server has come before the run could end.
        assert six.worker is not None
        assert six.worker.cancelled == 1


if foreign.ASKED_FOR:
    from tests.support.letta.agents import echo_agent
    from tests.support.letta_server import LettaServer, letta_server

    __all__ = ["letta_server"]

    @pytest.mark.timeout(1200)
    async def test_adk_and_letta_by_their_own_servers(letta_server: LettaServer) -> None:
        memo = partial(echo_agent, letta_server.url)
        async with six_frameworks(adk=True, letta=memo) as six:
            await hold_to_promises(six)
            assert {each.model for each in six.models.requests} == {"echo", "breaking", "endless"}
            assert len(six.models.requests) == 6
