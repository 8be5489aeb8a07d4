"""MCP servers that answer oddly: each fails alone and in time, and what it says of itself is in no log line."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError
from orchestrator.events import ToolResult
from orchestrator.telemetry.logs import configure_logging, traceback_text
from tests.backends.openai.replays.server import ReplayServer
from tests.backends.openai.replays.wire import ANSWER, CHAT, DONE, call, chunk, data, stream
from tests.support import odd_mcp_server
from tests.support.emissions import heard
from tests.support.loglines import own_logging
from tests.support.odd_mcp_server import CANARY

PROGRAM = str(Path(odd_mcp_server.__file__))


async def told(kind: str, **keys: Any) -> tuple[list[Emission], AgentError | None]:
    """What an agent says whose model calls the server's tool once, and how it failed."""
    replies = [stream(data(chunk(call("t", "{}")), chunk(finish="tool_calls")), DONE), ANSWER[CHAT]]
    async with ReplayServer(replies) as model:
        server = {"command": sys.executable, "args": ["-S", PROGRAM, kind], **keys}
        settings = OpenAIAgentsSettings.model_validate(
            {"agent_id": "a", "model": "m", "base_url": model.url, "api_key": "k", "mcp_servers": [server]}
        )
        backend = OpenAIAgentsBackend(settings, {"a": settings})
        try:
            return await heard(backend.stream(AgentInput("go")))
        finally:
            await backend.aclose()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that a service would log meanwhile, by whatever logger."""
    out = io.StringIO()
    with own_logging():
        configure_logging(stream=out)
        yield out


@pytest.mark.parametrize("kind", ["endless list", "silent list", "no list", "wrong list"])
async def test_a_server_that_lists_no_tools_fails_the_agent_in_time(kind: str, log: io.StringIO) -> None:
    """A list without an end used to last as long as the agent may, and took the processor meanwhile."""
    limit = {} if kind in ("no list", "wrong list") else {"start_timeout_s": 1}
    _, error = await told(kind, **limit)
    assert error is not None
    assert (error.code, error.message) == ("tool_failed", "The agent's MCP server 1 did not list its tools.")
    assert CANARY not in traceback_text(error) + log.getvalue()


CALLS = [
    ("structure alone", '{"hour": 12}', False),
    ("wrong answer", "The tool failed", True),
    ("an error", "The tool failed", True),
]


@pytest.mark.parametrize(("kind", "output", "failed"), CALLS)
async def test_what_comes_of_a_call_is_read_or_failed(
    kind: str, output: str, failed: bool, log: io.StringIO
) -> None:
    said, error = await told(kind)
    assert error is None
    [result] = [each for each in said if isinstance(each, ToolResult)]
    assert (result.output[: len(output)], result.is_error) == (output, failed)
    assert CANARY not in str(said) + log.getvalue()


@pytest.mark.parametrize("kind", ["half", "no answer"])
async def test_an_answer_that_is_none_takes_the_time_of_a_call(kind: str, log: io.StringIO) -> None:
    said, error = await told(kind, call_timeout_s=1)
    assert error is None
    [result] = [each for each in said if isinstance(each, ToolResult)]
    assert (result.output, result.is_error) == ("The tool failed: t took longer than 1 s.", True)
    assert CANARY not in str(said) + log.getvalue()
