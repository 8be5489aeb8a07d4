"""Calls that are not function calls of ours: hosted tools, the SDK's local ones, and calls that a guardrail rejects.

Each is told once: what it was given when it begins, what came of it when it has ended.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from agents import (
    Agent,
    ApplyPatchTool,
    LocalShellTool,
    ShellTool,
    ToolGuardrailFunctionOutput,
    function_tool,
    tool_input_guardrail,
    tool_output_guardrail,
)
from agents.editor import ApplyPatchResult

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.events import ToolCall, ToolResult

from .replays.server import ReplayServer, Reply
from .replays.wire import (
    ANSWER,
    CHAT,
    DONE,
    RESPONSES,
    Api,
    call,
    chunk,
    completed,
    data,
    event,
    message,
    stream,
)

HERE = "tests.backends.openai.test_tool_events"
TRANSPORTS = ["fast", "sdk"]

ran: list[str] = []


def run_shell(request: Any) -> str:
    ran.append(" ".join(request.data.action.command))
    return f"ran {ran[-1]}"


def run_new_shell(request: Any) -> str:
    ran.append(request.data.action.commands[0])
    return f"ran {ran[-1]}"


class Editor:
    def create_file(self, operation: Any) -> ApplyPatchResult:
        ran.append(operation.path)
        return ApplyPatchResult(status="completed", output=f"made {operation.path}")

    update_file = delete_file = create_file


shell = Agent[Any](name="shell", model="m", tools=[LocalShellTool(executor=run_shell)])
new_shell = Agent[Any](name="new_shell", model="m", tools=[ShellTool(executor=run_new_shell)])
patcher = Agent[Any](name="patcher", model="m", tools=[ApplyPatchTool(editor=Editor())])


@tool_input_guardrail
def no_utc(data: Any) -> ToolGuardrailFunctionOutput:
    if "UTC" in data.context.tool_arguments:
        return ToolGuardrailFunctionOutput.reject_content("not that zone")
    return ToolGuardrailFunctionOutput.allow()


@tool_output_guardrail
def no_noon(data: Any) -> ToolGuardrailFunctionOutput:
    if "noon" in str(data.output):
        return ToolGuardrailFunctionOutput.reject_content("not that hour")
    return ToolGuardrailFunctionOutput.allow()


@function_tool(tool_input_guardrails=[no_utc])
def clock(zone: str) -> str:
    ran.append(zone)
    return f"noon in {zone}"


@function_tool(name_override="clock", tool_output_guardrails=[no_noon])
def checked_clock(zone: str) -> str:
    ran.append(zone)
    return f"noon in {zone}"


guarded = Agent[Any](name="guarded", model="m", tools=[clock])
checked = Agent[Any](name="checked", model="m", tools=[checked_clock])


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


async def told(replies: list[Reply], transport: str, api: Api = RESPONSES, **keys: Any) -> list[Emission]:
    async with ReplayServer(replies) as server:
        settings = OpenAIAgentsSettings.model_validate(
            {
                "agent_id": "a",
                "base_url": server.url,
                "api_key": "k",
                "api": api,
                "transport": transport,
                **keys,
            }
        )
        backend = OpenAIAgentsBackend(settings, {"a": settings})
        try:
            return [emission async for emission in backend.stream(AgentInput("go"))]
        finally:
            await backend.aclose()


def calls_in(emissions: list[Emission]) -> list[tuple[str, Any, str, bool]]:
    """Name, arguments, output and failure of each call; each must be told once, and begin before it ends."""
    made = [e for e in emissions if isinstance(e, ToolCall)]
    results = {e.call_id: e for e in emissions if isinstance(e, ToolResult)}
    assert len({e.call_id for e in made}) == len(made) == sum(isinstance(e, ToolResult) for e in emissions)
    for one in made:
        assert emissions.index(one) < emissions.index(results[one.call_id])
    return [
        (e.name, json.loads(e.arguments), results[e.call_id].output, results[e.call_id].is_error)
        for e in made
    ]


def hosted(done: dict[str, Any], *between: bytes, **added: Any) -> list[Reply]:
    """A hosted call: announced with nothing but its kind, then done."""
    begun = {"id": done["id"], "type": done["type"], "status": "in_progress", **added}
    return [stream(
        event("response.output_item.added", output_index=0, item=begun), *between,
        event("response.output_item.done", output_index=0, item=done), completed(done, message("so")),
    )]  # fmt: skip


MCP = {
    "type": "mcp_call",
    "id": "mcp_1",
    "server_label": "dmcp",
    "name": "roll",
    "arguments": '{"dice": "2d4"}',
}
SEARCH = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "weather"},
}
HOSTED = [
    (hosted({**MCP, "output": "7", "error": None}, name="roll", server_label="dmcp", arguments=""), [("roll", {"dice": "2d4"}, "7", False)]),
    (hosted({**MCP, "status": "failed", "output": None, "error": "no such dice"}), [("roll", {"dice": "2d4"}, "no such dice", True)]),
    (hosted({**MCP, "output": None, "error": {"type": "mcp_tool_execution_error", "content": "boom"}}), [("roll", {"dice": "2d4"}, "boom", True)]),
    (hosted({**MCP, "arguments": "", "output": "7"},
            event("response.mcp_call_arguments.delta", item_id="mcp_1", output_index=0, delta='{"dice": "2d4"}')),
     [("roll", {"dice": "2d4"}, "7", False)]),
    (hosted(SEARCH), [("web_search", {"action": {"type": "search", "query": "weather"}}, "completed", False)]),
    (hosted({**SEARCH, "status": "failed"}), [("web_search", {"action": {"type": "search", "query": "weather"}}, "failed", True)]),
    (hosted({"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["rent"], "results": [{"file_id": "f", "text": "t"}]}),
     [("file_search", {"queries": ["rent"]}, '[{"file_id": "f", "text": "t"}]', False)]),
    (hosted({"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1+1", "container_id": "c",
             "outputs": [{"type": "logs", "logs": "2"}]}),
     [("code_interpreter", {"code": "1+1"}, '[{"logs": "2", "type": "logs"}]', False)]),
    (hosted({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBOR" * 9000}),
     [("image_generation", {}, "completed", False)]),
    (hosted({**MCP, "arguments": {"dice": "2d4"}, "output": "7"}), [("roll", {"dice": "2d4"}, "7", False)]),
    (hosted({**MCP, "output": "7", "error": ""}), [("roll", {"dice": "2d4"}, "7", False)]),
    (hosted({**MCP, "status": "completed", "output": "7", "error": {}}), [("roll", {"dice": "2d4"}, "7", False)]),
    (hosted({**SEARCH, "action": {"type": "open_page", "url": "https://example.org"}}),
     [("web_search", {"action": {"type": "open_page", "url": "https://example.org"}}, "completed", False)]),
    (hosted({"type": "code_interpreter_call", "id": "ci_1", "status": "failed", "code": "1/0", "container_id": "c", "outputs": None}),
     [("code_interpreter", {"code": "1/0"}, "failed", True)]),
    (hosted({"type": "file_search_call", "id": "fs_1", "status": "incomplete", "queries": ["rent"], "results": None}),
     [("file_search", {"queries": ["rent"]}, "incomplete", True)]),
]  # fmt: skip


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("replies", "expected"), HOSTED)
async def test_a_hosted_call_is_told_with_what_it_was_given(
    replies: list[Reply], expected: list[Any], transport: str
) -> None:
    assert [(n, a, json.loads(o) if o[:1] in "[{" else o, f) for n, a, o, f in calls_in(await told(replies, transport, model="m"))] == [
        (n, a, json.loads(o) if o[:1] in "[{" else o, f) for n, a, o, f in expected
    ]  # fmt: skip


def local(kind: str, call_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"id_{call_id}", "call_id": call_id, "status": "completed", **fields}


def exec_action(*command: str) -> dict[str, Any]:
    return {"type": "exec", "command": list(command), "env": {}}


LOCAL = [
    ("shell", "local_shell", [local("local_shell_call", c, action=exec_action("echo", c)) for c in ("one", "two")],
     ["echo one", "echo two"], ["ran echo one", "ran echo two"]),
    ("new_shell", "shell", [local("shell_call", c, action={"commands": [f"ls {c}"]}) for c in ("one", "two")],
     ["ls one", "ls two"], None),
    ("patcher", "apply_patch", [local("apply_patch_call", c, operation={"type": "create_file", "path": c, "diff": "+a"})
                                for c in ("one", "two")], ["one", "two"], ["made one", "made two"]),
]  # fmt: skip


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("agent", "name", "items", "done", "outputs"), LOCAL)
async def test_a_call_that_the_sdk_runs_here_is_told_once(
    agent: str, name: str, items: list[Any], done: list[str], outputs: list[str] | None, transport: str
) -> None:
    """With its own id and arguments, and its output once it has run, not when the model has said it."""
    announced = [
        event(f"response.output_item.{kind}", output_index=at, item=item)
        for at, item in enumerate(items) for kind in ("added", "done")
    ]  # fmt: skip
    emissions = await told(
        [stream(*announced, completed(*items)), ANSWER[RESPONSES]], transport, agent=f"{HERE}:{agent}"
    )
    calls = calls_in(emissions)
    assert ran == done
    assert [each[0] for each in calls] == [name, name]
    assert [e.call_id for e in emissions if isinstance(e, ToolCall)] == ["one", "two"]
    for each, item, output in zip(calls, items, outputs or done, strict=True):
        assert (
            each[1].items() <= {k: v for k, v in item.items() if k in ("action", "operation")}.items()
            or each[1]
        )
        assert output in each[2]
        assert not each[3]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("agent", "output", "ran_in"), [("guarded", "not that zone", []), ("checked", "not that hour", ["UTC"])]
)
async def test_a_call_that_a_guardrail_rejects_is_told(
    agent: str, output: str, ran_in: list[str], transport: str
) -> None:
    replies = [stream(data(chunk(call()), chunk(finish="tool_calls")), DONE), ANSWER[CHAT]]
    emissions = await told(replies, transport, CHAT, agent=f"{HERE}:{agent}")
    assert calls_in(emissions) == [("clock", {"zone": "UTC"}, output, True)]
    assert ran == ran_in
