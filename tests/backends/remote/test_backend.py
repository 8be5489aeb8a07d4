"""An agent or a panel of another running instance answers here, over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from orchestrator import AgentError, Finish, Usage
from orchestrator.backends.base import AgentInput, Emission, Turn
from orchestrator.backends.remote.backend import RemoteBackend
from orchestrator.backends.remote.run import RemoteRun
from orchestrator.backends.remote.settings import RemoteSettings
from orchestrator.backends.upstream.connections import HttpUpstream, UpstreamRefused
from orchestrator.events import (
    Approval,
    ApprovalRequest,
    Data,
    File,
    Progress,
    Reasoning,
    Source,
    Status,
    Token,
    ToolCall,
    ToolResult,
)
from tests.dialects.agents import AGENTS, CHATTY, ODD, TOOLED
from tests.support.emissions import Answering, ask, finish_of, gather, of_kind, reasoning_in, text_in
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.service import Puppet, Serve, Service, serving, words

RICH: list[Emission] = [
    Progress("Reading", step=1, steps=3),
    Data("weights", {"a": [1, None]}, data_id="d"),
    "It is so",
    Source("s1", url="https://example.org/a", title="A", quote="so", at=3),
    File("f1", "dot.png", "image/png", "data:image/png;base64,AAAA"),
    Token(" and so.", speaker="other"),
    Finish("length", Usage(3, 5, 2, 1), output={"so": True}),
]


async def rich(request: AgentInput) -> AsyncGenerator[Emission, None]:
    for emission in RICH:
        yield emission


@asynccontextmanager
async def reaching(service: Service, **keys: Any) -> AsyncIterator[RemoteBackend]:
    backend = RemoteBackend(RemoteSettings(agent_id="mine", url=service.url, **keys), {})
    try:
        yield backend
    finally:
        await backend.aclose()


async def test_all_that_the_agent_says_comes_through(serve: Serve) -> None:
    service = await serve(AGENTS | {"rich": rich})
    async with (
        reaching(service, agent="rich") as backend,
    ):
        said = [e for e in await ask(backend) if not isinstance(e, Status)]
        assert [e.text if isinstance(e, Token) and e.speaker is None else e for e in said] == RICH
        async with reaching(service, agent="chatty") as chatty:
            said = await ask(chatty)
            assert text_in(said) == "".join(CHATTY)
            assert reasoning_in(said) == "hm, odd " + ODD
            assert finish_of(said).usage == Usage(3, 22)
        async with reaching(service, agent="tooled") as tooled:
            said = await ask(tooled)
            assert of_kind(said, ToolCall) == [ToolCall("c1", "look", '{"at":"sky"}')]
            assert of_kind(said, ToolResult) == [ToolResult("c1", "blue\u2028sky", is_error=False)]
            assert text_in(said) == "".join(TOOLED)


async def test_a_failure_keeps_its_code(serve: Serve) -> None:
    service = await serve(AGENTS)
    async with (
        reaching(service, agent="failing") as backend,
    ):
        said: list[Emission] = []
        with pytest.raises(AgentError) as caught:
            await gather(backend.stream(AgentInput("hi")), said)
        assert (caught.value.code, caught.value.message) == (
            "upstream_unavailable",
            "The provider went away.",
        )
        assert text_in(said) == "half a wo"


@pytest.mark.parametrize(
    ("keys", "code", "words"),
    [
        ({"agent": "nobody"}, "upstream_rejected", "HTTP 422"),
        ({"agent": "chatty", "token": "sesame-open-now"}, None, ""),
        ({"agent": "chatty", "token": "wrong-token-here"}, "upstream_auth", "HTTP 401"),
        ({"agent": "chatty"}, "upstream_auth", "HTTP 401"),
    ],
)
async def test_what_the_other_instance_refuses(
    serve: Serve, keys: dict[str, Any], code: str | None, words: str
) -> None:
    from orchestrator.server.http.guards.security import SecuritySettings

    security = SecuritySettings(token="sesame-open-now") if code != "upstream_rejected" else None
    service = await serve(AGENTS, security=security)
    async with (
        reaching(service, **keys) as backend,
    ):
        if code is None:
            assert text_in(await ask(backend)) == "".join(CHATTY)
            return
        with pytest.raises(AgentError) as caught:
            await ask(backend)
        assert caught.value.code == code
        assert words in caught.value.message
        assert "token" not in caught.value.message


async def test_no_instance_there_is_unavailable_at_once() -> None:
    async with serving({}) as service:
        url = service.url
    backend = RemoteBackend(RemoteSettings(agent_id="mine", url=url, agent="a"), {})
    with pytest.raises(AgentError) as caught:
        await ask(backend)
    assert caught.value.code == "upstream_unavailable"
    await backend.aclose()


async def test_a_dropped_connection_is_taken_up_where_it_was(serve: Serve) -> None:
    """Twenty cuts, and each word comes once and in order."""
    puppet = Puppet()
    service = await serve({"puppet": puppet})
    async with (
        reaching(service, agent="puppet") as backend,
    ):
        said: list[Emission] = []
        running = asyncio.create_task(gather(backend.stream(AgentInput("hi")), said))
        for n in range(20):
            puppet.say(f"{n} ", Reasoning(f"r{n} "))
            heard = f"r{n} "
            await eventually(lambda heard=heard: heard in reasoning_in(said) or running.done())
            for transport in service.transports:
                transport.abort()
        puppet.end()
        await running
        assert text_in(said) == "".join(f"{n} " for n in range(20))
        assert reasoning_in(said) == "".join(f"r{n} " for n in range(20))
        assert len(puppet.requests) == 1


async def test_a_cancel_ends_the_run_there_before_it_returns(serve: Serve) -> None:
    puppet = Puppet()
    service = await serve({"puppet": puppet})
    async with (
        reaching(service, agent="puppet") as backend,
    ):
        under_way = asyncio.Event()

        async def consume() -> None:
            async with aclosing(backend.stream(AgentInput("hi"))) as stream:
                async for emission in stream:
                    if emission == Token("on"):
                        under_way.set()

        task = asyncio.create_task(consume())
        puppet.say("on")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await under_way.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert puppet.closed.is_set()
        (run,) = (await service.call("GET", "/v1/runs")).json["runs"]
        assert run["status"] == "cancelled"


async def test_a_run_that_another_worker_has_is_left_at_work(serve: Serve) -> None:
    """Its worker was lost for a while: what it began upstream is the other worker's now, who finds it by its anchor."""
    puppet = Puppet()
    service = await serve({"puppet": puppet})
    async with (
        reaching(service, agent="puppet") as backend,
    ):
        request = AgentInput("hi")
        stream = backend.stream(request)
        puppet.say("one ")
        anchor = (await anext(stream)).anchor  # type: ignore[union-attr]  # a Status
        assert await anext(stream) == Token("one ")
        request.taken.set()
        await stream.aclose()
        assert not puppet.closed.is_set()
        puppet.say("two")
        puppet.end()
        assert text_in(await ask(backend, anchor=anchor)) == "one two"
        assert len(puppet.requests) == 1
        assert text_in(await gather(there_anew(backend, puppet))) == "anew"


def there_anew(backend: RemoteBackend, puppet: Puppet) -> AsyncGenerator[Emission, None]:
    """Follow a run that is gone: it is begun anew."""
    puppet.say("anew")
    puppet.end()
    return backend.stream(AgentInput("hi", anchor="run_of-long-ago-which-nobody-knows"))


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_is_asked_here_and_answered_there(serve: Serve, approve: bool) -> None:
    service = await serve(AGENTS)
    async with (
        reaching(service, agent="asking") as backend,
    ):
        answering = Answering(approve, "because", "Ann")
        said = await gather(backend.stream(answering.of(AgentInput("hi"))))
        assert of_kind(said, ApprovalRequest) == [ApprovalRequest("c9", "send", '{"to":"all"}')]
        assert answering.asked == ["c9"]
        # The agent repeats the reason of a refusal: it has come through as well.
        assert text_in(said) == ("May I? Sent." if approve else "May I? Not sent. You said: because")
        (run,) = (await service.call("GET", "/v1/runs")).json["runs"]
        (told,) = [e for e in await service.events(run["run_id"]) if e.type == "asking.approval"]
        assert (told.data["approve"], told.data["reason"], told.data["by"]) == (approve, "because", "Ann")


async def test_an_approval_may_be_answered_at_the_other_instance(serve: Serve) -> None:
    """Then nobody needs to answer here, and the agent goes on."""
    service = await serve(AGENTS)
    async with (
        reaching(service, agent="asking") as backend,
    ):
        said: list[Emission] = []
        never = asyncio.Event()

        async def approve(call_id: str) -> bool:
            await never.wait()
            return False

        running = asyncio.create_task(gather(backend.stream(AgentInput("hi", approve=approve)), said))
        await eventually(lambda: of_kind(said, ApprovalRequest) != [])
        (run,) = (await service.call("GET", "/v1/runs")).json["runs"]
        path = f"/v1/runs/{run['run_id']}/agents/asking/approvals/c9"
        answer = {"approve": True, "by": "Ann there"}
        assert (await service.call("POST", path, json=answer)).status == 202
        await running
        assert text_in(said) == "May I? Sent."
        assert of_kind(said, Approval) == [Approval("c9", True, by="Ann there")]


async def test_an_approval_that_nobody_answers_ends_the_attempt_and_the_run_there(serve: Serve) -> None:
    service = await serve(AGENTS)
    async with (
        reaching(service, agent="asking") as backend,
    ):
        with pytest.raises(AgentError) as caught:
            await ask(backend)
        assert caught.value.code == "approval_timeout"
        (run,) = (await service.call("GET", "/v1/runs")).json["runs"]
        assert run["status"] == "cancelled"


async def test_a_panels_last_word_is_the_answer(serve: Serve) -> None:
    scripts = {"a": words("from a"), "b": words("from b"), "chair": words("Both ", "agree.")}
    service = await serve(scripts)
    from orchestrator.panels.settings import PanelSettings

    council = {"method": "moderator", "members": ["a", "b"], "moderator": "chair", "panel_id": "council"}
    vote = {"method": "vote", "members": ["a", "b"], "panel_id": "poll"}
    for panel in (council, vote):
        service.supervisor.registry.panels[str(panel["panel_id"])] = PanelSettings.model_validate(panel)
    async with reaching(service, panel="council") as backend:
        said = await ask(backend)
        assert text_in(said) == "Both agree."
        (result,) = of_kind(said, Data)
        assert (result.name, result.value["status"]) == ("panel.result", "decided")
    async with reaching(service, panel="nobody") as backend:
        with pytest.raises(AgentError, match="HTTP 422"):
            await ask(backend)


async def test_a_retry_there_after_words_is_followed_by_the_next_attempt_here(serve: Serve) -> None:
    """What was said is void here too; the run there is asked once, whatever is retried."""
    calls: list[int] = []

    async def flaky(request: AgentInput) -> AsyncGenerator[Emission, None]:
        calls.append(request.attempt)
        if request.attempt == 1:
            yield "void"
            raise AgentError("upstream_unavailable", "Gone for a while.")
        yield "good"

    retry = {"attempts": 2, "backoff_s": 0.01, "max_backoff_s": 0.01, "after_first_token": True}
    keys = {"flaky": {"retry": retry}}
    service = await serve({"flaky": flaky}, keys=keys)
    async with (
        reaching(service, agent="flaky") as backend,
    ):
        request = AgentInput("hi", run_id="run_1", agent_id="mine")
        with pytest.raises(AgentError) as caught:
            await gather(backend.stream(request))
        assert (caught.value.code, caught.value.retryable) == ("upstream_unavailable", True)
        assert text_in(await gather(backend.stream(replace(request, attempt=2)))) == "good"
        assert calls == [1, 2]
        assert len((await service.call("GET", "/v1/runs")).json["runs"]) == 1


async def test_a_conversation_goes_on_at_the_other_instance(serve: Serve) -> None:
    async def counting(request: AgentInput) -> AsyncGenerator[Emission, None]:
        yield f"question {len(request.history) + 1}"

    service = await serve({"counting": counting})
    async with (
        reaching(service, agent="counting") as backend,
    ):
        first = await ask(backend, conversation_id="c")
        turn = Turn("hi", text_in(first), finish_of(first).memory)
        assert text_in(await ask(backend, conversation_id="c", history=(turn,))) == "question 2"
        assert text_in(await ask(backend, conversation_id="other")) == "question 1"
        assert finish_of(await ask(backend)).memory is None


async def test_the_trace_and_the_images_are_passed_on(serve: Serve) -> None:
    heard: list[AgentInput] = []

    async def hearing(request: AgentInput) -> AsyncGenerator[Emission, None]:
        heard.append(request)
        yield "ok"

    trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    image = "data:image/png;base64,iVBORw0KGgo="
    service = await serve({"hearing": hearing})
    async with (
        reaching(service, agent="hearing") as backend,
    ):
        await ask(backend, traceparent=trace, images=(image,))
        assert (heard[0].traceparent, heard[0].images, heard[0].depth) == (trace, (image,), 1)


async def test_an_instance_of_before_there_was_a_by_gets_the_answer_without_it() -> None:
    given: list[Any] = []

    class Before:
        async def call(self, method: str, url: str, body: Any) -> None:
            given.append(body)
            if "by" in body:
                raise UpstreamRefused(422, AgentError("upstream_rejected", "It knows no by."))

    run = RemoteRun(cast(HttpUpstream, Before()), "http://there", {}, {}, run_id="run_1")
    await run.answer("a", Approval("c1", True, "good", "Ann"))
    known = {"approve": True, "reason": "good"}
    assert given == [{**known, "by": "Ann"}, known]
