"""examples/react, built by Vite, in a real browser: columns, a stop button per agent, a reload in the middle."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect

from tests.support.commands import ROOT, environment
from tests.support.listening import free_port
from tests.support.parts import require
from tests.support.patience import PATIENCE_MS, PATIENCE_SECONDS
from tests.support.served import orchestrator, paced_agents, serving

from .voices import write_config

EXAMPLE = ROOT / "examples" / "react"
VITE = EXAMPLE / "node_modules" / ".bin" / "vite"
AGENTS = ("analyst", "optimist", "skeptic")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The agents that ship; only the one that is stopped talks until then."""
    folder = paced_agents(tmp_path_factory.mktemp("agents"), analyst=20, optimist=20)
    write_config(folder, "talker:skeptic", default=("skeptic",))
    with orchestrator("--config", str(folder)) as address:
        yield address


@pytest.fixture(scope="module", params=["build", "dev"])
def pages(request: pytest.FixtureRequest, server: str) -> Iterator[str]:
    """The example as `npm run build` makes it and as `npm run dev` serves it."""
    require("node")
    if not VITE.exists():
        subprocess.run(
            ["npm", "ci", "--no-fund", "--no-audit"], cwd=EXAMPLE, check=True, timeout=5 * PATIENCE_SECONDS
        )
    if request.param == "build":
        subprocess.run(
            [str(VITE), "build"], cwd=EXAMPLE, check=True, timeout=2 * PATIENCE_SECONDS, env=environment()
        )
    command = [str(VITE), *(["preview"] if request.param == "build" else [])]
    port = ["--port", str(free_port()), "--strictPort"]
    with serving([*command, *port], cwd=EXAMPLE, ORCHESTRATOR_SERVER=server, NO_COLOR="1") as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # Chromium reports a refused request by itself; what React complains about is ours.
    page.on("response", lambda said: errors.append(said.url) if _is_missing(said) else None)
    page.on("console", lambda said: errors.append(said.text) if _is_complaint(said) else None)
    yield page
    context.close()
    assert errors == []


def _is_missing(said: Response) -> bool:
    """Whether a file of the page is not there; of the API a test may ask for what is not."""
    return said.status == 404 and "/v1/" not in said.url


def _is_complaint(said: ConsoleMessage) -> bool:
    return said.type == "error" and not said.text.startswith("Failed to load resource")


def test_an_agent_is_stopped_a_reload_goes_on(page: Page, pages: str) -> None:
    """Each column fills by itself; stopping one leaves the others; a reload finds the run with its buttons."""
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/v1/" in request.url else None)
    page.goto(pages)
    page.get_by_role("button", name="Ask").click()
    columns = {agent: page.locator(f"[data-agent={agent}]") for agent in AGENTS}
    for column in columns.values():
        expect(column.locator(".text")).to_have_text(re.compile(r"\w+ \w+"))

    page.reload()
    for column in columns.values():
        expect(column.locator(".text")).to_have_text(re.compile(r"\w+ \w+"))
    skeptic, optimist = columns["skeptic"], columns["optimist"]
    expect(skeptic.locator(".state")).to_have_text(re.compile("^running"))
    skeptic.get_by_role("button", name="Stop").click()
    expect(skeptic.locator(".state")).to_have_text(re.compile("^cancelled"))
    expect(skeptic.get_by_role("button", name="Stop")).to_be_disabled()
    partial = skeptic.locator(".text").text_content()
    expect(optimist.locator(".state")).to_have_text(re.compile("^done"))
    expect(page.get_by_role("status")).to_have_text("partial")
    assert partial == skeptic.locator(".text").text_content() != ""

    run_id = page.url.partition("#")[2]
    told = page.evaluate("id => fetch(`/v1/runs/${id}`).then((answer) => answer.json())", run_id)
    for agent, column in columns.items():
        # Not `inner_text`: that leaves out a blank line at the end, where a stop may fall.
        assert column.locator(".text").text_content() == told["agents"][agent]["text"]
    assert not any(url.endswith(f"/{run_id}/cancel") for url in streams), "a reload cancels nothing"


STRICT = """async server => {
    // The very modules that the example has loaded: another copy of React would know none of its hooks.
    const loaded = performance.getEntriesByType('resource').map(({ name }) => name);
    const load = end => import(loaded.find(name => new URL(name).pathname.endsWith(end)));
    const [react, dom, hooks, { createClient }] = await Promise.all(
        ['/deps/react.js', '/deps/react-dom_client.js', '/client/react.js', '/client/client.js'].map(load),
    );
    const { StrictMode, createElement, useEffect } = react.default;
    const client = createClient();
    window.mounts = 0;
    function Asks() {
        const { start, status } = hooks.useRun({ client });
        useEffect(() => { window.mounts += 1; void start({ message: 'Once?', agents: ['analyst'] }); }, []);
        return createElement('p', { id: 'asks' }, status);
    }
    const place = document.body.appendChild(document.createElement('div'));
    dom.default.createRoot(place).render(createElement(StrictMode, null, createElement(Asks)));
}"""


@pytest.mark.parametrize("pages", ["dev"], indirect=True)
def test_what_an_effect_starts_under_strict_mode_is_one_run(page: Page, pages: str) -> None:
    """React mounts it, unmounts it and mounts it again; the run is started, paid for and shown once."""
    starts: list[str] = []
    page.on("request", lambda said: starts.append(said.url) if said.method == "POST" else None)
    page.goto(pages)
    expect(page.get_by_role("button", name="Ask")).to_be_visible()
    page.evaluate(STRICT)
    expect(page.locator("#asks")).to_have_text("completed")
    assert page.evaluate("mounts") == 2, "strict mode is at work"
    assert len(starts) == 1, starts


def test_what_fails_is_said(page: Page, pages: str) -> None:
    """An unknown run in the address is an alert, and the page can still ask."""
    page.goto(f"{pages}/#run_none")
    expect(page.get_by_role("alert")).to_have_text(re.compile("404"))
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("running · open"))
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Stop all").click()
    expect(page.get_by_role("status")).to_have_text("cancelled")
