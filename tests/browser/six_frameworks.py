"""Takes a picture of six frameworks' agents in one run: `python -m tests.browser.six_frameworks [--real] [FILE]`.

One is cancelled by its button, one has failed midway. `--real` has Google's ADK and a Letta server behind two of them,
each in an environment of its own, which takes minutes the first time. It prints how long the cancelled agent's model
was still read after the click.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from playwright.async_api import Page, async_playwright

from tests.support.letta.agents import echo_agent
from tests.support.letta_server import running_letta
from tests.support.parts import chromium_options
from tests.support.patience import PATIENCE_MS, PATIENCE_SECONDS
from tests.support.six_frameworks import QUESTION, Six, six_frameworks

from .smallpng import repacked

PICTURE = Path(__file__).parent / "pictures" / "six.png"
SIZE = (2060, 760)
"""Wide enough for six columns."""
PACE = 40.0


async def take(six: Six, page: Page, file: Path) -> float:
    """Ask, stop one, and take the picture at the run's end; return how long its model was read after the click."""
    loop = asyncio.get_running_loop()
    await page.goto(six.service.url)
    await page.get_by_label("Question", exact=True).fill(QUESTION)
    await page.keyboard.press("Control+Enter")
    await page.locator(".column[data-agent=far] .prose").filter(has_text="on").wait_for()
    await page.locator(".column[data-agent=front][data-state=error]").wait_for()
    clicked = loop.time()
    await page.get_by_role("button", name="Stop A2A").click()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await six.far_has_stopped()
    took = loop.time() - clicked
    await page.locator(".summary:not([data-status=running])").wait_for()
    await page.screenshot(path=file, full_page=True)
    return took


async def main(file: Path, *, real: bool) -> None:
    """Have the six, and a browser, and print what came of it."""
    with ExitStack() as servers:
        letta = partial(echo_agent, servers.enter_context(running_letta()).url) if real else None
        async with six_frameworks(adk=real, letta=letta, pace=PACE) as six, async_playwright() as playwright:
            browser = await playwright.chromium.launch(**chromium_options())
            size = {"width": SIZE[0], "height": SIZE[1]}
            page = await browser.new_page(viewport=size, reduced_motion="reduce")
            page.set_default_timeout(PATIENCE_MS)
            took = await take(six, page, file)
            await browser.close()
    file.write_bytes(repacked(file.read_bytes()))
    print(f"{file}: the cancelled agent's model was let go {took * 1000:.0f} ms after the click")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.browser.six_frameworks", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=PICTURE)
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    asyncio.run(main(options.file, real=options.real))
