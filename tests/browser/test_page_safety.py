"""Covers the page: what agents say cannot harm it, long answers do not freeze it, everybody can use it."""

from __future__ import annotations

import json
import os
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.commands import ROOT
from tests.support.shares import in_turn

from .conftest import NewPage
from .desk import ask, column, ended, state, talks
from .walls import BOXES

SCHEMES = ("light", "dark")
AXE = ROOT / "tests" / "web" / "node_modules" / "axe-core" / "axe.min.js"


def test_what_an_agent_says_never_becomes_more_than_text(new_page: NewPage) -> None:
    """Scripts, handlers, frames, forms, styles, images, script addresses: all are words."""
    page = new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ask(page, "attacker", "essay")
    ended(page)
    said = column(page, "attacker").locator(".prose")
    expect(said).to_contain_text("the end of it")
    expect(said).to_contain_text("<script>window.pwned = 1</script>")
    assert page.evaluate("window.pwned") is None
    tags = set(said.evaluate("e => [...e.querySelectorAll('*')].map(n => n.tagName.toLowerCase())"))
    assert tags <= {"p", "a", "div", "span", "button", "pre", "code", "em", "strong", "table"}, tags
    attributes = set(said.evaluate("e => [...e.querySelectorAll('*')].flatMap(n => n.getAttributeNames())"))
    allowed = {"class", "dir", "href", "title", "target", "rel", "tabindex", "type", "aria-label"}
    assert attributes <= allowed, attributes
    links = said.evaluate("e => [...e.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert [link for link in links if link] == ["https://tracker.invalid/pixel.png"]
    expect(page.locator("#app")).to_have_count(1)
    assert [url for url in asked if "tracker" in url or url.startswith("data:")] == []


def test_the_policy_leaves_no_way_around(new_page: NewPage, server: str) -> None:
    """Even a mistake in the page could not run a script, load from elsewhere or make markup of a string."""
    page = new_page(may_complain=True)
    answer = page.request.get(server)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>'; } catch (e) { return e.name; } }"
    ) == ("TypeError")
    refused = page.evaluate(
        """() => new Promise(resolve => {
            document.addEventListener('securitypolicyviolation', e => resolve(e.violatedDirective), { once: true });
            const image = document.createElement('img');
            image.src = 'https://tracker.invalid/pixel.png';
            document.body.append(image);
        })"""
    )
    assert refused == "img-src"


def test_five_agents_with_2000_tokens_each_are_drawn_in_small_boxes(page: Page) -> None:
    """Ten thousand tokens of Markdown and code, live and again after a reload."""
    agents = [f"flood{n}" for n in range(1, 6)]
    ask(page, *agents)
    ended(page)
    for agent in agents:
        talks(page, agent, 61)
        expect(column(page, agent).locator(".code pre")).to_contain_text("x = 1")
    page.reload()
    for agent in agents:
        state(page, agent, "done")
        expect(column(page, agent).locator(".prose .tail")).to_be_empty()
        talks(page, agent, 61)
    assert max(page.evaluate(BOXES)) < 5_000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing(new_page: NewPage, scheme: Any) -> None:
    """Each screen: welcome, a live run of many with an error, an ended run with all there is, dialogs, the token's,
    the API's. Wide in one scheme and narrow in the other, in turn; with `FAULT_ROUNDS` both in both.
    """
    if not AXE.exists():
        message = "axe-core is not installed; `npm ci` in tests/web brings it"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    page = new_page(color_scheme=scheme)
    page.evaluate(AXE.read_text())
    turns = count(SCHEMES.index(scheme))
    faults: list[str] = []

    def look(where: str) -> None:
        for width, height in in_turn([(1280, 800), (390, 780)], next(turns)):
            page.set_viewport_size({"width": width, "height": height})
            found = violations(page, style_sheets=where in ("welcome", "docs"))
            faults.extend(f"{where} at {width} px: {fault}" for fault in found)
        page.set_viewport_size({"width": 1280, "height": 800})

    expect(page.locator(".chips input").first).to_be_attached()
    look("welcome")
    several = ("second", "variant", "careful", "polyglot", "silent", "rememberer")  # a timeline that scrolls
    ask(page, "essay", "failing", "toolsmith", "talker", *several)
    state(page, "essay", "done")
    expect(column(page, "essay").locator(".prose td").first).to_be_attached()
    page.get_by_role("button", name="Timeline").click()  # of so many it is folded at first
    for details in page.locator("details").all():
        details.evaluate("d => { d.open = true; }")
    look("live")
    page.get_by_role("button", name="Stop all").click()
    ended(page)
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="With Essay").click()
    page.get_by_role("button", name="History", exact=True).click()
    expect(page.locator(".diff-text")).to_have_count(9)
    expect(page.locator(".history li").first).to_be_visible()
    look("ended, compared, with history")
    page.get_by_role("button", name="Close the history").click()
    page.get_by_role("button", name="Replay").click()
    page.get_by_role("button", name="Maximise Essay").click()
    expect(page.get_by_role("group", name="Replay")).to_be_visible()
    look("replay, maximised")
    page.get_by_role("button", name="Leave replay").click()
    page.get_by_role("button", name="Sets").click()
    look("a menu")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    look("help")
    page.route("**/v1/agents", lambda route: route.fulfill(status=401))
    page.reload()
    expect(page.get_by_label("Token", exact=True)).to_be_visible()
    page.evaluate(AXE.read_text())
    look("locked")
    page.goto(page.url.partition("#")[0] + "docs")
    page.evaluate(AXE.read_text())
    look("docs")
    assert faults == [], "\n".join(faults)


def violations(page: Page, *, style_sheets: bool = False) -> list[str]:
    """What axe-core finds on the page as it stands, best practices too.

    Args:
        style_sheets: Whether to read the style sheets, too: they are the same on each screen of a page, and reading
            them takes up to half of the time. One rule asks them whether they lock the screen's orientation.
    """
    options = {"resultTypes": ["violations"], "preload": style_sheets}
    found = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{fault['id']}: {json.dumps([node['html'][:160], node['failureSummary'][:200]])}"
        for fault in found["violations"]
        for node in fault["nodes"][:3]
    ]


def test_reduced_motion_and_forced_colours_are_heeded(new_page: NewPage) -> None:
    page = new_page(reduced_motion="reduce", forced_colors="active")
    ask(page, "talker")
    state(page, "talker", "running")
    moving = "document.getAnimations().length"
    assert page.evaluate(moving) == 0
    ground = "c => getComputedStyle(c).backgroundColor"
    chosen, other = page.locator(".chip:has(:checked)"), page.locator(".chip:not(:has(:checked))").first
    assert chosen.evaluate(ground) != other.evaluate(ground), "what is chosen is seen without our colours"
    page.get_by_role("button", name="Stop all").click()
    ended(page)
