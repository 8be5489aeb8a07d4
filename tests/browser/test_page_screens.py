"""Covers the page on low and narrow screens: an answer always has room, everything can be reached."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.served import orchestrator

from .conftest import NewPage
from .desk import ask, ended
from .test_page_safety import AXE, violations
from .voices import write_config

SIZES = [(320, 256), (390, 400), (640, 400), (667, 375), (844, 390), (1366, 640)]
MANY = [f"essay{n}" for n in range(1, 13)]
LONG = "A question of many words that goes on and on. " * 20 + "\nAnd on.\nAnd on."


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = write_config(tmp_path_factory.mktemp("low") / "agents", *[f"essay:{name}" for name in MANY])
    with orchestrator("--config", str(folder)) as address:
        yield address


@pytest.mark.parametrize("panel", [False, True], ids=["alone", "panel"])
@pytest.mark.parametrize("count", [1, 3, 12])
def test_an_answer_has_two_fifths_of_any_screen(
    new_page: NewPage, many: str, count: int, panel: bool
) -> None:
    page = new_page(url=many)
    if panel:
        page.get_by_label("Panel", exact=True).select_option("method:moderator")
    ask(page, *MANY[:count], message=LONG)
    ended(page)
    if panel:
        expect(page.locator(".panel-card")).to_be_visible()
    box = page.get_by_role("textbox", name="uestion")
    box.blur()
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        body = page.locator(".column:not([hidden]) .body").first
        body.scroll_into_view_if_needed()
        where = f"{width} × {height}"
        assert body.evaluate(SEEN) >= 0.4 * height, where
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            f"{where}: no scrolling aside"
        )
        box.focus()
        expect(page.get_by_role("button", name="Follow up")).to_be_visible()
        expect(page.locator(".chips")).to_be_visible()
        box.blur()


SEEN = """async body => {
    body.scrollIntoView({ block: 'start' });
    const foot = document.querySelector('.composer').getBoundingClientRect().top;
    const { top, bottom } = body.getBoundingClientRect();
    return Math.min(bottom, foot) - Math.max(top, 0);
}"""


def test_a_long_question_is_folded_and_can_be_read(page: Page) -> None:
    ask(page, "essay", message=LONG)
    question = page.locator(".run-question")
    folded = question.evaluate("e => e.clientHeight")
    page.get_by_role("button", name="Show the whole question").click()
    assert question.evaluate("e => e.clientHeight") > 2 * folded
    page.get_by_role("button", name="Fold the question").click()
    assert question.evaluate("e => e.clientHeight") == folded
    ended(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_of_them(new_page: NewPage, many: str, scheme: Any) -> None:
    page = new_page(url=many, color_scheme=scheme)
    page.evaluate(AXE.read_text())
    faults = []
    page.get_by_label("Panel", exact=True).select_option("method:moderator")
    for screen in ("welcome", "run"):
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            faults += [f"{screen} at {width} × {height}: {fault}" for fault in violations(page)]
        page.set_viewport_size({"width": 1280, "height": 800})
        if screen == "welcome":
            ask(page, *MANY[:3], message=LONG)
            ended(page)
    assert faults == [], "\n".join(faults)
