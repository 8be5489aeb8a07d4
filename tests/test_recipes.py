"""The recipes of `examples/recipes`: agents of other SDKs, frameworks and a shell command, each by 30 lines."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orchestrator.backends.base import AgentInput, Emission, Finish, Turn
from orchestrator.errors import AgentError
from tests.support import foreign
from tests.support.commands import ROOT, environment, finish
from tests.support.patience import eventually
from tests.support.upstream import Call, Upstream, Use, Wait
from tests.support.zygote import command

RECIPES = ROOT / "examples" / "recipes"
PROGRAMS = sorted(path.stem for path in RECIPES.glob("with_*.py"))
FRAMEWORKS = {
    "llamaindex": ("llama-index-core", "llama-index-llms-openai-like"),
    "agno": ("agno", "openai"),
    "smolagents": ("smolagents[openai]",),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_recipe_is_short_and_has_its_agent(program: str) -> None:
    assert len((RECIPES / f"{program}.py").read_text().splitlines()) <= 30
    name = program.removeprefix("with_")
    told = (RECIPES / "agents" / name / f"{name}.yaml").read_text()
    assert f"stream: {program}:answer" in told
    assert (
        f"`cd examples/recipes && orchestrator run --config agents/{name} "
        in (ROOT / "examples/README.md").read_text()
    )


def load(program: str) -> Any:
    """Return a recipe's function, made anew as its environment is now."""
    spec = importlib.util.spec_from_file_location(program, RECIPES / f"{program}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.answer


async def say(program: str, request: AgentInput) -> list[Emission]:
    emissions: AsyncGenerator[Emission, None] = load(program)(request)
    async with aclosing(emissions):
        return [each async for each in emissions]


@pytest.fixture
async def upstream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Upstream]:
    async with Upstream() as made:
        for name, value in {"OPENAI_BASE_URL": made.url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}.items():
            monkeypatch.setenv(name, value)
        yield made


EARLIER = (Turn("One?", "1."),)


async def test_openai_sdk_says_what_its_model_says(upstream: Upstream) -> None:
    upstream.script("m", [["It is ", "noon.", Use(input=7, output=2)]])
    *said, end = await say("with_openai_sdk", AgentInput("And now?", history=EARLIER))
    assert "".join(map(str, said)) == "It is noon."
    assert isinstance(end, Finish)
    assert end.usage is not None
    assert (end.usage.input_tokens, end.usage.output_tokens) == (7, 2)
    assert [each["content"] for each in upstream.requests[0].body["messages"]] == ["One?", "1.", "And now?"]


async def test_openai_sdk_lets_its_connection_go_when_it_is_stopped(upstream: Upstream) -> None:
    upstream.script("m", [["one ", Wait(30), "two"]])
    async with aclosing(load("with_openai_sdk")(AgentInput("hi"))) as emissions:
        assert await anext(emissions) == "one "
    await upstream.wait_all_closed()


def _frame(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


@asynccontextmanager
async def messages_api() -> AsyncIterator[tuple[str, list[Any]]]:
    """Serve Anthropic's Messages API with one answer; yield its address and what was asked."""
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(await request.json())
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        usage = {"input_tokens": 7, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
        message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
        thinking = {"type": "thinking", "thinking": "", "signature": ""}
        blocks = [(thinking, ["Hm."]), ({"type": "text", "text": ""}, ["It is ", "noon."])]
        await response.write(_frame("message_start", message=message) + _frame("ping"))
        for index, (block, texts) in enumerate(blocks):
            kind = block["type"]
            await response.write(_frame("content_block_start", index=index, content_block=block))
            for text in texts:
                delta = {"type": f"{kind}_delta", kind: text}
                await response.write(_frame("content_block_delta", index=index, delta=delta))
            await response.write(_frame("content_block_stop", index=index))
        ending = {"stop_reason": "end_turn", "stop_sequence": None}
        await response.write(
            _frame("message_delta", delta=ending, usage={"output_tokens": 2}) + _frame("message_stop")
        )
        return response

    app = web.Application()
    app.router.add_post("/v1/messages", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/"), asked


async def test_anthropic_sdk_says_what_its_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    async with messages_api() as (url, asked):
        for name, value in {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k"}.items():
            monkeypatch.setenv(name, value)
        thought, *said, end = await say("with_anthropic_sdk", AgentInput("And now?", history=EARLIER))
    assert getattr(thought, "text", None) == "Hm."
    assert "".join(map(str, said)) == "It is noon."
    assert isinstance(end, Finish)
    assert end.usage is not None
    assert (end.usage.input_tokens, end.usage.output_tokens) == (7, 2)
    assert [each["content"] for each in asked[0]["messages"]] == ["One?", "1.", "And now?"]


async def test_shell_command_answers_and_says_how_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECIPE_COMMAND", "tr a-z A-Z")
    assert "".join(map(str, await say("with_shell", AgentInput("is it nöon?")))) == "IS IT NöON?"
    monkeypatch.setenv("RECIPE_COMMAND", "cat; exit 3")
    with pytest.raises(AgentError, match="ended with 3"):
        await say("with_shell", AgentInput("hi"))


async def test_shell_command_ends_with_its_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And so does what the command has started."""
    mark = tmp_path / "pid"
    monkeypatch.setenv("RECIPE_COMMAND", f"sleep 60 & echo $! > {mark}; echo begun; wait")
    async with aclosing(load("with_shell")(AgentInput("hi"))) as emissions:
        assert await anext(emissions) == "begun\n"
        child = Path("/proc") / mark.read_text().strip() / "stat"
        assert child.exists()
    await eventually(lambda: not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z")


async def ask(name: str, program: list[str], **env: str) -> list[Any]:
    """Ask a recipe's agent as its line in the README says; return the events."""
    process = await asyncio.create_subprocess_exec(
        *program, "run", "--json", "--config", f"agents/{name}", "What time is it in UTC?",
        cwd=RECIPES, env=environment(**env), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    code, out, err = await finish(process)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


async def test_a_recipe_is_run_as_the_readme_says() -> None:
    events = await ask("shell", command(), RECIPE_COMMAND="rev")
    assert events[-2]["text"] == "?CTU ni ti si emit tahW"


if foreign.ASKED_FOR:

    @pytest.mark.timeout(1200)
    @pytest.mark.parametrize("name", FRAMEWORKS)
    async def test_a_frameworks_agent_calls_its_tool_and_answers(name: str) -> None:
        python = await asyncio.to_thread(foreign.environment_of, *FRAMEWORKS[name])
        last = (
            [Call("final_answer", '{"answer": "It is noon."}')]
            if name == "smolagents"
            else ["It is ", "noon."]
        )
        async with Upstream() as model:
            model.script("m", [[Call("clock", '{"place": "UTC"}')], last])
            events = await ask(
                name, [str(python), "-m", "orchestrator"], OPENAI_COMPATIBLE_BASE_URL=model.url
            )
        own = [event for event in events if event.get("agent_id") == name]
        assert [event["type"] for event in own] == ["started", "tool_call", "tool_result", "token", "done"]
        assert json.loads(own[1]["arguments"]) == {"place": "UTC"}
        assert "UTC" in own[2]["output"]
        assert own[-1]["text"] == "It is noon."
