"""Takes the README's pictures of the page: `python -m tests.browser.screenshots [folder]`.

A newcomer's first minute, on the agents that ship: one question, three columns alive, one of them stopped while
the others go on, and what is left at the end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.parts import chromium_options
from tests.served import orchestrator

PICTURES = Path(__file__).parent / "pictures"
QUESTION = "What is 17.5 % of 2,480, and should we rewrite our billing service?"
PATIENCE_MS = 30_000
WIDE, PHONE = (1280, 800), (390, 780)

ALL_SPEAK = """n => {
    const said = [...document.querySelectorAll('.column .prose')].map(answer => answer.innerText.length);
    return said.length === 3 && said.every(length => length > n);
}"""


def take(folder: Path, *, alive_chars: int = 160) -> list[Path]:
    """Take all pictures into *folder* and return them; *alive_chars*: what each has said in the first ones."""
    folder.mkdir(parents=True, exist_ok=True)
    options = chromium_options()
    with orchestrator() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        page = _open(browser, address, "light", WIDE)
        page.get_by_role("button", name="Ask").wait_for()
        pictures = [_picture(page, folder / "welcome.png")]
        page.get_by_label("Question", exact=True).fill(QUESTION)
        page.keyboard.press("Control+Enter")
        page.wait_for_function(ALL_SPEAK, arg=alive_chars)
        pictures.append(_picture(page, folder / "alive.png"))
        page.get_by_role("button", name="Stop Skeptic").click()
        page.locator(".column[data-agent=skeptic][data-state=cancelled]").wait_for()
        pictures.append(_picture(page, folder / "stopped.png"))
        page.locator(".summary:not([data-status=running])").wait_for()
        pictures.append(_picture(page, folder / "ended.png"))
        run = str(page.evaluate("location.hash"))
        for name, scheme, size in (("dark", "dark", WIDE), ("phone", "light", PHONE)):
            page = _open(browser, f"{address}/{run}", scheme, size)
            page.locator(".summary:not([data-status=running])").wait_for()
            pictures.append(_picture(page, folder / f"{name}.png"))
        browser.close()
    return pictures


def _open(browser: Browser, address: str, scheme: str, size: tuple[int, int]) -> Page:
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        # Nothing moves, so that the same moment is the same picture.
        reduced_motion="reduce",
    )
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    return page


def _picture(page: Page, file: Path) -> Path:
    page.screenshot(path=file)
    return file


if __name__ == "__main__":
    for picture in take(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES):
        print(picture)
