"""The page as a person uses it: asks, finds columns, waits for words."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, TimeoutError, expect


def choose(page: Page, *agents: str) -> None:
    """Have exactly these agents checked."""
    boxes = page.locator(".chips input")
    expect(boxes.first).to_be_attached()
    for value, checked in boxes.evaluate_all("boxes => boxes.map(box => [box.value, box.checked])"):
        if checked != (value in agents):
            page.locator(f".chips input[value={value}]").set_checked(not checked, force=True)


def ask(page: Page, *agents: str, message: str = "Rewrite, or grow?") -> str:
    """Ask and return the run's id."""
    choose(page, *agents)
    before = page.evaluate("location.hash")
    page.get_by_role("textbox", name="uestion").fill(message)
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "before => location.hash.startsWith('#run/') && location.hash !== before", arg=before
    )
    for agent in agents:
        expect(column(page, agent)).to_be_attached()
    return str(page.evaluate("location.hash")).removeprefix("#run/")


def column(page: Page, agent: str) -> Locator:
    return page.locator(f".column[data-agent={agent}]")


def state(page: Page, agent: str, state: str) -> None:
    """Wait until an agent is in this state."""
    _appears(page, f".column[data-agent={agent}][data-state={state}]")


def ended(page: Page) -> None:
    """Wait for the run's end, and until all that was said is drawn: a busy machine draws it frames later."""
    _appears(page, ".summary:not([data-status=running])")
    page.wait_for_function("() => !document.querySelector('.column .prose .tail:not(:empty)')")


def talks(page: Page, agent: str, paragraphs: int) -> None:
    """Wait until an agent has said so many paragraphs."""
    _appears(page, f".column[data-agent={agent}] .prose > p", paragraphs)


def _appears(page: Page, selector: str, count: int = 1) -> None:
    """Wait for elements. Looks at every frame, where `expect` would look up to a second later."""
    there = "([selector, count]) => document.querySelectorAll(selector).length >= count"
    try:
        page.wait_for_function(there, arg=[selector, count])
    except TimeoutError as late:
        seen = page.locator(".columns").all_inner_texts()
        raise AssertionError(f"{count} × {selector} never came; there was: {seen}") from late


def text(page: Page, agent: str) -> str:
    """Return the answer as it is seen."""
    return column(page, agent).locator(".content").inner_text()
