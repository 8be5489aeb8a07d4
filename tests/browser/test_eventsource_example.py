"""examples/eventsource in a real browser: columns that fill, a stop button, a reload, a clean end."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, Page, Response, async_playwright, expect

from orchestrator.client import Client
from tests.commands import ROOT
from tests.parts import chromium_options
from tests.served import orchestrator, paced_agents, serving

PATIENCE_MS = 20_000
SETTLE_MS = 2_500
"""More than twice the second after which an EventSource would come back."""


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    with serving(
        [sys.executable, str(ROOT / "examples" / "eventsource" / "serve.py"), "--port", "0"]
    ) as address:
        yield address


@pytest.fixture(scope="module")
def server(pages: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = paced_agents(tmp_path_factory.mktemp("agents"), analyst=25, optimist=25, skeptic=5)
    with orchestrator("--config", str(folder), "--allow-origin", pages) as address:
        yield address


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    options = chromium_options()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**options)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    errors: list[Exception] = []
    page.on("pageerror", lambda error: errors.append(error))
    yield page
    assert errors == []


async def text_of(page: Page, agent_id: str) -> str:
    return await page.locator(f"[data-agent={agent_id}] p").inner_text()


async def test_a_page_with_eventsource_alone(page: Page, pages: str, server: str) -> None:
    streams: list[Response] = []
    page.on("response", lambda answer: streams.append(answer) if "/events" in answer.url else None)
    await page.goto(f"{pages}/?server={server}")
    await page.get_by_role("button", name="Ask").click()

    columns = page.locator("article")
    await expect(columns).to_have_count(3)
    await expect(page.locator("h2")).to_have_text(["Analyst", "Optimist", "Skeptic"])
    for agent_id in ("analyst", "optimist", "skeptic"):
        await expect(page.locator(f"[data-agent={agent_id}] p")).to_have_text(re.compile(r"\w"))
    await expect(page.get_by_role("status")).to_have_text("running")

    # One agent is stopped; the others go on.
    skeptic = page.locator("[data-agent=skeptic]")
    await skeptic.get_by_role("button", name="Stop").click()
    await expect(skeptic.locator("small")).to_have_text("cancelled")
    await expect(page.locator("[data-agent=optimist] button")).to_be_enabled()

    # A reload in the middle loses nothing: the run's id stands in the address.
    before = await text_of(page, "optimist")
    await page.reload()
    await expect(page.locator("[data-agent=optimist] p")).to_have_text(re.compile(re.escape(before.strip())))
    await expect(page.get_by_role("status")).to_have_text("partial")

    async with Client(server) as client:
        run = (await client.runs(limit=1))[0]
    assert page.url.endswith(f"#{run['run_id']}")
    for agent_id, agent in run["agents"].items():
        assert await page.locator(f"[data-agent={agent_id}] p").text_content() == agent["text"]
    for number in range(3):
        await expect(columns.nth(number).get_by_role("button")).to_be_disabled()

    # The end is clean: one more question, 204, and then silence.
    if not streams or streams[-1].status != 204:
        await page.wait_for_event("response", lambda answer: answer.status == 204)
    asked = len(streams)
    assert streams[-1].status == 204
    assert (await streams[-1].request.all_headers())["last-event-id"] == run["last_event_id"]
    await page.wait_for_timeout(SETTLE_MS)
    assert len(streams) == asked
    await expect(page.get_by_role("status")).to_have_text("partial")


async def test_a_page_that_is_not_allowed_says_what_to_do(page: Page, pages: str, server: str) -> None:
    """`localhost` is another origin than 127.0.0.1, and the server was not told of it."""
    foreign = pages.replace("127.0.0.1", "localhost")
    async with Client(server) as client:
        before = len(await client.runs())
        await page.goto(f"{foreign}/?server={server}")
        await page.get_by_role("button", name="Ask").click()
        await expect(page.get_by_role("status")).to_contain_text(f"--allow-origin {foreign}")
        await page.goto(f"{foreign}/?server={server}#{(await client.runs())[0]['run_id']}")
        await expect(page.get_by_role("status")).to_contain_text("the server has no such run")
        assert await page.locator("article").count() == 0
        assert len(await client.runs()) == before


async def test_a_run_that_is_gone_is_told(page: Page, pages: str, server: str) -> None:
    await page.goto(f"{pages}/?server={server}#run_that_never_was")
    await expect(page.get_by_role("status")).to_contain_text("the server has no such run")
