"""The page as a person uses it: asks, finds columns, waits for words."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect


def choose(page: Page, *agents: str) -> None:
    """Have exactly these agents checked."""
    boxes = page.locator(".chips input")
    expect(boxes.first).to_be_attached()
    for box in boxes.all():
        box.set_checked(box.get_attribute("value") in agents, force=True)


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


def state(page: Page, agent: str, *states: str) -> None:
    """Wait until an agent is in one of these states."""
    wanted = ",".join(f".column[data-agent={agent}][data-state={state}]" for state in states)
    expect(page.locator(wanted)).to_be_attached()


def ended(page: Page) -> None:
    """Wait for the run's end."""
    expect(page.locator(".summary:not([data-status=running])")).to_be_attached()


def text(page: Page, agent: str) -> str:
    """Return the answer as it is seen."""
    return column(page, agent).locator(".content").inner_text()
