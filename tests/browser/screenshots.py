"""Takes the README's pictures of the page: `python -m tests.browser.screenshots [folder]`.

A newcomer's first minute, on the agents that ship: one question, three columns alive, one of them stopped while
the others go on, and what is left at the end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.parts import chromium_options
from tests.support.patience import PATIENCE_MS
from tests.support.served import orchestrator

from .smallpng import repacked

PICTURES = Path(__file__).parent / "pictures"
QUESTION = "What is 17.5 % of 2,480, and should we rewrite our billing service?"
WIDE, HIGH, PHONE = (1200, 760), (1200, 900), (390, 760)
SIDEWAYS, ZOOMED = (844, 390), (640, 400)

ALL_SPEAK = """n => {
    const said = [...document.querySelectorAll('.column .prose')].map(answer => answer.innerText.length);
    return said.length === 3 && said.every(length => length > n);
}"""


def take(browser: Browser, address: str, folder: Path, *, alive_chars: int = 160) -> list[Path]:
    """Take all pictures into *folder* and return them; *alive_chars*: what each has said in the first ones."""
    folder.mkdir(parents=True, exist_ok=True)
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
    page.close()
    others = (("dark", WIDE), ("phone", PHONE), ("sideways", SIDEWAYS), ("zoomed", ZOOMED))
    for name, size in others:
        page = _open(browser, f"{address}/{run}", "dark" if name == "dark" else "light", size)
        page.locator(".summary:not([data-status=running])").wait_for()
        if size in (SIDEWAYS, ZOOMED):
            page.evaluate("document.querySelector('.columns').scrollIntoView()")
        pictures.append(_picture(page, folder / f"{name}.png"))
        page.close()
    return [*pictures, _panel(browser, address, folder)]


def _panel(browser: Browser, address: str, folder: Path) -> Path:
    """Let a jury sit over the same question: three answers, and above them who is chosen and why."""
    page = _open(browser, address, "light", HIGH)
    page.get_by_label("Panel", exact=True).select_option("panel:jury")
    page.get_by_label("Question", exact=True).fill(QUESTION)
    page.keyboard.press("Control+Enter")
    page.locator(".panel-card .scores").wait_for()
    page.locator(".summary:not([data-status=running])").wait_for()
    picture = _picture(page, folder / "panel.png")
    page.close()
    return picture


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
    wanted = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    with orchestrator() as its_address, sync_playwright() as playwright:
        for picture in take(playwright.chromium.launch(**chromium_options()), its_address, wanted):
            picture.write_bytes(repacked(picture.read_bytes()))
            print(picture)
