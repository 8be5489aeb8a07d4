"""The letta backend against a real Letta 0.16.8 server, with the scripted model server behind it."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from letta_client import AsyncLetta

from orchestrator.backends.base import AgentInput, Finish, Turn
from orchestrator.errors import AgentError
from orchestrator.events import ApprovalRequest, Reasoning, Source, Status, ToolCall, ToolResult, Usage
from tests.faults.oracle import Account, begin, patient_session
from tests.support.letta.agents import create_agent, letta_at
from tests.support.letta.ask import backend_at, pool_of, said, saying, tasks_of_ours, words
from tests.support.letta.proxy import CuttingProxy
from tests.support.letta_server import LettaServer, letta_server
from tests.support.patience import PATIENCE_SECONDS
from tests.support.upstream import SECRET, Abort, Call, Calls, Gate, Upstream, Use, failed
from tests.support.upstream import Reasoning as Thought
from tests.workers.process import worker

__all__ = ["letta_server"]

ROLL = '''
def roll(sides: int) -> str:
    """Roll a die.

    Args:
        sides: How many sides it has.

    Returns:
        str: What it shows.
    """
    return "four of %d" % sides
'''
BREAK = '''
def break_it() -> str:
    """Break.

    Returns:
        str: Nothing.
    """
    raise ValueError("it broke")
'''
SEARCH = '''
def web_search(query: str) -> str:
    """Search.

    Args:
        query (str): What for.

    Returns:
        str: Pages, as Letta's own tool of this name has them.
    """
    import json

    pages = [{"title": "Dice", "url": "https://example.org/dice", "summary": "Six sides."}]
    return json.dumps({"query": query, "results": pages})
'''

MakeAgent = Callable[..., Awaitable[str]]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as server:
        yield server


@pytest.fixture
async def client(letta_server: LettaServer) -> AsyncIterator[AsyncLetta]:
    async with letta_at(letta_server.url) as opened:
        yield opened


@pytest.fixture
async def make_agent(client: AsyncLetta, upstream: Upstream) -> AsyncIterator[MakeAgent]:
    """Creates an agent with a model of the upstream; `tools` are sources, `asks` the names to be approved."""
    made: list[str] = []

    async def make(model: str, tools: tuple[str, ...] = (), asks: tuple[str, ...] = ()) -> str:
        created = [await client.tools.upsert(source_code=source) for source in tools]
        agent_id = await create_agent(client, upstream.url, model, [tool.id for tool in created])
        for name in asks:
            await client.agents.tools.update_approval(name, agent_id=agent_id, body_requires_approval=True)
        made.append(agent_id)
        return agent_id

    yield make
    for agent_id in made:
        await client.agents.delete(agent_id)


def spoken(upstream: Upstream, at: int = -1) -> list[tuple[str, str]]:
    """What the model was told in one request, without Letta's own system message."""
    messages = upstream.requests[at].body["messages"]
    return [(m["role"], m["content"]) for m in messages if m["role"] in ("user", "assistant")]


def without_waiting(emissions: list[Any]) -> list[Any]:
    """Leave out what only says that the server takes its time: a busy one does."""
    return [each for each in emissions if not isinstance(each, Status)]


@pytest.mark.parametrize("background", [True, False])
async def test_tokens_reasoning_and_usage_are_the_models(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent, background: bool
) -> None:
    """Token by token: the pieces are the model's own, not Letta's messages cut up."""
    upstream.script(
        "m", [[Thought("hm, "), Thought("so"), "Hel", "lo ", "wörld 🎈", Use(input=11, output=5)]]
    )
    async with backend_at(letta_server.url, await make_agent("m"), background=background) as backend:
        emissions = await said(backend, AgentInput("hi"))
    assert "".join(e.text for e in emissions if isinstance(e, Reasoning)) == "hm, so"
    assert [e for e in emissions if isinstance(e, str)] == ["Hel", "lo ", "wörld 🎈"]
    finish = emissions[-1]
    assert isinstance(finish, Finish)
    assert finish.reason == "stop"
    assert finish.usage is not None
    assert (finish.usage.input_tokens, finish.usage.output_tokens) == (11, 5)


async def test_a_token_comes_while_the_model_still_speaks(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent
) -> None:
    """Streaming is not replay: the model waits here until its first word has arrived."""
    gate = Gate()
    upstream.script("m", [["first", gate, " last"]])
    async with (
        backend_at(letta_server.url, await make_agent("m")) as backend,
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(saying(backend, AgentInput("hi"))) as stream,
    ):
        assert await anext(stream) == "first"
        gate.open.set()
        assert words([emission async for emission in stream]) == " last"


async def test_whole_messages_come_without_token_streaming(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent
) -> None:
    """`stream_tokens: false` gives the same text in one piece."""
    upstream.script("m", [["Hel", "lo"]])
    async with backend_at(letta_server.url, await make_agent("m"), stream_tokens=False) as backend:
        emissions = await said(backend, AgentInput("hi"))
    assert [e for e in emissions if isinstance(e, str)] == ["Hello"]


@pytest.mark.parametrize("stream_tokens", [True, False])
async def test_a_tool_is_called_and_answers(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent, stream_tokens: bool
) -> None:
    """Letta runs the tool; the client sees the whole call, what came of it, and the answer."""
    call = Call("roll", ['{"si', 'des": ', "6}"], call_id="call_a")
    upstream.script("m", [["Let me see. ", call], ["It is four."]], pick="depth")
    agent_id = await make_agent("m", tools=(ROLL,))
    async with backend_at(letta_server.url, agent_id, stream_tokens=stream_tokens) as backend:
        emissions = await said(backend, AgentInput("roll"))
    assert without_waiting(emissions[:-1]) == [
        "Let me see. ",
        ToolCall("call_a", "roll", '{"sides": 6}'),
        ToolResult("call_a", "four of 6", is_error=False),
        "It is four.",
    ]


async def test_pages_of_a_search_are_sources_and_usage_is_told_in_detail(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent
) -> None:
    call = Call("web_search", '{"query": "dice"}', call_id="call_a")
    used = Use(input=11, output=5, cached=7, reasoning=3)
    upstream.script("m", [[call, used], ["Six.", used]], pick="depth")
    async with backend_at(letta_server.url, await make_agent("m", tools=(SEARCH,))) as backend:
        emissions = await said(backend, AgentInput("dice"))
    assert [each for each in emissions if isinstance(each, Source)] == [
        Source("https://example.org/dice", url="https://example.org/dice", title="Dice", quote="Six sides.")
    ]
    assert emissions[-1].usage == Usage(22, 10, 14, 6)


async def test_a_tool_that_fails_is_told_and_the_answer_goes_on(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent
) -> None:
    """The failure is the tool's, not the agent's."""
    upstream.script("m", [[Call("break_it", call_id="call_a")], ["Oh."]], pick="depth")
    async with backend_at(letta_server.url, await make_agent("m", tools=(BREAK,))) as backend:
        emissions = await said(backend, AgentInput("go"))
    (result,) = (e for e in emissions if isinstance(e, ToolResult))
    assert result.is_error
    assert "it broke" in result.output
    assert words(emissions) == "Oh."


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_is_asked_for_and_gone_on_from(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent, approve: bool
) -> None:
    """The tool runs only where it may."""
    call = Call("roll", ['{"si', 'des": 6}'], call_id="call_a")
    upstream.script("m", [["May I? ", call], ["Done."]], pick="depth")
    agent_id = await make_agent("m", tools=(ROLL,), asks=("roll",))

    async def answer(call_id: str) -> bool:
        assert call_id == "call_a"
        return approve

    async with backend_at(letta_server.url, agent_id) as backend:
        emissions = await said(backend, AgentInput("roll", approve=answer))
    arguments = '{"sides": 6}'
    ran = [ToolCall("call_a", "roll", arguments), ToolResult("call_a", "four of 6", is_error=False)]
    assert without_waiting(emissions[:-1]) == [
        "May I? ",
        ApprovalRequest("call_a", "roll", arguments),
        *(ran if approve else []),
        "Done.",
    ]


async def test_two_calls_of_an_agent_that_makes_one_at_a_time(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent
) -> None:
    """The server streams both to be approved, keeps the first, and refuses an answer to the second."""
    calls = Calls(Call("roll", '{"sides": 6}', "call_a"), Call("roll", '{"sides": 8}', "call_b"))
    upstream.script("m", [[calls], ["Done."]], pick="depth")
    agent_id = await make_agent("m", tools=(ROLL,), asks=("roll",))

    async def answer(call_id: str) -> bool:
        return True

    async with backend_at(letta_server.url, agent_id) as backend:
        emissions = await said(backend, AgentInput("roll", approve=answer))
    assert [e.call_id for e in emissions if isinstance(e, ApprovalRequest)] == ["call_a"]
    assert [(e.call_id, e.is_error) for e in emissions if isinstance(e, ToolResult)] == [
        ("call_a", False),
        ("call_b", True),
    ]
    assert words(emissions) == "Done."


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("how", ["cancel", "aclose"])
async def test_a_cancelled_run_is_cancelled_at_the_server(
    letta_server: LettaServer,
    client: AsyncLetta,
    upstream: Upstream,
    make_agent: MakeAgent,
    background: bool,
    how: str,
) -> None:
    """With the connection closed, no task left, and no entry in the pool, when the cancel returns."""
    agent_id = await make_agent("echo-2000@20")
    before = asyncio.all_tasks()
    async with backend_at(letta_server.url, agent_id, background=background) as backend:
        stream = saying(backend, AgentInput("hi"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            heard = [await anext(stream) for _ in range(5)]
            if how == "aclose":
                await stream.aclose()
            else:
                task = asyncio.create_task(_drain(stream))
                await asyncio.sleep(0.1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        assert tasks_of_ours(before) == set()
        assert pool_of(backend) == []
    (run,) = [run async for run in client.runs.list(agent_id=agent_id)]
    assert run.status == "cancelled"
    assert run.stop_reason == "cancelled"
    assert heard[0] == "w0"


async def _drain(stream: Any) -> None:
    async with aclosing(stream):
        async for _ in stream:
            pass


async def test_text_arrives_once_through_a_connection_that_is_cut_three_times(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent
) -> None:
    """300 tokens, three resets in the middle of an event: none lost, none twice, and one message sent."""
    agent_id = await make_agent("echo-300@100")
    port = int(letta_server.url.rpartition(":")[2])
    async with (
        CuttingProxy(port, cuts=(20_000, 17_000, 23_456)) as proxy,
        backend_at(proxy.url, agent_id) as backend,
    ):
        emissions = await said(backend, AgentInput("hi"))
    assert proxy.done == 3
    assert words(emissions) == "".join(f" w{n}" if n else "w0" for n in range(300))
    assert len([e for e in emissions if isinstance(e, str)]) == 300
    assert len(upstream.requests) == 1
    posts = [line.split()[1] for line in proxy.requests]
    assert len([path for path in posts if path.endswith("/messages")]) == 1
    assert len([path for path in posts if path.startswith("/v1/runs/")]) == 3


async def test_a_conversation_goes_on_and_others_know_nothing_of_it(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent
) -> None:
    """The model sees the turns of its own conversation, in order, and those alone."""
    upstream.script("m", [["noted"]])
    async with backend_at(letta_server.url, await make_agent("m")) as backend:

        async def ask(name: str, message: str, history: tuple[Turn, ...]) -> tuple[Turn, ...]:
            emissions = await said(backend, AgentInput(message, conversation_id=name, history=history))
            finish = emissions[-1]
            assert isinstance(finish, Finish)
            return (*history, Turn(message, words(emissions), finish.memory))

        red, blue = await asyncio.gather(ask("red", "I am red", ()), ask("blue", "I am blue", ()))
        red, blue = await asyncio.gather(ask("red", "who am I, 1", red), ask("blue", "who am I, 2", blue))
        await said(backend, AgentInput("who am I, 3"))
    seen = {spoken(upstream, at)[-1][1]: spoken(upstream, at)[:-1] for at in range(len(upstream.requests))}
    assert seen["who am I, 1"] == [("user", "I am red"), ("assistant", "noted")]
    assert seen["who am I, 2"] == [("user", "I am blue"), ("assistant", "noted")]
    assert seen["who am I, 3"] == []


async def test_a_cancelled_turn_leaves_nothing_in_its_conversation(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent
) -> None:
    """No orphan question: the turn after it goes on from the last that ended well."""
    upstream.script("m", [["noted"], ["I wi", Gate()], ["yes"]])
    async with backend_at(letta_server.url, await make_agent("m")) as backend:
        first = await said(backend, AgentInput("one", conversation_id="c"))
        assert isinstance(first[-1], Finish)
        history = (Turn("one", words(first), first[-1].memory),)
        stream = saying(backend, AgentInput("two", conversation_id="c", history=history))
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await anext(stream) == "I wi"
            await stream.aclose()
        await said(backend, AgentInput("three", conversation_id="c", history=history))
    assert spoken(upstream) == [("user", "one"), ("assistant", "noted"), ("user", "three")]


async def test_turns_that_letta_does_not_know_are_told_in_words(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent
) -> None:
    """A real server takes them, as messages of both roles."""
    upstream.script("m", [["yes"]])
    history = (Turn("one", "noted"), Turn("two", "noted too", {"conversation_id": "conv-of-another-server"}))
    async with backend_at(letta_server.url, await make_agent("m")) as backend:
        await said(backend, AgentInput("three", conversation_id="c", history=history))
    roles = itertools.cycle(("user", "assistant"))
    told = ("one", "noted", "two", "noted too", "three")
    assert spoken(upstream) == list(zip(roles, told, strict=False))


@pytest.mark.parametrize(
    ("turn", "fault", "code"),
    [
        ([], failed(401), "upstream_auth"),
        ([], failed(500), "upstream_unavailable"),
        (["Hel", Abort()], None, "upstream_unavailable"),
    ],
)
async def test_a_model_that_fails_is_an_error(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent, turn: Any, fault: Any, code: str
) -> None:
    """Letta answers 200 and tells a stop reason; its error event has the model's body in it."""
    upstream.script("m", [turn], fault=fault)
    async with backend_at(letta_server.url, await make_agent("m")) as backend:
        with pytest.raises(AgentError) as caught:
            await said(backend, AgentInput("hi"))
    assert caught.value.code == code
    assert SECRET not in caught.value.message


async def test_an_agent_that_is_not_there_is_rejected(letta_server: LettaServer) -> None:
    """A wrong `letta_agent_id` does not get better by trying again."""
    missing = "agent-00000000-0000-4000-8000-000000000000"
    async with backend_at(letta_server.url, missing) as backend:
        with pytest.raises(AgentError) as caught:
            await said(backend, AgentInput("hi"))
    assert (caught.value.code, caught.value.retryable) == ("upstream_rejected", False)


async def test_cancels_at_random_moments_leave_nothing_open(
    letta_server: LettaServer, client: AsyncLetta, upstream: Upstream, make_agent: MakeAgent
) -> None:
    """Before the request, while it is out, between tokens, at the end: no task, connection or run stays."""
    agent_id = await make_agent("echo-20@40")
    async with backend_at(letta_server.url, agent_id) as backend:
        before = asyncio.all_tasks()
        for step in range(20):
            task = asyncio.create_task(_drain(backend.stream(AgentInput(f"hi {step}"))))
            await asyncio.sleep(step * 0.05)
            task.cancel()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.wait((task,))
            assert task.cancelled() or task.exception() is None
        assert tasks_of_ours(before) == set()
        assert pool_of(backend) == []
    active = [run.id async for run in client.runs.list(agent_id=agent_id, statuses=["created", "running"])]
    assert active == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_run_outlives_the_worker_that_began_it(
    letta_server: LettaServer, upstream: Upstream, make_agent: MakeAgent, tmp_path: Path, number: int
) -> None:
    """The next worker attaches to it: the model is asked once, and the whole text is there once.

    A worker that was only frozen, and comes back, does not end what is another's now.
    """
    agent_id = await make_agent("echo-200@15")
    (tmp_path / "memo.yaml").write_text(
        f"backend: letta\nletta_agent_id: {agent_id}\nbase_url: {letta_server.url}\ndefault: true\n"
    )
    log = f"sqlite:///{tmp_path}/log.db"
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        patient_session() as http,
        worker(log, config=tmp_path) as first,
        worker(log, config=tmp_path) as second,
    ):
        account = await begin(http, first.url, "hi")
        before = Account(account.run_id)
        while not any(event.type == "memo.token" for event in before.seen):
            await before.connect(http, second.url, most=2000)
        first.send(number)
        if number == signal.SIGSTOP:
            other = Account(account.run_id)
            while not any(event.data.get("attempt") == 2 for event in other.seen):
                await other.connect(http, second.url, most=500)
            first.send(signal.SIGCONT)
        await account.follow(http, second.url)
        seen = account.seen
    ends = [(e.data["type"], e.data["attempt"]) for e in seen if "attempt" in e.data]
    assert ends == [("started", 1), ("error", 1), ("retry", 2), ("started", 2), ("done", 2)]
    assert [e.data["code"] for e in seen if e.type == "memo.error"] == ["worker_lost"]
    second_half = seen[[e.type for e in seen].index("memo.retry") :]
    said = "".join(e.data["text"] for e in second_half if e.type == "memo.token")
    assert said == "".join(f" w{n}" if n else "w0" for n in range(200))
    assert len(upstream.requests) == 1, "the message was sent once, and the model asked once"
