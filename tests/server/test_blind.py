"""Blind runs: nothing that can be read tells who is who until somebody has voted."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from orchestrator.backends.base import AgentInput, Emission, Finish
from orchestrator.errors import AgentError
from orchestrator.events import ApprovalRequest, Handoff, Status, Token, ToolCall, ToolResult, Usage
from orchestrator.events.content import Data, File, Progress, Source
from orchestrator.framing.base import DIALECTS

from ..support.service import Puppet, Serve, Service, words
from ..support.spine import Script

OWN_KEYS = ("agent_id", "t", "call_id", "parent", "progress_id")
"""What differs between any two agents; ids are all of one shape."""

SECRETS = ("skeptic", "optimist", "Wording of the provider", "Captain", "47110815")


async def counted(request: AgentInput) -> AsyncIterator[object]:
    yield Token("hello", speaker="Captain")
    yield Handoff("Captain")
    yield Finish(usage=Usage(1, 47110815))


async def fails(request: AgentInput) -> AsyncIterator[str]:
    raise AgentError("upstream_rejected", "Wording of the provider.", retryable=False)
    yield ""


AGENTS: dict[str, Script] = {"skeptic": counted, "optimist": fails}  # type: ignore[dict-item]  # generator functions


async def blind_run(service: Service, **keys: object) -> tuple[str, str]:
    """Return an ended run's id, and all that can be read of it."""
    answer = await service.call("POST", "/v1/runs", json={"message": "hi", "blind": True, **keys})
    assert answer.status == 201
    run_id = answer.json["run_id"]
    await service.ended(run_id)
    parts = [answer.body, await service.body(f"/v1/runs/{run_id}/events")]
    response, tasks = f"/v1/responses/resp_{run_id.removeprefix('run_')}", "/v1/a2a/default/tasks"
    elsewhere = (response, f"{response}?stream=true", tasks, f"{tasks}/{run_id}")
    for path in (f"/v1/runs/{run_id}", "/v1/runs", *elsewhere):
        shown = await service.call("GET", path, headers={"A2A-Version": "1.0"})
        assert shown.status == 200, path
        parts.append(shown.body)
    return run_id, b"\n".join(parts).decode()


async def test_a_snapshot_says_that_its_run_is_blind(serve: Serve) -> None:
    """Who comes after a gap has no `run.started` that says so."""
    service = await serve(AGENTS)
    run_id, _ = await blind_run(service)
    for path in (f"/v1/runs/{run_id}", "/v1/runs"):
        answer = (await service.call("GET", path)).json
        assert answer.get("runs", [answer])[0]["blind"] is True
    plain = await service.call("POST", "/v1/runs", json={"message": "hi"})
    assert "blind" not in plain.json


async def test_nothing_that_can_be_read_tells_who_is_who(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id, text = await blind_run(service)
    assert not [secret for secret in SECRETS if secret in text]
    events = await service.events(run_id)
    started = events[0].data
    assert started["blind"] is True
    assert [a["agent_id"] for a in started["agents"]] == ["agent-1", "agent-2"]
    assert {a["title"] for a in started["agents"]} == {"Agent 1", "Agent 2"}
    done = next(e.data for e in events if e.data["type"] == "done" and "agent_id" in e.data)
    assert (done["metrics"], done["usage"], done["text"]) == (None, None, "hello")
    error = next(e.data for e in events if e.data["type"] == "error")
    assert (error["code"], error["message"]) == (
        "upstream_rejected",
        "The agent failed (upstream_rejected).",
    )


ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "default", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"model": "default", "input": "hi"},
    "/v1/ai-sdk/chat": {"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]},
    "/v1/ag-ui": {"threadId": "t", "runId": "r", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/a2a/default/message:send": {"message": {"messageId": "m", "parts": [{"text": "hi"}]}},
}


async def test_each_dialect_asks_blind_and_says_what_becomes_of_a_run_that_is_left(serve: Serve) -> None:
    """What a dialect has no word for stands in its body as in a run's own; left out, agents would be named."""
    own: dict[str, Any] = {"blind": True, "on_disconnect": "continue"}
    service = await serve(AGENTS)
    for path, asked in ASKED.items():
        if path == "/v1/ag-ui":
            body = asked | {"forwardedProps": own}
        elif "message" in asked:
            body = {"message": asked["message"] | {"metadata": own}}
        else:
            body = asked | own
        answer = await service.call("POST", path, json=body, headers={"A2A-Version": "1.0"})
        assert answer.status == 200, (path, answer.body)
        assert b"agent-" in answer.body, path
        assert not any(secret.encode() in answer.body for secret in SECRETS), path
    runs = (await service.call("GET", "/v1/runs")).json["runs"]
    specs = [(await service.find(run["run_id"])).spec for run in runs]
    assert [(spec.blind, spec.on_disconnect) for spec in specs] == [(True, "continue")] * len(ASKED)
    wrong = await service.call("POST", "/v1/responses", json=ASKED["/v1/responses"] | {"blind": "yes"})
    assert (wrong.status, wrong.json["error"]["param"]) == (422, "blind")


async def test_vote_tells_who_is_who(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id, _ = await blind_run(service)
    answer = await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "agent-2"})
    assert answer.status == 200
    assert answer.json["vote"] == "agent-2"
    agents = {agent["configured"]: agent for agent in answer.json["agents"]}
    assert agents["skeptic"]["usage"] == {"input_tokens": 1, "output_tokens": 47110815}
    assert agents["skeptic"]["metrics"]["output_chars"] == 5
    assert agents["optimist"]["error"]["message"] == "Wording of the provider."
    snapshot = (await service.call("GET", f"/v1/runs/{run_id}")).json
    assert snapshot["revealed"] == answer.json
    # The events stay as they were: cursors and what was read before go on being true.
    body = (await service.body(f"/v1/runs/{run_id}/events")).decode()
    assert not [secret for secret in SECRETS if secret in body]


async def test_order_does_not_tell_who_is_who(serve: Serve) -> None:
    service = await serve({name: words(name) for name in ("a", "b", "c", "d")})
    orders = set()
    for _ in range(12):
        run_id = await service.start(blind=True)
        await service.ended(run_id)
        snapshot = (await service.call("GET", f"/v1/runs/{run_id}")).json
        orders.add(json.dumps([agent["text"] for agent in snapshot["agents"].values()]))
    assert len(orders) > 1


async def test_agents_of_a_blind_run_are_steered_by_their_neutral_ids(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id, _ = await blind_run(service)
    assert (await service.call("POST", f"/v1/runs/{run_id}/agents/agent-1/cancel")).status == 202
    assert (await service.call("POST", f"/v1/runs/{run_id}/agents/skeptic/cancel")).status == 404
    wrong = await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "skeptic"})
    assert wrong.status == 404
    assert (await service.call("POST", f"/v1/runs/{run_id}/vote", json={})).status == 422


async def test_blind_conversation_is_each_agents_own(serve: Serve) -> None:
    """Neutral ids are dealt anew in every run; what an agent remembers follows the agent."""
    heard: dict[str, list[str]] = {"a": [], "b": []}

    def remembers(name: str) -> Script:
        async def script(request: AgentInput) -> AsyncIterator[str]:
            heard[name] += [turn.text for turn in request.history]
            yield name

        return script  # type: ignore[return-value]  # a generator function

    service = await serve({"a": remembers("a"), "b": remembers("b")})
    for _ in range(6):
        run_id = await service.start(blind=True, conversation_id="c")
        await service.ended(run_id)
    assert set(heard["a"]) == {"a"}
    assert set(heard["b"]) == {"b"}


async def test_blind_panel_is_refused(serve: Serve) -> None:
    service = await serve(AGENTS)
    body = {"message": "hi", "blind": True, "panel": {"method": "debate"}}
    answer = await service.call("POST", "/v1/runs", json=body)
    assert answer.status == 422
    assert [problem["at"] for problem in answer.json["errors"]] == ["blind"]


async def test_vote_in_a_run_that_is_not_blind_is_kept_too(serve: Serve) -> None:
    service = await serve({"a": words("x"), "b": words("y")})
    run_id = await service.start(agents=["a", "b"])
    await service.ended(run_id)
    answer = await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "b"})
    assert answer.json["vote"] == "b"
    assert [agent["configured"] for agent in answer.json["agents"]] == ["a", "b"]


def telling(prefix: str, reason: str) -> Script:
    """An agent whose events show by their shapes who made them."""

    async def script(request: AgentInput) -> AsyncGenerator[Emission, None]:
        yield Status(f"{prefix} rate limit", f"{prefix} waits")
        yield ToolCall(f"{prefix}_01ABC", f"{prefix}_search", json.dumps({prefix: 1}))
        yield Token("the ", speaker=prefix, parent=f"{prefix}_01ABC")
        yield ToolResult(f"{prefix}_01ABC", f"{prefix} found", is_error=False, parent=f"{prefix}_0")
        yield Progress(f"{prefix} loads", 0.5, progress_id=prefix, speaker=prefix, parent=f"{prefix}_0")
        yield Data(f"{prefix}.rows", {prefix: 1}, data_id=prefix)
        yield Source(prefix, url=f"https://{prefix}.example.com/", title=prefix)
        yield File(prefix, f"{prefix}.png", "image/png", f"https://{prefix}.example.com/a.png")
        yield "same words"
        yield Finish(usage=Usage(len(prefix), 7, 3, 2), reason=reason, output={prefix: 1})

    return script


async def test_nothing_but_words_tells_one_from_another_before_the_vote(serve: Serve) -> None:
    """Details, finish words, call ids, tool names, and numbers in the metrics gave it away."""
    scripts = {"openai": telling("chatcomp", "end_turn"), "letta": telling("toolu", "stop")}
    service = await serve(scripts)
    run_id, text = await blind_run(service)
    shapes: dict[str, list[object]] = {}
    for event in await service.events(run_id):
        if "agent_id" in event.data:
            told = {key: value for key, value in event.data.items() if key not in OWN_KEYS}
            shapes.setdefault(event.data["agent_id"], []).append((told, len(event.data.get("call_id", ""))))
    assert shapes["agent-1"] == shapes["agent-2"]
    numbers = (await service.call("GET", "/metrics")).body.decode()
    for dialect in (name for name, row in DIALECTS.items() if row.carrier == "stream"):
        text += (await service.body(f"/v1/runs/{run_id}/events?framing={dialect}")).decode()
    for word in ("chatcomp", "toolu", "end_turn", "openai", "letta"):
        assert word not in text + numbers
    for name in ("time_to_first_token", "agent_duration", "output_tokens_total", "token_events_total"):
        assert not [line for line in numbers.splitlines() if name in line and "agent=" in line]
    revealed = (await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "agent-1"})).json
    assert {agent["usage"]["input_tokens"] for agent in revealed["agents"]} == {8, 5}
    assert all(agent["metrics"]["duration_ms"] >= 0 for agent in revealed["agents"])
    told = (await service.call("GET", f"/v1/runs/{run_id}")).json["agents"]
    assert {"".join(agent["output"]) for agent in told.values()} == {"chatcomp", "toolu"}
    assert [len(told["agent-1"][kind]) for kind in ("progress", "data", "sources", "files")] == [1] * 4


async def test_a_vote_that_is_not_blind_is_refused(serve: Serve) -> None:
    puppets = {"a": Puppet(), "b": Puppet()}
    service = await serve(puppets)
    run_id = await service.start(blind=True)
    vote = {"agent_id": "agent-1"}
    early = await service.call("POST", f"/v1/runs/{run_id}/vote", json=vote)
    assert (early.status, "answered" in early.problem["detail"]) == (409, True)
    for puppet in puppets.values():
        puppet.say("x")
        puppet.end()
    await service.ended(run_id)
    assert (await service.call("POST", f"/v1/runs/{run_id}/vote", json=vote)).status == 200
    for agent_id in ("agent-1", "agent-2"):
        late = await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": agent_id})
        assert (late.status, "known" in late.problem["detail"]) == (409, True)
    assert (await service.call("GET", f"/v1/runs/{run_id}")).json["revealed"]["vote"] == "agent-1"


async def test_an_approval_of_a_blind_run_is_answered_by_its_neutral_id(serve: Serve) -> None:
    puppet = Puppet()
    service = await serve({"a": puppet, "b": words("x")})
    run_id = await service.start(agents=["a", "b"], blind=True)
    puppet.say(ApprovalRequest("toolu_01ABC", "pay", '{"euros":5}'))
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        while (event := await stream.event()).data["type"] != "approval_request":
            pass
    agent_id, call_id = event.data["agent_id"], event.data["call_id"]
    assert "toolu" not in call_id
    # Nobody can answer for what he does not see, so this alone of all tools is named before the vote.
    assert (event.data["name"], event.data["arguments"]) == ("pay", '{"euros":5}')
    path = f"/v1/runs/{run_id}/agents/{agent_id}/approvals/"
    assert (await service.call("POST", path + call_id, json={"approve": True})).status == 202
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
