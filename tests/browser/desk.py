"""The page as a person uses it: asks, finds columns, waits for words."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, TimeoutError, expect

KEEP_HEARD = """
    window.heard = [];
    addEventListener('DOMContentLoaded', () => {
        const region = document.getElementById('news');
        if (region === null) return;
        new MutationObserver(() => window.heard.push(region.textContent))
            .observe(region, { childList: true, characterData: true, subtree: true });
    });
"""
"""Keeps what the page's polite region says until it says the next thing: a test may look later than that."""

AT_ONCE = """([place, text, key]) => {
    const act = key === null
        ? element => element.click()
        : () => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { ...key, bubbles: true }));
    window.at_once = null;
    new MutationObserver((_, observer) => {
        const element = [...document.querySelectorAll(place)].find(each => each.textContent.trim() === text);
        if (element === undefined) return;
        observer.disconnect();
        const states = [...document.querySelectorAll('.column')].map(({ dataset }) => [dataset.agent, dataset.state]);
        window.at_once = Object.fromEntries(states);
        act(element);
    }).observe(document.body, { childList: true, characterData: true, subtree: true });
}"""


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


def heard(page: Page, part: str) -> None:
    """Wait until the page's polite region has said *part* since it was loaded; it need not say so any more."""
    page.wait_for_function("part => window.heard.some(text => text.includes(part))", arg=part)


def press_twice(page: Page, key: str, question: str) -> dict[str, str]:
    """Press a key that asks first, and again as soon as it has asked; return the agents' states in between.

    The question stands for seconds only, in which a busy machine may not get to the second one.
    """
    *modifiers, name = key.split("+")
    again = {"key": name, **{f"{modifier.lower()}Key": True for modifier in modifiers}}
    page.evaluate(AT_ONCE, [".toast", question, again])
    page.keyboard.press(key)
    return _in_between(page)


def click_at_once(page: Page, press: Locator, text: str) -> None:
    """Click *press*, and then at once the button of this text, which is there for seconds only."""
    page.evaluate(AT_ONCE, ["button", text, None])
    press.click()
    _in_between(page)


def replay(page: Page) -> Locator:
    """Play the run again, paused as soon as it begins, and return the controls.

    A replay ends by itself, after a second perhaps, in which a busy machine may not get to a click.
    """
    page.evaluate("""() => {
        window.pausing = new MutationObserver(() => document.querySelector('.replay [aria-label=Pause]')?.click());
        pausing.observe(document.body, { childList: true, subtree: true });
    }""")
    page.get_by_role("button", name="Replay").click()
    controls = page.get_by_role("group", name="Replay")
    expect(controls.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.evaluate("pausing.disconnect()")
    return controls


def _in_between(page: Page) -> dict[str, str]:
    page.wait_for_function("() => window.at_once !== null")
    states: dict[str, str] = page.evaluate("window.at_once")
    return states


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
