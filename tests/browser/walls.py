"""Measures how long the page's tasks are while twelve agents say 200 KB each of code, table, list and prose.

`python -m tests.browser.walls [agents of each kind]` prints the longest task, the slowest keystroke and when all was
drawn, live and again after a reload. The tests hold what makes it so (`test_page_answers.py`): a busy machine proves
nothing about times.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.parts import chromium_options
from tests.support.served import orchestrator

from .desk import ask
from .voices import WALLS, write_config

WATCH = """() => {
    window.longest = window.slowest = 0;
    const watch = (name, kind, options) => new PerformanceObserver(list => {
        for (const entry of list.getEntries()) {
            if (entry.name.startsWith(kind)) window[name] = Math.max(window[name], entry.duration);
        }
    }).observe(options);
    watch('longest', '', { type: 'longtask', buffered: true });
    watch('slowest', 'key', { type: 'event', durationThreshold: 16 });
}"""

DRAWN = """([agents, chars]) => agents.every(agent => {
    const prose = document.querySelector(`.column[data-agent="${agent}"][data-state=done] .prose`);
    return prose && prose.textContent.length > chars && !prose.querySelector('.tail').hasChildNodes();
})"""

BOXES = """() => [...document.querySelectorAll('.prose :is(p, ul, table, .piece)')].map(e => e.textContent.length)"""

TASK = "ThreadControllerImpl::RunTask"


def names(of_each: int) -> list[str]:
    return [f"wall:{kind}-{n}" for kind in WALLS for n in range(of_each)]


def talk(page: Page, agents: list[str], chars: int = 120_000) -> None:
    """Have all of them say what they have to say."""
    ask(page, *agents)
    drawn(page, agents, chars)


def drawn(page: Page, agents: list[str], chars: int = 120_000) -> None:
    """Wait until each column shows all of its words: more than *chars*, without the signs of Markdown."""
    page.wait_for_function(DRAWN, arg=[agents, chars], timeout=240_000, polling=200)


def type_until_drawn(page: Page, agents: list[str]) -> None:
    """Press ten keys a second until each column shows all of its words."""
    page.evaluate(WATCH)
    # By its element, not by its role: to look for that Playwright walks through all that is drawn, in one long task.
    page.locator("textarea").focus()
    while not page.evaluate(DRAWN, [agents, 120_000]):
        for _ in range(10):
            page.keyboard.press("x")
            page.wait_for_timeout(100)


def longest_cpu_ms(trace: bytes) -> float:
    """Return the CPU time of the longest task of a page's main thread: what it takes however busy the machine is."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = (e for e in events if e["name"] == TASK and (e["pid"], e["tid"]) in main)
    return max(task.get("tdur", 0) for task in tasks) / 1_000


def measure(browser: Browser, page: Page, agents: list[str], what: str) -> None:
    browser.start_tracing(page=page, categories=["toplevel", "__metadata"])
    began = time.monotonic()
    type_until_drawn(page, agents)
    drawn_after = time.monotonic() - began
    cpu = longest_cpu_ms(browser.stop_tracing())
    task, key = page.evaluate("[longest, slowest]")
    print(
        f"{what}: longest task {task:.0f} ms ({cpu:.0f} of CPU), slowest key {key:.0f} ms, "
        f"all drawn after {drawn_after:.0f} s",
        flush=True,
    )


def main(of_each: int) -> None:
    agents = [name.partition(":")[2] for name in names(of_each)]
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        config = write_config(Path(folder) / "agents", *names(of_each))
        with orchestrator("--config", str(config)) as address:
            browser = playwright.chromium.launch(**chromium_options())
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(address)
            ask(page, *agents)
            measure(browser, page, agents, "live")
            # A page of its own: to leave one of 200,000 elements is a long task too, and nobody's who is here.
            again = browser.new_page(viewport={"width": 1280, "height": 800})
            again.goto(page.url)
            page.close()
            measure(browser, again, agents, "restored")
            browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
