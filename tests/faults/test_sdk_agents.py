"""Three real SDK agents behind HTTP: one fails in the middle, one is cancelled, the third notices nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import pytest

from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.run.registry import AgentRegistry
from tests.support.patience import PATIENCE_SECONDS

from ..support.service import Event, Service, serving
from ..support.upstream import (
    SECRET,
    Abort,
    Answer,
    ErrorChunk,
    HalfJson,
    Stall,
    Step,
    Text,
    Upstream,
    dropped,
    echo_words,
    failed,
    hanging,
    html,
    nothing,
)

WORDS, PER_SECOND = 40, 50
KEY = "sk-our-own-key"


@asynccontextmanager
async def service_of(
    upstream: Upstream,
    models: dict[str, str],
    impatient: Mapping[str, Any] = MappingProxyType({}),
    **keys: Any,
) -> AsyncIterator[Service]:
    """Serve an SDK agent for each model; *impatient*: limits of the one that must not wait long."""
    agents = {
        agent_id: OpenAIAgentsSettings.model_validate(
            {"agent_id": agent_id, "model": model, "base_url": upstream.url, "api_key": KEY, **keys}
            | ({"limits": impatient[agent_id]} if agent_id in impatient else {})
        )
        for agent_id, model in models.items()
    }
    async with serving(registry=AgentRegistry(agents)) as service:
        yield service


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_one_fails_one_is_cancelled_the_third_is_whole_and_keeps_its_pace(
    api: str, transport: str
) -> None:
    models = {"breaks": "breaks", "cut": "echo-5000@100", "whole": f"echo-{WORDS}@{PER_SECOND}"}
    async with Upstream() as upstream:
        upstream.script("breaks", [[Text("half ", delay=0.1), Text("an answer ", delay=0.1), Abort()]])
        async with service_of(upstream, models, api=api, transport=transport) as service:
            run_id = await service.start()
            async with service.stream(f"/v1/runs/{run_id}/events") as stream:
                events = await stream.until("cut.token")
                answer = await service.call("POST", f"/v1/runs/{run_id}/agents/cut/cancel")
                assert answer.status == 202
                events += await stream.until("run.done")
                body = stream.raw
            (request,) = [r for r in upstream.requests if r.model == "echo-5000@100"]
            await asyncio.wait_for(request.connection.closed, PATIENCE_SECONDS)
            assert request.sent < 4000, "nothing is billed on"
            await service.ended(run_id)
        await upstream.wait_all_closed()
    check_whole(events)
    (error,) = [e.data for e in events if e.type == "breaks.error"]
    assert (error["code"], text_of(events, "breaks")) == ("upstream_unavailable", "half an answer ")
    (cancelled,) = [e.data for e in events if e.type == "cut.cancelled"]
    assert cancelled["reason"] == "requested"
    assert events[-1].data["status"] == "partial"
    assert {name: outcome["status"] for name, outcome in events[-1].data["agents"].items()} == {
        "breaks": "error", "cut": "cancelled", "whole": "done",
    }  # fmt: skip
    assert SECRET.encode() not in body
    assert KEY.encode() not in body


def text_of(events: list[Event], agent_id: str) -> str:
    return "".join(e.data["text"] for e in events if e.type == f"{agent_id}.token")


def check_whole(events: list[Event]) -> None:
    text = "".join(step for step in echo_words(WORDS))
    (done,) = [e.data for e in events if e.type == "whole.done"]
    assert done["text"] == text_of(events, "whole") == text
    assert len([e for e in events if e.type == "whole.token"]) > 1, "tokens come as they are made"


FAULTS: list[tuple[str, Answer, str]] = [
    ("bad-key", failed(401), "upstream_auth"),
    ("busy", failed(429, retry_after="1"), "upstream_rate_limited"),
    ("down", failed(500), "upstream_unavailable"),
    ("page", html(), "upstream_invalid"),
    ("empty", nothing(), "upstream_invalid"),
    ("drop", dropped(), "upstream_unavailable"),
    ("hang", hanging(), "timeout_first_token"),
]


async def test_every_upstream_fault_is_an_event_of_its_own_agent_alone() -> None:
    models = {name: name for name, _, _ in FAULTS} | {"whole": f"echo-{WORDS}@{PER_SECOND}"}
    async with Upstream() as upstream:
        for name, answer, _ in FAULTS:
            upstream.script(name, [["never said"]], fault=answer)
        retry = {"attempts": 2, "backoff_s": 0.05}
        hasty = {"hang": {"first_token_timeout_s": 0.5}}
        async with service_of(upstream, models, hasty, retry=retry) as service:
            run_id = await service.start()
            body = await service.body(f"/v1/runs/{run_id}/events")
            events = await service.events(run_id)
    check_whole(events)
    for name, _, code in FAULTS:
        errors = [e.data for e in events if e.type == f"{name}.error"]
        assert {error["code"] for error in errors} == {code}, name
        retries = [e.data for e in events if e.type == f"{name}.retry"]
        assert len(errors) == len(retries) + 1
        assert len(retries) == (0 if code == "upstream_auth" else 1), name
    (busy,) = [e.data for e in events if e.type == "busy.retry"]
    assert busy["delay_s"] == pytest.approx(1.0, abs=0.05), "Retry-After wins over the backoff"
    assert SECRET.encode() not in body
    assert KEY.encode() not in body


CUT_SHORT: list[tuple[str, Step, str]] = [
    ("half-json", HalfJson(), "upstream_invalid"),
    ("abort", Abort(), "upstream_unavailable"),
    ("stall", Stall(), "timeout_idle"),
    ("error-chunk", ErrorChunk(), "upstream_unavailable"),
]


async def test_answer_that_breaks_off_is_an_error_and_its_text_stands() -> None:
    """No silent truncation, and no retry that would void what was read."""
    models = {name: name for name, _, _ in CUT_SHORT} | {"whole": f"echo-{WORDS}@{PER_SECOND}"}
    async with Upstream() as upstream:
        for name, step, _ in CUT_SHORT:
            upstream.script(name, [[Text("half "), Text("an answer ", delay=0.05), step]])
        async with service_of(upstream, models, {"stall": {"idle_timeout_s": 0.5}}) as service:
            events = await service.events(await service.start())
    check_whole(events)
    found = {}
    for name, _, _ in CUT_SHORT:
        (error,) = [e.data for e in events if e.type == f"{name}.error"]
        found[name] = (error["code"], text_of(events, name))
    assert found == {name: (code, "half an answer ") for name, _, code in CUT_SHORT}
    assert SECRET not in str(events)
