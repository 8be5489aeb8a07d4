"""The examples on other people's clients: the AI SDK's page drawn without a browser, AG-UI's program as it is."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.commands import ROOT, environment, finish
from tests.support.service import Service, serving

from .agents import BROKEN, CHATTY, broken, chatty, endless
from .node import FOLDER, PROGRAM, NodeHost, install

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    install()


@pytest.fixture
def host() -> Iterator[NodeHost]:
    """A process of its own: the page's document stays in it."""
    made = NodeHost()
    yield made
    made.close()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving({"chatty": chatty, "broken": broken, "endless": endless}) as served:
        yield served


async def test_ai_sdk_page_has_a_column_and_a_stop_button_per_agent(service: Service, host: NodeHost) -> None:
    given = (service.url, str(EXAMPLES / "ai_sdk/src/App.jsx"), "endless", "and on")
    told = await asyncio.to_thread(host.ask, "page.mjs", given)
    assert set(told) == {"chatty", "broken", "endless"}
    assert told["chatty"] == {"status": "done", "text": "".join(CHATTY)}
    assert told["broken"] == {"status": "error: The provider went away.", "text": BROKEN[0]}
    assert told["endless"]["status"] == "cancelled"


async def test_ag_ui_program_prints_each_agent(service: Service) -> None:
    place = (
        FOLDER / "node_modules" / ".example" / "ask.mjs"
    )  # there its import is found, as in its own folder
    place.parent.mkdir(exist_ok=True)
    shutil.copy(EXAMPLES / "ag_ui/ask.mjs", place)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM), str(place), "hi", "chatty+broken",
        stdin=pipe, stdout=pipe, stderr=pipe, env=environment(ORCHESTRATOR_SERVER=service.url),
    )  # fmt: skip
    code, out, errors = await finish(process)
    assert (code, errors) == (0, "")
    assert f"(done): {''.join(CHATTY)}" in out
    assert "broken failed (upstream_unavailable): The provider went away." in out
