"""The JavaScript client in a real browser: tabs that share a SharedWorker, and tabs that cannot."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.support.commands import ROOT
from tests.support.patience import PATIENCE_MS, wait_until
from tests.support.served import orchestrator

from .voices import write_config

MOVED = json.loads((ROOT / "orchestrator" / "web" / "moved.json").read_text())

SETUP = """async (options) => {
  const { createClient } = await import('/web/client.js');
  window.client = createClient(options);
  window.blocked = [];
  client.on('blocked', ({ message }) => blocked.push(message));
}"""
START = "() => { window.starting = client.start({ message: 'Talk.', agents: ['talker'] }); }"
HANDED_ON = """async ([before, today, names]) => {
  const [old, module] = await Promise.all([import(before), import(today)]);
  const missing = Object.keys(module).filter((name) => old[name] !== module[name]);
  return [...missing, ...Object.keys(names).filter((name) => old[name] !== module[names[name]])];
}"""
WORKER = """(address) => new Promise((resolve, reject) => {
  const worker = new SharedWorker(address, { type: 'module' });
  worker.addEventListener('error', () => reject(new Error('it does not start')));
  worker.port.onmessage = ({ data }) => resolve(data.op);
  worker.port.postMessage({ op: 'ping' });
})"""
STARTED = """async () => {
  window.run = await starting;
  return run.id;
}"""
ATTACH = "(id) => { window.run = client.attach(id); }"
PATIENT = {"blocked": PATIENCE_MS}
TEXT = "() => run.agents.talker?.text ?? ''"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this module's own, so that its open streams can be counted."""
    folder = write_config(tmp_path_factory.mktemp("client") / "agents", "talker", default=("talker",))
    with orchestrator("--config", str(folder)) as address:
        yield address


def wait_for_the_worker(route: Route) -> None:
    """Have a tab wait for the common worker's answer however busy the machine is: without one it goes on alone."""
    answer = route.fetch()
    source, changed = re.subn(
        r"(?m)^const ANSWER_MS = .*", f"const ANSWER_MS = {PATIENCE_MS};", answer.text()
    )
    assert changed == 1
    route.fulfill(response=answer, body=source)


@pytest.fixture
def tabs(browser: Browser, server: str) -> Iterator[BrowserContext]:
    context = browser.new_context()
    context.route("**/sharing/shared.js", wait_for_the_worker)
    yield context
    context.close()
    wait_until(lambda: streams(server) == 0)


@pytest.fixture(scope="module")
def page(chromium: Callable[[], Browser], server: str) -> Iterator[Page]:
    page = chromium().new_page()
    page.goto(f"{server}/healthz")
    yield page
    page.close()


def open_tab(tabs: BrowserContext, server: str, **options: object) -> Page:
    page = tabs.new_page()
    page.goto(f"{server}/healthz")  # any document of that origin will do
    page.evaluate(SETUP, options)
    return page


def start(page: Page) -> str:
    page.evaluate(START)
    run_id: str = page.evaluate(STARTED)
    return run_id


def streams(server: str) -> int:
    """How many streams the server has open."""
    with urllib.request.urlopen(f"{server}/metrics") as answer:
        text = answer.read().decode()
    return sum(int(float(count)) for count in re.findall(r"(?m)^orchestrator_subscribers\{.*\} (\S+)$", text))


def grows(page: Page) -> None:
    """Wait until the agent has said more. (`wait_for_function` needs eval, which our pages forbid.)"""
    length = len(page.evaluate(TEXT))
    wait_until(lambda: len(page.evaluate(TEXT)) > length)


def cancel(pages: list[Page]) -> None:
    for page in pages:
        page.evaluate("() => run.cancel()")


def test_seven_tabs_are_live_on_one_connection(tabs: BrowserContext, server: str) -> None:
    """Over HTTP/1.1 a browser has six connections; a SharedWorker makes one do for seven tabs."""
    pages = [open_tab(tabs, server, timing=PATIENT) for _ in range(7)]
    ids = [start(page) for page in pages]
    assert len(set(ids)) == 7
    for page in pages:
        grows(page)
        wait_until(lambda page=page: page.evaluate("() => run.connection") == "open")
        assert page.evaluate("() => blocked.length") == 0
    assert streams(server) == 1

    # A reload in one of them finds its run again, with all it said.
    before = pages[0].evaluate(TEXT)
    pages[0].reload()
    pages[0].evaluate(SETUP, {})
    pages[0].evaluate(ATTACH, ids[0])
    grows(pages[0])
    assert pages[0].evaluate(TEXT).startswith(before)
    wait_until(lambda: streams(server) == 1)

    cancel(pages)
    for page in pages:
        assert page.evaluate("() => run.result().then(({ status }) => status)") == "cancelled"
    wait_until(lambda: streams(server) == 0)


def test_a_tab_that_goes_leaves_the_shared_connection(tabs: BrowserContext, server: str) -> None:
    """Its stream ends although its run goes on, and another tab can follow that run."""
    first, second = [open_tab(tabs, server) for _ in range(2)]  # the second keeps the worker alive
    run_id = start(first)
    grows(first)
    first.close()
    wait_until(lambda: streams(server) == 0)
    second.evaluate(ATTACH, run_id)
    grows(second)
    assert second.evaluate("() => run.status") == "running"
    cancel([second])


def test_a_tab_that_crashes_leaves_the_shared_connection(tabs: BrowserContext, server: str) -> None:
    """It says no goodbye; the worker learns of it by the lock that the tab held."""
    first, second = [open_tab(tabs, server) for _ in range(2)]
    run_id = start(first)
    grows(first)
    with pytest.raises(Exception, match=r"(?i)crash|closed|abort"):
        first.goto("chrome://crash")
    wait_until(lambda: streams(server) == 0)
    second.evaluate(ATTACH, run_id)
    grows(second)
    cancel([second])


def test_without_a_worker_six_tabs_work_and_the_seventh_says_that_it_is_blocked(
    tabs: BrowserContext, server: str
) -> None:
    """Six streams leave no connection for a stop button, so a stream makes room for it and goes on."""
    # A request that a busy machine answers late must not be taken for a blocked one: the seventh alone says so soon.
    pages = [open_tab(tabs, server, share=False, timing=PATIENT) for _ in range(6)]
    pages.append(open_tab(tabs, server, share=False))
    for page in pages[:6]:
        start(page)
        grows(page)
    wait_until(lambda: streams(server) == 6)
    cancel(pages[:1])
    pages[1].evaluate("() => run.cancel()")
    assert pages[0].evaluate("() => run.result().then(({ status }) => status)") == "cancelled"

    pages[0].evaluate(START)
    pages[0].evaluate(STARTED)
    pages[1].evaluate(START)
    pages[1].evaluate(STARTED)
    wait_until(lambda: streams(server) == 6)
    began = time.monotonic()
    pages[6].evaluate(START)
    wait_until(lambda: bool(pages[6].evaluate("() => blocked.length > 0")))
    assert time.monotonic() - began > 2.5
    assert "six connections" in pages[6].evaluate("() => blocked[0]")
    for page in pages[:6]:
        grows(page)
    pages[0].close()
    pages[1].close()
    pages[6].evaluate(STARTED)
    grows(pages[6])
    cancel(pages[2:])


@pytest.mark.parametrize("path", MOVED)
def test_a_page_that_imports_a_former_address_gets_the_module_of_today(path: str, page: Page) -> None:
    """One and the same, so that a page that names both addresses has no two clients, each with its connection."""
    row = MOVED[path]
    assert page.evaluate(HANDED_ON, [f"/web/{path}", f"/web/{row['to']}", row.get("names", {})]) == []


def test_a_worker_starts_at_its_former_address(page: Page) -> None:
    assert page.evaluate(WORKER, "/web/shared-worker.js") == "alive"
