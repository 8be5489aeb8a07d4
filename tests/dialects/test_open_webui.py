"""Open WebUI as a client, a server of its own, unmodified and without a network: asked for by `TEST_OPEN_WEBUI=1`.

It brings several GiB and takes minutes to start, so `TEST_FOREIGN=1` alone leaves it out.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.support.foreign import environment_alone
from tests.support.listening import free_port
from tests.support.service import serving_process

from .agents import BROKEN, CHATTY, ODD, TOOLED

ASKED_FOR = os.environ.get("TEST_OPEN_WEBUI", "") not in ("", "0")
VERSION = "0.12.4"
START_SECONDS = 900

ALONE = {
    "OFFLINE_MODE": "true", "HF_HUB_OFFLINE": "1", "ENABLE_OLLAMA_API": "false", "WEBUI_AUTH": "false",
    "ENABLE_PERSISTENT_CONFIG": "false", "BYPASS_EMBEDDING_AND_RETRIEVAL": "true", "RAG_EMBEDDING_ENGINE": "openai",
    "ENABLE_VERSION_UPDATE_CHECK": "false", "OPENAI_API_KEY": "none", "WEBUI_SECRET_KEY": "of this test",
}  # fmt: skip
"""It asks nobody but the service, and nobody has to sign up."""


def write_agents(folder: Path) -> None:
    (folder / "panels").mkdir()
    for name in ("chatty", "tooled", "broken"):
        (folder / f"{name}.yaml").write_text(f"backend: function\nstream: tests.dialects.agents:{name}\n")
    (folder / "panels" / "council.yaml").write_text(
        "method: moderator\nmembers: [chatty, broken]\nmoderator: tooled\n"
    )


@asynccontextmanager
async def open_webui(python: Path, service: str, home: Path) -> AsyncIterator[str]:
    """Serve it from *home* while inside, with *service* as its only source of models."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        str(python.with_name("open-webui")), "serve", "--host", "127.0.0.1", "--port", str(port), cwd=home,
        env={**os.environ, **ALONE, "DATA_DIR": str(home), "OPENAI_API_BASE_URL": f"{service}/v1"},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(START_SECONDS), ClientSession() as session:
            while not await _is_up(session, url):
                assert process.returncode is None, "it ended while it started"
                await asyncio.sleep(1)
        yield url
    finally:
        process.kill()
        await process.wait()


async def _is_up(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/health") as answer:
            return answer.status == 200
    except OSError:
        return False


class Page:
    """What its page asks it for."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def models(self) -> list[str]:
        async with self._session.get(f"{self._url}/api/models") as answer:
            return [model["id"] for model in (await answer.json())["data"]]

    async def ask(self, model: str, *, stream: bool) -> tuple[int, str]:
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
        async with self._session.post(f"{self._url}/api/chat/completions", json=body) as answer:
            return answer.status, await answer.text()


def read_stream(body: str) -> tuple[str, str]:
    """Return what a stream of chunks says and thinks."""
    lines = [line.removeprefix("data: ") for line in body.split("\n") if line.startswith("data: {")]
    deltas: list[dict[str, Any]] = [
        choice["delta"] for line in lines for choice in json.loads(line).get("choices", ())
    ]
    return (
        "".join(each.get("content") or "" for each in deltas),
        "".join(each.get("reasoning_content") or "" for each in deltas),
    )


if ASKED_FOR:

    @pytest.mark.timeout(3000)
    async def test_it_lists_agents_and_panels_and_answers_as_they_do(tmp_path: Path) -> None:
        python = await asyncio.to_thread(environment_alone, f"open-webui=={VERSION}")
        folder, home = tmp_path / "agents", tmp_path / "home"
        folder.mkdir()
        home.mkdir()
        write_agents(folder)
        async with (
            serving_process(folder) as service,
            open_webui(python, service.url, home) as url,
            ClientSession() as session,
        ):
            async with session.post(
                f"{url}/api/v1/auths/signin", json={"email": "", "password": ""}
            ) as answer:
                token = (await answer.json())["token"]
            session.headers["Authorization"] = f"Bearer {token}"
            page = Page(session, url)
            assert {"chatty", "tooled", "broken", "panel:council"} <= set(await page.models())
            said, thought = read_stream((await page.ask("chatty", stream=True))[1])
            assert (said, thought) == ("".join(CHATTY), f"hm, odd {ODD}")
            said, thought = read_stream((await page.ask("panel:council", stream=True))[1])
            assert said == "".join(TOOLED)
            assert "".join(CHATTY) in thought
            assert BROKEN[0] in thought
            status, whole = await page.ask("panel:council", stream=False)
            assert (status, json.loads(whole)["choices"][0]["message"]["content"]) == (200, "".join(TOOLED))
            status, failure = await page.ask("broken", stream=False)
            assert status >= 400
            assert "The provider went away." in failure
            assert "The provider went away." in (await page.ask("broken", stream=True))[1]
