"""Measures how long the page's tasks are while twelve agents say 200 KB each of code, table, list and prose.

`python -m tests.browser.walls [agents of each kind]` prints the longest task and the slowest keystroke, live and again
after a reload. The tests hold what makes it so (`test_page_answers.py`): a busy machine proves nothing about times.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from tests.support.parts import chromium_options
from tests.support.served import orchestrator

from .desk import ask
from .voices import WALLS, write_config

WATCH = """() => {
    window.longest = window.slowest = 0;
    const watch = (name, options) => new PerformanceObserver(list => {
        for (const entry of list.getEntries()) window[name] = Math.max(window[name], entry.duration);
    }).observe(options);
    watch('longest', { type: 'longtask', buffered: true });
    watch('slowest', { type: 'event', durationThreshold: 16 });
}"""

DRAWN = """([agents, chars]) => agents.every(agent => {
    const prose = document.querySelector(`.column[data-agent="${agent}"][data-state=done] .prose`);
    return prose && prose.textContent.length > chars && !prose.querySelector('.tail').hasChildNodes();
})"""

BOXES = """() => [...document.querySelectorAll('.prose :is(p, ul, table, .piece)')].map(e => e.textContent.length)"""


def names(of_each: int) -> list[str]:
    return [f"wall:{kind}-{n}" for kind in WALLS for n in range(of_each)]


def talk(page: Page, agents: list[str], chars: int = 120_000) -> None:
    """Have all of them say what they have to say, and type meanwhile."""
    page.evaluate(WATCH)
    ask(page, *agents)
    box = page.get_by_role("textbox", name="uestion")
    for _ in range(20):
        box.press("x")
    drawn(page, agents, chars)


def drawn(page: Page, agents: list[str], chars: int = 120_000) -> None:
    """Wait until each column shows all of its words: more than *chars*, without the signs of Markdown."""
    page.wait_for_function(DRAWN, arg=[agents, chars], timeout=240_000)


def main(of_each: int) -> None:
    agents = [name.partition(":")[2] for name in names(of_each)]
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        config = write_config(Path(folder) / "agents", *names(of_each))
        with orchestrator("--config", str(config)) as address:
            browser = playwright.chromium.launch(**chromium_options())
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(address)
            talk(page, agents)
            times = page.evaluate("[longest, slowest]")
            print(f"live: longest task {times[0]:.0f} ms, slowest key {times[1]:.0f} ms")
            page.reload()
            page.evaluate(WATCH)
            drawn(page, agents)
            print(f"restored: longest task {page.evaluate('longest'):.0f} ms")
            browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
