"""Covers how answers are drawn: an odd one harms no other, a long one does not freeze the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.served import orchestrator
from tests.support.shares import ALL, in_turn

from .conftest import FIREFOX, NewPage
from .desk import ask, column, ended
from .odd import ODD
from .voices import WALLS, write_config
from .walls import BOXES, drawn, talk


@pytest.fixture(scope="module")
def oddities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = write_config(
        tmp_path_factory.mktemp("odd") / "agents", *[f"odd:{name}" for name in ODD], "essay"
    )
    with orchestrator("--config", str(folder)) as address:
        yield address


@pytest.mark.parametrize("third", in_turn(range(3), 0))
def test_odd_answers_are_drawn_and_the_others_and_the_next_run_are_too(
    new_page: NewPage, oddities: str, third: int
) -> None:
    """One of each kind beside each other; with `FAULT_ROUNDS` all three."""
    page = new_page(url=oddities)
    names = list(ODD)[third::3]
    ask(page, *names, "essay")
    drawn(page, names, 0)
    for name in names:
        expect(column(page, name).locator(".prose > :nth-last-child(2)"), name).to_contain_text("The end")
    expect(page.locator(".plain")).to_have_count(0)
    expect(column(page, "essay").locator(".prose td").first).to_be_attached()
    page.get_by_role("link", name="New").click()
    ask(page, "essay")
    ended(page)
    expect(column(page, "essay").locator(".prose td").first).to_be_attached()


@pytest.mark.parametrize("where", ["parser", "sanitizer", "elements"])
def test_whatever_drawing_throws_the_answer_is_shown_as_it_came(page: Page, where: str) -> None:
    """A fault of ours or of a library's, wherever it is: only this answer is plain, and it is whole."""
    broken = {
        "parser": """const exec = RegExp.prototype.exec;
            RegExp.prototype.exec = function (text) {
                if (String(text).includes('POISON')) throw new RangeError('too deep');
                return exec.call(this, text);
            };""",
        "sanitizer": """const clone = Element.prototype.cloneNode;
            Element.prototype.cloneNode = function (deep) {
                if (this.textContent.includes('POISON')) throw new RangeError('too deep');
                return clone.call(this, deep);
            };""",
        "elements": """const before = Element.prototype.before;
            Element.prototype.before = function (...nodes) {
                const drawn = nodes.filter(node => node.nodeType === 11);
                if (drawn.some(node => node.textContent.includes('POISON'))) throw new Error('no');
                return before.apply(this, nodes);
            };""",
    }
    page.evaluate(f"() => {{ {broken[where]} }}")
    ask(page, "parrot", "essay", message="First words.\n\n| a |\n| - |\n| **POISON** |\n\nthe end")
    ended(page)
    expect(column(page, "parrot").locator(".prose .plain")).to_contain_text("**POISON**")
    expect(column(page, "parrot").locator(".prose")).to_contain_text("the end")
    expect(column(page, "essay").locator(".prose td").first).to_be_attached()
    expect(column(page, "essay").locator(".plain")).to_have_count(0)


OTHERS = ".column:not([data-agent^=table])"


def test_blocks_that_never_end_are_laid_out_in_boxes_of_a_bounded_size(
    new_page: NewPage, tmp_path: Path
) -> None:
    """50 KB of code, of a table, of a list, of one paragraph; `walls.py` measures what that is good for.

    With `FAULT_ROUNDS` 200 KB of each.
    """
    which, chars = ("0", 120_000) if ALL else ("short", 30_000)
    agents = [f"{kind}-{which}" for kind in WALLS]
    folder = write_config(tmp_path / "agents", *[f"wall:{agent}" for agent in agents])
    with orchestrator("--config", str(folder)) as address:
        page = new_page(url=address)
        talk(page, agents, chars)
        live = page.evaluate(BOXES)
        table = column(page, f"table-{which}").locator(".prose .table")
        expect(table).to_have_count(1)
        widths = "table => [...table.querySelectorAll('tr:first-child th')].map(cell => Math.round(cell.offsetWidth))"
        shown = [table.locator("table").nth(n).evaluate(widths) for n in (0, 1, -1)]
        assert shown[0] == shown[1] == shown[2], "the rows stand below each other"
        page.reload()
        drawn(page, agents, chars)
        again = page.evaluate(BOXES)
        if not FIREFOX:
            # A page of paper holds some thirty rows; of a table in pieces only the first ones were once printed.
            page.evaluate(
                "which => document.querySelectorAll(which).forEach(column => column.remove())", OTHERS
            )
            assert len(re.findall(rb"/Type\s*/Page\b", page.pdf())) > table.locator("tr").count() / 60
        page.close()
    assert min(len(live), len(again)) > chars // 800
    assert max(live) < 5_000
    assert max(again) < 5_000


MURMURERS = ("murmurer", "lister", "quoter", "titler")
LONGER = """([agent, more]) => {
    const grown = document.querySelector(`.column[data-agent=${agent}] .prose`).textContent.length;
    window.grown ??= {};
    return grown > (window.grown[agent] ??= grown) + more;
}"""


def test_what_still_grows_keeps_its_links_and_what_is_selected(page: Page) -> None:
    """A paragraph, list, quotation or heading that goes on is not drawn anew: its link is the same after more words."""
    page.context.route("https://example.com/**", lambda route: route.fulfill(body="The notes."))
    ask(page, *MURMURERS)
    for agent in MURMURERS:
        link = column(page, agent).locator(".prose a")
        expect(link).to_be_attached()
        link.evaluate(
            "link => { window.link = link; getSelection().selectAllChildren(link); window.grown = {}; }"
        )
        page.wait_for_function(LONGER, arg=[agent, 100])
        assert page.evaluate("window.link.isConnected"), agent
        # A selection says nothing of what is scrolled out of sight in a long answer; its range does.
        assert page.evaluate("getSelection().getRangeAt(0).toString()") == "the notes", agent
        with page.context.expect_page() as opened:
            link.click()
        opened.value.wait_for_url("https://example.com/notes")
        opened.value.close()
    page.get_by_role("button", name="Stop all").click()
    ended(page)
