"""Agents that an app of the Agents SDK brings: its clients, keys, models, context, session, hooks, run configuration.

Each app here is a module of a few lines, as a user writes it, and asks a server on 127.0.0.1.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from agents.models import _openai_shared

from orchestrator.backends.base import AgentInput, Emission, Finish, Turn
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError, ConfigError
from orchestrator.events import Token, ToolResult

from .replays.server import ReplayServer
from .replays.wire import ANSWER, CHAT, DONE, RESPONSES, call, chunk, data, stream

KEY = "sk-of-the-app"
CALLING = stream(data(chunk(call("whoami", "{}")), chunk(finish="tool_calls")), DONE)


@pytest.fixture
async def here() -> AsyncIterator[ReplayServer]:
    """The server that the app means."""
    async with ReplayServer([ANSWER[CHAT]]) as server:
        yield server


@pytest.fixture(autouse=True)
async def defaults_of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """An app sets the SDK's defaults for its whole process; put them back."""
    before = dict(vars(_openai_shared))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_DEFAULT_MODEL"):
        monkeypatch.delenv(name, raising=False)
    yield
    if (client := _openai_shared.get_default_openai_client()) is not None:
        await client.close()
    for name, value in before.items():
        setattr(_openai_shared, name, value)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Write a module called `the_app` and return the settings of its agent."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(source: str, *, agent: str = "the_app:agent", **keys: Any) -> OpenAIAgentsBackend:
        (tmp_path / "the_app.py").write_text("from agents import *\n" + source)
        sys.modules.pop("the_app", None)
        settings = OpenAIAgentsSettings.model_validate({"agent_id": "a", "agent": agent, **keys})
        return OpenAIAgentsBackend(settings, {"a": settings})

    yield write
    sys.modules.pop("the_app", None)


async def said(backend: OpenAIAgentsBackend, request: AgentInput = AgentInput("go")) -> list[Emission]:  # noqa: B008
    try:
        return [emission async for emission in backend.stream(request)]
    finally:
        await backend.aclose()


def text(emissions: list[Emission]) -> str:
    return "".join(e.text for e in emissions if isinstance(e, Token))


# ── where the models are ──────────────────────────────────────────────────────────────────────────

AGENT = 'agent = Agent(name="a", model="gpt-x")\n'


@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_a_default_client_is_used(app: Any, here: ReplayServer, transport: str) -> None:
    source = f"""
from openai import AsyncOpenAI
set_default_openai_client(AsyncOpenAI(base_url={here.url!r}, api_key={KEY!r}, default_headers={{"X-Own": "yes"}}))
set_default_openai_api("chat_completions")
"""
    assert text(await said(app(source + AGENT, transport=transport))) == "done"
    [asked] = here.asked
    assert asked.path == "/v1/chat/completions"
    assert (asked.headers["authorization"], asked.headers["x-own"]) == (f"Bearer {KEY}", "yes")
    assert asked.body["model"] == "gpt-x"


@pytest.mark.parametrize("transport", ["fast", "sdk"])
@pytest.mark.parametrize(
    ("api", "path"), [("chat_completions", "chat/completions"), ("responses", "responses")]
)
async def test_the_environments_address_and_the_default_key_and_api_hold(
    app: Any, here: ReplayServer, monkeypatch: pytest.MonkeyPatch, transport: str, api: Any, path: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", here.url)
    here.replies = [ANSWER[api]]
    source = f"set_default_openai_key({KEY!r})\nset_default_openai_api({api!r})\n"
    assert text(await said(app(source + AGENT, transport=transport))) == "done"
    assert here.asked[0].path == f"/v1/{path}"
    assert here.asked[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_an_agent_without_a_model_asks_for_the_default_one(
    app: Any, here: ReplayServer, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", here.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_DEFAULT_MODEL", "gpt-default")
    here.replies = [ANSWER[RESPONSES]]
    assert text(await said(app('agent = Agent(name="a")\n', transport=transport))) == "done"
    assert here.asked[0].body["model"] == "gpt-default"


@pytest.mark.parametrize(
    ("name", "sent"), [("openai/gpt-x", "gpt-x"), ("any-llm/openai/gpt-x", "gpt-x"), ("gpt-x", "gpt-x")]
)
async def test_prefixes_go_where_the_sdk_would_send_them(
    app: Any, here: ReplayServer, monkeypatch: pytest.MonkeyPatch, name: str, sent: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", here.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    here.replies = [ANSWER[RESPONSES]]
    assert text(await said(app(f'agent = Agent(name="a", model={name!r})\n'))) == "done"
    assert here.asked[0].body["model"] == sent


async def test_what_the_file_says_wins(app: Any, here: ReplayServer) -> None:
    """The address in agents_config is the newer word; a gateway's model names keep their prefix."""
    source = 'set_default_openai_key("sk-elsewhere")\nagent = Agent(name="a", model="openai/gpt-x")\n'
    assert text(await said(app(source, base_url=here.url, api_key=KEY))) == "done"
    assert here.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert here.asked[0].body["model"] == "openai/gpt-x"


async def test_without_a_key_nothing_is_asked(app: Any) -> None:
    with pytest.raises((AgentError, ConfigError)) as caught:
        await said(app(AGENT))
    assert KEY not in str(caught.value)


# ── what the runner takes ─────────────────────────────────────────────────────────────────────────

PARTS = """
from dataclasses import dataclass
import orchestrator

@dataclass
class Who:
    name: str

@function_tool
def whoami(context: RunContextWrapper[Who]) -> str:
    return f"{context.context.name} asked {orchestrator.current_input().message}"

heard = []

class Hooks(RunHooks):
    async def on_tool_start(self, context, agent, tool):
        heard.append(tool.name)

@input_guardrail
def no_swearing(context, agent, items):
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered="darn" in str(items))

def context(request):
    return Who(f"user of {request.agent_id}")

async def late_context(request):
    return Who(f"late user of {request.agent_id}")

sessions = {}

def session(request):
    return sessions.setdefault(request.conversation_id, SQLiteSession(request.conversation_id or "none"))

def hooks(request):
    return Hooks()

def run_config(request):
    return RunConfig(input_guardrails=[no_swearing], model_settings=ModelSettings(temperature=0.5))

def make_agent():
    return Agent(name="a", model="m", tools=[whoami])

async def make_later():
    return make_agent()

agent = make_agent()
"""


def where(here: ReplayServer) -> dict[str, str]:
    return {"base_url": here.url, "api_key": KEY}


@pytest.mark.parametrize(
    ("key", "who"), [("the_app:context", "user of a"), ("the_app:late_context", "late user of a")]
)
async def test_a_context_of_the_users_own(app: Any, here: ReplayServer, key: str, who: str) -> None:
    """Its tools see it; what we ask the agent stays reachable."""
    here.replies = [CALLING, ANSWER[CHAT]]
    emissions = await said(app(PARTS, context=key, **where(here)), AgentInput("the time", agent_id="a"))
    assert [e.output for e in emissions if isinstance(e, ToolResult)] == [f"{who} asked the time"]


async def test_a_session_remembers_instead_of_our_conversation(app: Any, here: ReplayServer) -> None:
    """Both would tell the model everything twice."""
    backend = app(PARTS, session="the_app:session", **where(here))
    for message in ("first", "second"):
        history = () if message == "first" else (Turn("first", "done"),)
        emissions = [
            e async for e in backend.stream(AgentInput(message, conversation_id="c", history=history))
        ]
    assert isinstance(emissions[-1], Finish)
    assert emissions[-1].memory is None
    contents = [m["content"] for m in here.asked[1].body["messages"]]
    assert contents == ["first", "done", "second"]
    await backend.aclose()
    for session in sys.modules["the_app"].sessions.values():
        session.close()


async def test_hooks_of_the_users_own_are_called_beside_ours(app: Any, here: ReplayServer) -> None:
    here.replies = [CALLING, ANSWER[CHAT]]
    emissions = await said(app(PARTS, hooks="the_app:hooks", context="the_app:context", **where(here)))
    assert sys.modules["the_app"].heard == ["whoami"]
    assert sum(isinstance(e, ToolResult) for e in emissions) == 1


async def test_all_hooks_of_the_users_own_are_called(app: Any, here: ReplayServer) -> None:
    """The SDK calls some of them by the names of their arguments."""
    source = """
def noting(name):
    async def note(self, *args, **named):
        heard.append(name)
    return note
heard = []
class Noting(RunHooks):
    pass
names = [name for name in dir(Noting) if name.startswith("on_")]
for name in names:
    setattr(Noting, name, noting(name))
def hooks(request):
    return Noting()
@function_tool
def whoami() -> str:
    return "Ada"
agent = Agent(name="lead", model="m", handoffs=[Agent(name="other", model="m", tools=[whoami])])
"""
    over = stream(data(chunk(call("transfer_to_other", "{}")), chunk(finish="tool_calls")), DONE)
    here.replies = [over, CALLING, ANSWER[CHAT]]
    assert text(await said(app(source, hooks="the_app:hooks", **where(here)))) == "done"
    module = sys.modules["the_app"]
    assert set(module.heard) == set(module.names)


@pytest.mark.parametrize(
    ("fails", "code"),
    [("instructions=lambda context, agent: secret_of()", "internal"),
     ("input_guardrails=[InputGuardrail(secret_of)]", "internal"),
     ("handoffs=[handoff(Agent(name='o'), on_handoff=secret_of, tool_name_override='whoami')]", "internal"),
     ("tools=[FunctionTool('whoami', '', {}, secret_of, needs_approval=secret_of)]", "tool_failed")],
)  # fmt: skip
async def test_what_the_apps_own_code_raises_is_not_the_providers_fault(
    app: Any, here: ReplayServer, fails: str, code: str
) -> None:
    """Nor tried again; what was raised about a tool is in no log either."""
    source = f"""
def secret_of(*args):
    raise ValueError("canary-7f3a")
agent = Agent(name="lead", model="m", {fails})
"""
    here.replies = [CALLING, ANSWER[CHAT]]
    with pytest.raises(AgentError) as caught:
        await said(app(source, **where(here)))
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert "canary" not in caught.value.message
    told = "".join(traceback.format_exception(caught.value))
    assert ("canary" in told) is (code == "internal")


async def test_a_run_config_of_the_users_own_holds(app: Any, here: ReplayServer) -> None:
    backend = app(PARTS, run_config="the_app:run_config", **where(here))
    assert text([e async for e in backend.stream(AgentInput("go"))]) == "done"
    assert here.asked[0].body["temperature"] == 0.5
    with pytest.raises(AgentError) as caught:
        await said(backend, AgentInput("darn"))
    assert caught.value.code == "guardrail"


async def test_an_agent_may_come_from_a_factory(app: Any, here: ReplayServer) -> None:
    assert text(await said(app(PARTS, agent="the_app:make_agent", **where(here)))) == "done"


@pytest.mark.parametrize(
    ("key", "reference"),
    [("agent", "the_app:make_later"), ("agent", "the_app:sessions"), ("context", "the_app:nowhere"),
     ("hooks", "the_app:sessions")],
)  # fmt: skip
def test_a_wrong_reference_is_told_when_it_is_loaded(app: Any, key: str, reference: str) -> None:
    with pytest.raises(ConfigError) as caught:
        app(PARTS, **{key: reference})
    assert key in str(caught.value)
