"""Covers the page: asking, columns, and every button of a run that is alive."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .conftest import NewPage
from .desk import ask, choose, column, ended, heard, state, talks, text


def test_a_question_is_answered_side_by_side(page: Page) -> None:
    """Chips choose, Ask asks, each agent has a column of its own with state, numbers and words."""
    expect(page.get_by_role("heading", level=1)).to_contain_text("side by side")
    choose(page, "essay", "toolsmith")
    page.get_by_label("Question", exact=True).fill("Rewrite, or grow?")
    page.get_by_role("button", name="Ask").click()
    for agent in ("essay", "toolsmith"):
        state(page, agent, "done")
        expect(column(page, agent).locator(".state")).to_have_text("✓ done")
    first = column(page, "essay")
    expect(first.get_by_role("heading", name="Essay", exact=True)).to_be_visible()
    numbers = first.locator(".figures").inner_text()
    assert re.search(r"first\s+Time to first token\s+(\d+ ms|\d+\.\d s)", numbers), numbers
    assert re.search(r"Tokens of output\s+210\b", numbers), numbers
    assert re.search(r"Tokens per second\s+\d+", numbers), numbers
    assert re.search(r"Elapsed\s+\d+\.\d s", numbers), numbers
    expect(page.locator(".summary")).to_contain_text("2 of 2 finished")
    expect(page).to_have_title("Rewrite, or grow?")


def test_markdown_is_drawn_while_it_comes_and_the_same_at_the_end(page: Page) -> None:
    ask(page, "essay", "variant")
    said = column(page, "essay").locator(".prose")
    state(page, "essay", "done")
    expect(said.locator("h3")).to_have_text("Two ways")
    expect(said.locator("strong")).to_have_text("piece by piece")
    expect(said.locator("ol > li")).to_have_count(2)
    expect(said.locator("ul > li").first).to_contain_text("☑ Tests around")
    expect(said.locator("td")).to_have_count(6)
    expect(said.locator("blockquote")).to_contain_text("right all at once")
    expect(said.locator(".code .hljs-keyword")).to_have_text(["def", "return", "for", "in"])
    expect(said.locator(".code-bar span")).to_have_text("python")
    link = said.get_by_role("link", name="the notes")
    assert link.get_attribute("rel") == "noopener noreferrer nofollow"
    # Piece by piece or in one: the elements are the same.
    state(page, "variant", "done")
    expect(column(page, "variant").locator(".hljs-keyword")).to_have_count(
        said.locator(".hljs-keyword").count()
    )
    markup = [column(page, agent).locator(".prose").inner_html() for agent in ("essay", "variant")]
    assert markup[0] == markup[1].replace("two years", "a year").replace("small", "low")


def test_finished_blocks_are_never_drawn_again(page: Page) -> None:
    """A mark put on a finished paragraph survives whatever comes after it."""
    ask(page, "talker")
    paragraphs = column(page, "talker").locator(".prose > p")
    talks(page, "talker", 4)
    paragraphs.first.evaluate("p => { p.dataset.mark = 'mine'; }")
    talks(page, "talker", 21)
    expect(paragraphs.first).to_have_attribute("data-mark", "mine")
    page.get_by_role("button", name="Stop Talker").click()
    state(page, "talker", "cancelled")


def test_one_is_stopped_and_the_others_go_on(page: Page) -> None:
    ask(page, "talker", "second")
    state(page, "talker", "running")
    page.get_by_role("button", name="Stop Talker").click()
    state(page, "talker", "cancelled")
    before = text(page, "second")
    expect(column(page, "talker")).to_contain_text("Stopped")
    page.wait_for_function(
        "n => document.querySelector('.column[data-agent=second] .content').innerText.length > n + 100",
        arg=len(before),
    )
    state(page, "second", "running")
    page.get_by_role("button", name="Stop all").click()
    state(page, "second", "cancelled")
    ended(page)
    expect(page.get_by_role("button", name="Stop all")).to_have_count(0)


def test_a_double_click_on_stop_is_no_retry(page: Page) -> None:
    """Retry appears where Stop was, and the second click would meet it: here as soon as it is there."""
    ask(page, "talker", "second")
    state(page, "talker", "running")
    stop = column(page, "talker").locator(".main-button")
    page.evaluate("""() => {
        const button = () => document.querySelector('.column[data-agent=talker] .main-button');
        new MutationObserver((_, observer) => {
            if (!button()?.textContent.includes('Retry')) return;
            observer.disconnect();
            button().click();
            window.clickedAgain = true;
        }).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
    }""")
    stop.click()
    page.wait_for_function("() => window.clickedAgain")
    expect(stop).to_have_text("Retry")
    page.get_by_role("button", name="Stop Second").click()
    state(page, "second", "cancelled")
    ended(page)
    expect(column(page, "talker").locator(".model")).not_to_contain_text("attempt 2")


def test_an_error_stands_in_its_place_and_a_retry_voids_it(page: Page) -> None:
    ask(page, "failing", "talker")
    state(page, "failing", "error")
    failed = column(page, "failing")
    expect(failed.locator(".prose")).to_have_text("This much was said")
    expect(failed.get_by_role("alert")).to_contain_text("The model refused to go on.")
    expect(failed.get_by_role("alert")).to_contain_text("upstream_rejected")
    page.get_by_role("button", name="Retry Failing").click()
    state(page, "failing", "done")
    expect(failed.locator(".prose")).to_have_text("This much was said and then the rest.")
    expect(failed.get_by_role("alert")).to_have_count(0)
    expect(failed.locator(".model")).to_contain_text("attempt 2")
    page.get_by_role("button", name="Stop all").click()
    ended(page)


def test_an_agent_joins_in_the_middle(page: Page) -> None:
    ask(page, "talker")
    page.get_by_role("button", name="Add agent").click()
    page.get_by_role("group", name="Add agent").get_by_role("button", name="Toolsmith").click()
    state(page, "toolsmith", "done")
    state(page, "talker", "running")
    page.get_by_role("button", name="Stop all").click()
    ended(page)
    expect(page.get_by_role("button", name="Add agent")).to_have_count(0)


def test_reasoning_and_tools_can_be_opened(page: Page) -> None:
    ask(page, "essay", "toolsmith")
    thought = column(page, "essay").locator("details.reasoning")
    expect(thought.locator(".part-text")).to_be_hidden()
    thought.locator("summary").click()
    expect(thought.locator(".part-text")).to_have_text(
        "The question is about risk, so the answer should be about steps."
    )
    tools = column(page, "toolsmith").locator("details.tool")
    expect(tools).to_have_count(2)
    expect(tools.nth(1)).to_contain_text("✗")
    tools.first.locator("summary").click()
    expect(tools.first).to_contain_text('"query": "billing"')
    expect(tools.first).to_contain_text('"hits": 3')
    ended(page)


def test_an_agent_that_asks_for_leave_gets_it(page: Page) -> None:
    ask(page, "careful")
    request = column(page, "careful").get_by_role("alert")
    expect(request).to_contain_text("send_mail")
    request.get_by_role("button", name="Allow").click()
    state(page, "careful", "done")
    expect(column(page, "careful").locator(".prose")).to_have_text("Sent.")
    expect(request).to_have_count(0)


def test_copy_gives_the_answer_as_it_was_written(new_page: NewPage) -> None:
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    ask(page, "essay")
    state(page, "essay", "done")
    page.get_by_role("button", name="Copy Essay's answer").click()
    heard(page, "Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("# Two ways\n\nGrowing **piece")
    page.get_by_role("button", name="Copy code").click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('def total')")


def test_columns_are_hidden_shown_and_maximised(page: Page) -> None:
    ask(page, "essay", "toolsmith")
    ended(page)
    page.get_by_role("button", name="Hide Essay").click()
    expect(column(page, "essay")).to_be_hidden()
    page.get_by_role("button", name="Show Essay").click()
    expect(column(page, "essay")).to_be_visible()
    page.get_by_role("button", name="Maximise Toolsmith").click()
    expect(column(page, "essay")).to_be_hidden()
    box = column(page, "toolsmith").bounding_box()
    assert box is not None
    assert box["width"] > 1200
    page.get_by_role("tab", name="Essay").click()
    expect(column(page, "toolsmith")).to_be_hidden()
    page.get_by_role("button", name="Show all columns").click()
    expect(column(page, "toolsmith")).to_be_visible()


def test_columns_keep_320_px_and_scroll_sideways(new_page: NewPage) -> None:
    page = new_page(viewport={"width": 900, "height": 700})
    ask(page, "essay", "toolsmith", "rememberer", "variant")
    ended(page)
    widths = [column.bounding_box()["width"] for column in page.locator(".column").all()]  # type: ignore[index]
    assert min(widths) >= 320
    assert page.evaluate("(c => c.scrollWidth > c.clientWidth)(document.querySelector('.columns'))")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page itself never does"


def test_words_are_not_broken_and_run_their_own_way(new_page: NewPage) -> None:
    """A table scrolls instead of breaking its words; Arabic begins at the right, its list's bullets too."""
    page = new_page(viewport={"width": 900, "height": 700})
    ask(page, "polyglot", "essay", "silent")
    ended(page)
    said = column(page, "polyglot")
    line = "cell => parseFloat(getComputedStyle(cell).lineHeight)"
    for cell in (said.locator("th").first, said.locator("td").first):
        box = cell.bounding_box()
        assert box is not None
        assert box["height"] < 2 * cell.evaluate(line)
    assert said.locator(".table").evaluate("table => table.scrollWidth > table.clientWidth")
    arabic = said.locator("p", has_text="عربي")
    assert arabic.evaluate("p => getComputedStyle(p).direction") == "rtl"
    assert said.locator("ul").evaluate("list => getComputedStyle(list).direction") == "rtl"
    assert said.locator("p", has_text="that").evaluate("p => getComputedStyle(p).direction") == "ltr"
    colour = "e => getComputedStyle(e).backgroundColor"
    assert said.locator("del").evaluate(colour) == said.locator("p").last.evaluate(colour), (
        "no difference is meant"
    )
    expect(column(page, "silent")).to_contain_text("It said nothing.")


def test_a_phone_has_tabs(new_page: NewPage) -> None:
    page = new_page(viewport={"width": 390, "height": 780}, has_touch=True)
    ask(page, "essay", "toolsmith")
    ended(page)
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_count(2)
    expect(column(page, "toolsmith")).to_be_hidden()
    tabs.nth(1).tap()
    expect(column(page, "toolsmith")).to_be_visible()
    expect(column(page, "essay")).to_be_hidden()
    tabs.nth(1).press("ArrowLeft")
    expect(column(page, "essay")).to_be_visible()
    page.get_by_role("link", name="New").click()
    ask(page, "essay", "toolsmith", "rememberer", "variant", "failing", "polyglot", "silent")
    ended(page)
    expect(page.get_by_role("tab")).to_have_count(7)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the tabs scroll, the page does not"
    )
    for name in ("Sum up…", "Compare", "Export", "Sets"):
        page.get_by_role("button", name=name).tap()
        box = page.locator(".menu-items").bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390, name
        assert 0 <= box["y"] <= box["y"] + box["height"] <= 780, name
        page.keyboard.press("Escape")


def test_sets_of_agents_are_saved_and_used_again(page: Page) -> None:
    choose(page, "essay", "failing")
    page.get_by_role("button", name="Sets").click()
    page.get_by_label("Save this choice as").fill("Review")
    page.get_by_role("button", name="Save", exact=True).click()
    choose(page, "talker")
    page.reload()
    expect(page.locator(".chips input:checked")).to_have_count(1)
    page.get_by_role("button", name="Sets").click()
    page.get_by_role("button", name="Review 2 agents").click()
    assert [box.get_attribute("value") for box in page.locator(".chips input:checked").all()] == [
        "essay",
        "failing",
    ]
    page.get_by_role("button", name="Sets").click()
    page.get_by_role("button", name="Delete the set Review").click()
    expect(page.get_by_role("button", name="Review 2 agents")).to_have_count(0)
