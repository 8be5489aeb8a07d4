"""examples/eventsource in a real browser: columns that fill, a stop button, a reload, a clean end."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.support.commands import ROOT
from tests.support.listening import free_port
from tests.support.patience import PATIENCE_MS
from tests.support.served import orchestrator, paced_agents, serving

from .voices import write_config

KEEP_SOURCES = """
    window.sources = [];
    window.EventSource = class extends EventSource {
        constructor(...how) { super(...how); sources.push(this); }
    };
"""
CLOSED_FOR_GOOD = "() => sources.length === 1 && sources[0].readyState === EventSource.CLOSED"
"""Of an EventSource that is closed, the standard has no way back: `connecting` is what comes back."""


PORT = free_port()
"""Of the page: the server must know the page's origin, and the page the server's address."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One agent that ships, and two that talk until they are stopped."""
    folder = paced_agents(tmp_path_factory.mktemp("agents"), analyst=18)
    write_config(folder, "talker:optimist", "talker:skeptic", default=("optimist", "skeptic"))
    origin = f"http://127.0.0.1:{PORT}"
    with orchestrator("--config", str(folder), "--allow-origin", origin) as address:
        yield address


@pytest.fixture(scope="module")
def pages(server: str) -> Iterator[str]:
    program = [sys.executable, str(ROOT / "examples" / "eventsource" / "serve.py"), "--port", str(PORT)]
    with serving(program, ORCHESTRATOR_SERVER=server) as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(KEEP_SOURCES)
    errors: list[Exception] = []
    page.on("pageerror", lambda error: errors.append(error))
    yield page
    page.close()
    assert errors == []


def runs_of(server: str) -> list[dict[str, Any]]:
    with urlopen(f"{server}/v1/runs") as answer:
        runs: list[dict[str, Any]] = json.load(answer)["runs"]
    return runs


def snapshot_of(server: str, run_id: str) -> dict[str, Any]:
    with urlopen(f"{server}/v1/runs/{run_id}") as answer:
        snapshot: dict[str, Any] = json.load(answer)
    return snapshot


def text_of(page: Page, agent_id: str) -> str:
    return page.locator(f"[data-agent={agent_id}] p").inner_text()


def test_a_page_with_eventsource_alone(page: Page, pages: str, server: str) -> None:
    streams: list[Response] = []
    missing: list[str] = []
    page.on("response", lambda answer: missing.append(answer.url) if answer.status >= 400 else None)
    page.on("response", lambda answer: streams.append(answer) if "/events" in answer.url else None)
    page.goto(pages)
    page.get_by_role("button", name="Ask").click()

    columns = page.locator("article")
    expect(columns).to_have_count(3)
    expect(page.locator("h2")).to_have_text(["Analyst", "Optimist", "Skeptic"])
    for agent_id in ("analyst", "optimist", "skeptic"):
        expect(page.locator(f"[data-agent={agent_id}] p")).to_have_text(re.compile(r"\w"))
    expect(page.get_by_role("status")).to_have_text("running")

    # One agent is stopped; the others go on.
    skeptic = page.locator("[data-agent=skeptic]")
    skeptic.get_by_role("button", name="Stop").click()
    expect(skeptic.locator("small")).to_have_text("cancelled")
    expect(page.locator("[data-agent=optimist] button")).to_be_enabled()

    # A reload in the middle loses nothing: the run's id stands in the address.
    before = text_of(page, "optimist")
    page.reload()
    expect(page.locator("[data-agent=optimist] p")).to_have_text(re.compile(re.escape(before.strip())))
    page.locator("[data-agent=optimist]").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_have_text("partial")

    run = runs_of(server)[0]
    assert page.url.endswith(f"#{run['run_id']}")
    for agent_id, agent in snapshot_of(server, run["run_id"])["agents"].items():
        assert page.locator(f"[data-agent={agent_id}] p").text_content() == agent["text"]
    for number in range(3):
        expect(columns.nth(number).get_by_role("button")).to_be_disabled()

    # The end is clean: one more question, 204, and then silence.
    if not streams or streams[-1].status != 204:
        page.wait_for_event("response", lambda answer: answer.status == 204)
    asked = len(streams)
    assert streams[-1].status == 204
    assert (
        streams[-1].request.all_headers()["last-event-id"]
        == snapshot_of(server, run["run_id"])["last_event_id"]
    )
    page.wait_for_function(CLOSED_FOR_GOOD)
    assert len(streams) == asked
    expect(page.get_by_role("status")).to_have_text("partial")
    assert missing == []


def test_a_page_that_is_not_allowed_says_what_to_do(page: Page, pages: str, server: str) -> None:
    """`localhost` is another origin than 127.0.0.1, and the server was not told of it."""
    foreign = pages.replace("127.0.0.1", "localhost")
    before = runs_of(server)
    page.goto(foreign)
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("status")).to_contain_text(f"--allow-origin {foreign}")
    page.goto(f"{foreign}/#{before[0]['run_id']}")
    expect(page.get_by_role("status")).to_contain_text("the server has no such run")
    assert page.locator("article").count() == 0
    assert len(runs_of(server)) == len(before)


def test_a_run_that_is_gone_is_told(page: Page, pages: str, server: str) -> None:
    page.goto(f"{pages}/#run_that_never_was")
    expect(page.get_by_role("status")).to_contain_text("the server has no such run")
