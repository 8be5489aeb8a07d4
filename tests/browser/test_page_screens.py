"""Covers the page on low and narrow screens: an answer always has room, everything can be reached."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.support.served import orchestrator
from tests.support.shares import in_turn, share

from .conftest import NewPage
from .desk import ask, column, ended
from .test_page_safety import AXE, SCHEMES, violations
from .voices import PIXEL, write_config

SIZES = [(320, 256), (390, 400), (640, 400), (667, 375), (844, 390), (1366, 640)]
MANY = [f"essay{n}" for n in range(1, 13)]
LONG = "A question of many words that goes on and on. " * 20 + "\nAnd on.\nAnd on."


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = write_config(tmp_path_factory.mktemp("low") / "agents", *[f"essay:{name}" for name in MANY])
    with orchestrator("--config", str(folder)) as address:
        yield address


CASES = [
    [("panel", 1), ("alone", 3), ("panel", 12)],
    [("alone", 1), ("panel", 3), ("alone", 12)],
]


@pytest.mark.parametrize(("how", "count"), [*chain(*in_turn(CASES, 0))])
def test_an_answer_has_two_fifths_of_any_screen(new_page: NewPage, many: str, count: int, how: str) -> None:
    page = new_page(url=many)
    if how == "panel":
        page.get_by_label("Panel", exact=True).select_option("method:moderator")
    ask(page, *MANY[:count], message=LONG)
    ended(page)
    if how == "panel":
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


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_on_any_of_them(new_page: NewPage, many: str, scheme: Any) -> None:
    """Of the sizes each second in one scheme, the others in the other; with `FAULT_ROUNDS` all in both."""
    sizes = list(chain(*in_turn([SIZES[::2], SIZES[1::2]], SCHEMES.index(scheme))))
    page = new_page(url=many, color_scheme=scheme)
    page.evaluate(AXE.read_text())
    faults = []
    page.get_by_label("Panel", exact=True).select_option("method:moderator")
    for screen in ("welcome", "run"):
        for width, height in sizes:
            page.set_viewport_size({"width": width, "height": height})
            faults += [f"{screen} at {width} × {height}: {fault}" for fault in violations(page)]
        page.set_viewport_size({"width": 1280, "height": 800})
        if screen == "welcome":
            ask(page, *MANY[:3], message=LONG)
            ended(page)
    assert faults == [], "\n".join(faults)


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Agents that say more than text and wait for leave; two more can be varied."""
    folder = write_config(tmp_path_factory.mktemp("new") / "agents", *[f"researcher:r{n}" for n in range(12)])
    for name in ("plain", "other"):
        varied = "backend: offline\nvariants: [seed, tokens_per_s]\ntokens_per_s: 2000\n"
        (folder / f"{name}.yaml").write_text(varied)
    with orchestrator("--config", str(folder)) as address:
        yield address


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_newest_parts_leave_room_and_have_no_faults(new_page: NewPage, newest: str, scheme: Any) -> None:
    """Approvals, progress, sources, files, attachments, variants, scores, the searched history: at every size.

    Each second size in one scheme, the others in the other; with `FAULT_ROUNDS` all in both, and twelve agents.
    """
    turn = SCHEMES.index(scheme)
    sizes = list(chain(*in_turn([SIZES[::2], SIZES[1::2]], turn)))
    page = new_page(url=newest, color_scheme=scheme)
    page.evaluate(AXE.read_text())
    faults: list[str] = []

    def look(what: str, *, room: str | None = ".column:not([hidden]) .body", most: int = 6) -> None:
        for width, height in sizes[:most]:
            page.set_viewport_size({"width": width, "height": height})
            where = f"{what} at {width} × {height}"
            faults.extend(f"{where}: {fault}" for fault in violations(page))
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append(f"{where}: it scrolls aside")
            if room and (seen := page.locator(room).first.evaluate(SEEN)) < 0.4 * height:
                faults.append(f"{where}: what is to be read has {seen:.0f} px")
            if room == ".score-page":
                faults.extend(f"{where}: {fault}" for fault in page.evaluate(SQUEEZED))
        page.set_viewport_size({"width": 1280, "height": 800})

    box = page.get_by_role("textbox", name="uestion")
    box.fill("Whose?")
    pixel = base64.b64decode(PIXEL.partition(",")[2])
    pictures = [
        FilePayload(name=f"a-picture-with-a-long-name-{n}.png", mimeType="image/png", buffer=pixel)
        for n in range(3)
    ]
    page.locator("input[type=file]").set_input_files(pictures)
    expect(page.locator(".composer .attached li")).to_have_count(3)
    look("attached", room=None)
    count = (share(12, 5), 3)[turn]
    ask(page, *[f"r{n}" for n in range(count)], message=LONG)
    expect(page.locator(".column .approval").first).to_be_attached()
    box.blur()
    look(f"{count} wait for leave")
    page.get_by_role("button", name="History", exact=True).click()
    page.get_by_label("Search the questions").fill("many words")
    expect(page.locator(".history li").first).to_be_visible()
    look("history searched", room=None)
    page.get_by_role("button", name="Close the history").click()
    page.get_by_role("button", name="Stop all").click()
    ended(page)
    page.get_by_role("link", name="New").click()
    ask(page, "plain", "other", message="Varied?")
    ended(page)
    with page.expect_response("**/vote"):  # else the scores may be counted before it
        column(page, "plain").get_by_role("button", name="Vote for").click()
    column(page, "plain").get_by_role("button", name="with other settings").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    look("a variant's form", room=None)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit the question").click()
    ask(page, "plain", "other", message="Varied otherwise, and in more words than a low screen has room for?")
    ended(page)
    box.blur()
    expect(page.locator(".branches")).to_be_attached()
    look("branches", most=2)
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("button", name="Leave replay")).to_be_visible()
    look("played again", room=None, most=1)
    page.get_by_role("button", name="Leave replay").click()
    assert page.evaluate(VARY) == 201
    page.get_by_role("button", name="History", exact=True).click()
    expect(page.locator(".history")).to_contain_text("of plain")
    look("history of variants", room=None, most=2)
    page.get_by_role("button", name="Close the history").click()
    page.evaluate("location.hash = 'scores'")
    expect(page.locator(".score-page .plot circle")).to_have_count(2)
    look("scores", room=".score-page")
    assert faults == [], "\n".join(faults)


VARY = """() => {
    const varied = n => ({ agent_id: 'plain', as: `a-long-name-for-a-variant-${n}`, seed: n });
    const body = JSON.stringify({ message: 'Varied?', agents: ['other', varied(1), varied(2)] });
    const headers = { 'Content-Type': 'application/json' };
    return fetch('/v1/runs', { method: 'POST', headers, body }).then(({ status }) => status);
}"""

SQUEEZED = """() => {
    const page = document.querySelector('.score-page');
    const { width } = page.querySelector('.plot').getBoundingClientRect();
    const room = Math.min(page.clientWidth, 900);
    return width < 0.8 * room ? [`the plot has ${width} of ${room} px`] : [];
}"""


ASIDE = """() => [...document.querySelectorAll('button, a, input, select, textarea, h1, h2, p, label')]
.filter(element => {
    const { left, right, width } = element.getBoundingClientRect();
    // What scrolls by itself: choices, tabs, columns, tables and code.
    const scrolls = element.closest('.chips, .tabs, .columns, .table, pre, .timeline, .unseen');
    return element.checkVisibility() && width > 0 && !scrolls && (left < -1 || right > innerWidth + 1);
}).map(element => element.outerHTML.slice(0, 120))"""

CUT = """() => [...document.querySelectorAll('button, .chip-name, h2, .state, .summary')].filter(element =>
    element.checkVisibility() && !element.closest('.unseen, .chips')
    && getComputedStyle(element).textOverflow !== 'ellipsis'
    && getComputedStyle(element).overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1
).map(element => element.outerHTML.slice(0, 120))"""


def test_text_twice_as_large_and_320_pixels_lose_nothing(new_page: NewPage, many: str) -> None:
    """WCAG 1.4.4 and 1.4.10: the text alone at 200 %, and the page at 320 CSS pixels, before and after an answer."""
    page = new_page(url=many)
    places = [(1280, 1024, "200%"), (320, 640, ""), (320, 256, "")]

    def look(what: str) -> None:
        for width, height, size in places:
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("size => { document.documentElement.style.fontSize = size }", size)
            where = f"{what}, {width} × {height} {size}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
            assert page.evaluate(ASIDE) == [], where
            assert page.evaluate(CUT) == [], where

    expect(page.locator(".welcome h1")).to_be_visible()
    look("welcome")
    ask(page, *MANY[:3], message="Grow, or not?")
    ended(page)
    look("answered")
    before = page.evaluate("getComputedStyle(document.querySelector('.prose')).fontSize")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    after = page.evaluate("getComputedStyle(document.querySelector('.prose')).fontSize")
    assert float(after.removesuffix("px")) >= 2 * float(before.removesuffix("px"))
