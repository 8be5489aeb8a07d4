"""Covers the page: runs that are left, cut, held back and found again, conversations, the history, the token."""

from __future__ import annotations

import random
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.listening import free_port
from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.served import orchestrator
from tests.support.shares import share

from .conftest import NewPage
from .crash import crashing
from .desk import ask, choose, click_at_once, column, ended, state, talks, text
from .relay import Trouble, noting
from .test_page_screens import SEEN, SIZES
from .voices import write_config


def lines(page: Page, agent: str) -> list[str]:
    """The paragraphs of an answer, whole ones only."""
    return page.locator(f".column[data-agent={agent}] .prose > p").all_inner_texts()


def test_a_reload_in_the_middle_loses_nothing_and_doubles_nothing(page: Page) -> None:
    """The run goes on without the page; what was said before and meanwhile is there, and the buttons work."""
    ask(page, "talker", "second")
    talks(page, "talker", 6)
    page.reload()
    talks(page, "talker", 21)
    page.get_by_role("button", name="Stop Talker").click()
    state(page, "talker", "cancelled")
    state(page, "second", "running")
    seen = lines(page, "talker")
    assert seen == [f"Line {n} of a long speech." for n in range(1, len(seen) + 1)]
    page.get_by_role("button", name="Stop all").click()
    ended(page)


KEEP_LOSSES = """() => {
    window.losses = 0;
    new MutationObserver(changes => changes.forEach(({ addedNodes }) => addedNodes.forEach(node => {
        if (node.textContent.includes('connection lost, coming back')) window.losses += 1;
    }))).observe(document.body, { childList: true, subtree: true });
}"""


@pytest.mark.parametrize("seed", range(share(3, 1)))
def test_a_stream_that_is_cut_loses_nothing_and_doubles_nothing(
    new_page: NewPage, server: str, seed: int
) -> None:
    """Three times, wherever the bytes are torn, for both tabs that share it; each says that it comes back."""
    trouble, chance = Trouble(), random.Random(seed)
    with noting(server, trouble) as (address, _):
        asking = new_page(url=address)
        looking = new_page(url=address, context=asking.context)
        run_id = ask(asking, "talker", "second")
        looking.evaluate("run => { location.hash = `run/${run}` }", run_id)
        for page in (asking, looking):
            page.evaluate(KEEP_LOSSES)
            talks(page, "talker", 1)
        trouble.cuts += [chance.randrange(400) for _ in range(3)]
        assert trouble.all_cut.wait(PATIENCE_SECONDS), trouble.cuts
        for page in (asking, looking):
            talks(page, "talker", len(lines(page, "talker")) + 3)
            for agent in ("talker", "second"):
                seen = lines(page, agent)
                assert seen == [f"Line {n} of a long speech." for n in range(1, len(seen) + 1)]
            assert page.evaluate("losses") > 0
        asking.get_by_role("button", name="Stop all").click()
        for page in (asking, looking):
            ended(page)
            page.close()


def test_a_stream_that_is_held_back_is_told_and_shown_on_any_screen(new_page: NewPage, server: str) -> None:
    """Nothing covers the answers, which grow by snapshots; once it flows all is as ever."""
    trouble = Trouble(holds=True)
    with noting(server, trouble) as (address, _):
        page = new_page(url=address)
        page.clock.install()
        ask(page, "talker", message="Does it come?")
        told = page.locator(".summary .lost")
        while told.count() == 0:
            page.clock.fast_forward(6_000)
        expect(told).to_have_text("⧗ held back on the way, shown every few seconds")
        talks(page, "talker", 3)
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.locator(".summary .hint")).not_to_have_text(re.compile(r" 0\.0 s"))
        page.get_by_role("textbox", name="uestion").blur()
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            told.scroll_into_view_if_needed()
            expect(told).to_be_in_viewport(ratio=1)
            assert page.locator(".column .body").evaluate(SEEN) >= 0.4 * height, (width, height)
        trouble.holds = False
        expect(told).to_have_count(0)
        page.get_by_role("button", name="Stop all").click()
        ended(page)
        page.close()


def test_an_address_restores_a_run_that_has_ended(new_page: NewPage) -> None:
    page = new_page()
    run_id = ask(page, "essay", "failing")
    ended(page)
    other = new_page(f"/#run/{run_id}")
    state(other, "essay", "done")
    expect(other.get_by_role("heading", level=1)).to_have_text("Rewrite, or grow?")
    expect(column(other, "failing").locator(".error")).to_contain_text("The model refused to go on.")
    assert column(other, "failing").locator("[role=alert]").count() == 0, "an old error is no news"
    assert text(other, "essay").replace("\n", " ") == text(page, "essay").replace("\n", " ")
    assert column(other, "essay").locator(".body").evaluate("b => b.scrollTop") == 0, (
        "it is read from its beginning"
    )


def test_what_is_gone_is_said(page: Page) -> None:
    page.evaluate("location.hash = 'run/run_that_never_was'")
    expect(page.get_by_role("alert")).to_contain_text("404")
    expect(page.get_by_role("heading", level=1)).to_contain_text("side by side")
    page.evaluate("location.hash = 'run/%'")
    expect(page.get_by_role("alert")).to_contain_text("There is no run '%'")


def test_a_follow_up_goes_on_with_the_conversation(page: Page) -> None:
    """Agents remember their own answers; columns show the earlier turns, after a reload too."""
    ask(page, "rememberer", message="How old is it?")
    ended(page)
    page.get_by_label("Follow-up question").fill("And now?")
    page.get_by_role("button", name="Follow up").click()
    said = column(page, "rememberer").locator(".content")
    expect(said).to_contain_text("You asked And now?; before that: How old is it?.")
    ended(page)
    for _ in range(2):
        expect(said.locator(".question")).to_have_text(["How old is it?", "And now?"])
        expect(said.locator(".turn")).to_contain_text("before that: nothing")
        page.reload()
        state(page, "rememberer", "done")
    page.get_by_role("link", name="New").click()
    ask(page, "rememberer", message="Who?")
    expect(column(page, "rememberer").locator(".content")).to_contain_text("before that: nothing")
    ended(page)


def test_no_follow_up_while_somebody_still_answers(page: Page) -> None:
    ask(page, "talker")
    page.get_by_label("Follow-up question").fill("And?")
    expect(page.get_by_role("button", name="Follow up")).to_be_disabled()
    expect(page.locator(".busy")).to_contain_text("once everyone has finished")
    page.get_by_role("button", name="Stop all").click()
    ended(page)
    expect(page.get_by_role("button", name="Follow up")).to_be_enabled()


def test_asking_again_puts_the_question_to_that_agent_alone(page: Page) -> None:
    ask(page, "failing", "essay")
    ended(page)
    page.get_by_role("button", name="Ask again Failing").click()
    expect(page.get_by_label("Follow-up question")).to_have_value("Rewrite, or grow?")
    expect(page.locator(".chips input:checked")).to_have_attribute("value", "failing")


def test_the_history_lists_opens_and_forgets_runs(page: Page) -> None:
    first = ask(page, "essay", message="The first of the history")
    ended(page)
    page.get_by_role("link", name="New").click()
    ask(page, "toolsmith", message="The second of the history")
    ended(page)
    page.get_by_role("button", name="History", exact=True).click()
    history = page.get_by_role("complementary", name="History")
    expect(history.locator("li").first).to_contain_text("The second of the history")
    expect(history.locator("[aria-current=page]")).to_contain_text("The second")
    history.get_by_role("link", name="The first of the history").first.click()
    state(page, "essay", "done")
    assert page.evaluate("location.hash") == f"#run/{first}"
    delete = history.get_by_role("button", name="Delete: The first of the history").first
    for answer in ("Keep", "Undo"):  # it asks, and what was said to it can be taken back
        delete.click()
        if answer == "Undo":
            click_at_once(page, history.get_by_role("button", name="Delete", exact=True), answer)
        else:
            history.get_by_role("button", name=answer).click()
        expect(history.get_by_role("link", name="The first of the history").first).to_be_visible()
    delete.click()
    history.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Close the history").click()
    page.get_by_role("button", name="History", exact=True).click()
    expect(history.get_by_text("The first of the history")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_contain_text("side by side")
    page.go_back()
    expect(page.get_by_role("alert")).to_contain_text("410")


def gone(address: str) -> bool:
    try:
        urllib.request.urlopen(address).close()
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return refusal.status == 410
    return False


def test_a_store_that_is_away_is_told_of_and_survived(page: Page, server: str) -> None:
    """No vote is shown that was not taken, no empty history that could not be read; the page comes back by itself."""
    run_id = ask(page, "essay", message="Kept elsewhere")
    ended(page)
    away = {"status": 503, "content_type": "application/problem+json", "json": {"detail": "no log"}}
    page.context.route("**/v1/**", lambda route: route.fulfill(**away))
    star = page.get_by_role("button", name="Vote for Essay")
    star.click()
    expect(page.get_by_role("alert")).to_contain_text("503: no log")
    expect(star).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="History", exact=True).click()
    history = page.get_by_role("complementary", name="History")
    expect(history.get_by_role("button", name="Try again")).to_be_visible()
    expect(history.get_by_text("Nothing was asked yet")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("503: no log")
    page.context.unroute("**/v1/**")
    state(page, "essay", "done")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="History", exact=True).click()
    history.get_by_role("button", name="Delete: Kept elsewhere").first.click()
    history.get_by_role("button", name="Delete", exact=True).click()
    page.goto("about:blank")  # and nothing is left to take it back
    wait_until(lambda: gone(f"{server}/v1/runs/{run_id}"), "the run is still there")


def test_a_draft_survives_a_reload(page: Page) -> None:
    page.get_by_label("Question", exact=True).fill("Half a thou")
    page.reload()
    expect(page.get_by_label("Question", exact=True)).to_have_value("Half a thou")


def test_the_token_is_asked_for_once(new_page: NewPage, tmp_path: Path) -> None:
    """Open tabs hand it on, or it stays on the device where the user says so; a wrong one is said to be wrong."""
    folder = write_config(tmp_path / "agents", "talker", "essay", default=("talker",))
    with orchestrator("--config", str(folder), "--token", "open-sesame") as address:
        page = new_page(url=address)
        page.get_by_label("Token", exact=True).fill("wrong")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("alert")).to_have_text("That token is not right.")
        page.get_by_label("Token", exact=True).fill("open-sesame")
        page.get_by_role("button", name="Continue").click()
        ask(page, "talker")
        talks(page, "talker", 4)
        page.reload()
        page.get_by_role("button", name="Stop Talker").click()
        state(page, "talker", "cancelled")
        kept = "[sessionStorage.getItem('orchestrator.token'), localStorage.getItem('orchestrator.token')]"
        assert page.evaluate(kept) == ['"open-sesame"', None]
        tab = new_page(url=address, context=page.context)
        expect(tab.get_by_role("button", name="Ask")).to_be_attached()
        assert tab.evaluate(kept) == ['"open-sesame"', None]
        tab.get_by_role("button", name="Keys and help").click()
        tab.get_by_role("button", name="Forget the token").click()
        for each in (tab, page):
            expect(each.get_by_label("Token", exact=True)).to_be_focused()
            assert each.evaluate(kept) == [None, None]
        tab.get_by_label("Token", exact=True).fill("open-sesame")
        tab.get_by_label("Keep it on this device").check()
        tab.get_by_role("button", name="Continue").click()
        expect(tab.get_by_role("button", name="Ask")).to_be_attached()
        assert tab.evaluate(kept) == [None, '"open-sesame"']
        third = new_page(url=address, context=page.context)
        expect(third.get_by_role("button", name="Ask")).to_be_attached()
        page.close(), tab.close(), third.close()


def test_a_server_that_comes_back_without_the_run_is_told_of(new_page: NewPage, tmp_path: Path) -> None:
    """The memory log forgets: the page says so instead of waiting for ever, and keeps what it has."""
    folder = write_config(tmp_path / "agents", "talker")
    port = free_port()
    with crashing(folder, port=port) as address:
        page = new_page(url=address)
        ask(page, "talker")
        talks(page, "talker", 4)
    expect(page.locator(".lost")).to_be_attached()
    before = text(page, "talker")
    assert "Line 3 of a long speech." in before
    with crashing(folder, port=port):
        expect(page.get_by_role("alert")).to_contain_text("404")
        assert "Line 3 of a long speech." in text(page, "talker")
        choose(page, "talker")
        page.close()


def test_a_server_that_is_killed_and_started_again_is_survived(new_page: NewPage, tmp_path: Path) -> None:
    """With a durable log the page goes on by itself, from where it stood: nothing lost, nothing twice."""
    folder = write_config(tmp_path / "agents", "talker", "toolsmith")
    log = f"sqlite:///{tmp_path / 'log.db'}"
    port = free_port()
    with crashing(folder, "--log", log, port=port) as address:
        page = new_page(url=address)
        ask(page, "talker", "toolsmith")
        state(page, "toolsmith", "done")
        talks(page, "talker", 4)
    expect(page.locator(".lost")).to_be_attached()
    with crashing(folder, "--log", log, port=port):
        ended(page)
        expect(page.locator(".lost")).to_have_count(0)
        expect(column(page, "talker").locator(".error")).to_contain_text("worker_lost")
        seen = lines(page, "talker")
        assert seen == [f"Line {n} of a long speech." for n in range(1, len(seen) + 1)]
        page.reload()
        state(page, "toolsmith", "done")
        talks(page, "talker", 4)
        page.close()


def test_seven_tabs_are_alive_at_once(new_page: NewPage) -> None:
    """Browsers open six connections to a server; the client's tabs share one, so the seventh lives too."""
    first = new_page()
    tabs = [first, *(new_page(context=first.context) for _ in range(6))]
    for n, tab in enumerate(tabs):
        ask(tab, "talker", message=f"Tab {n}")
    for tab in tabs:
        talks(tab, "talker", 6)
        state(tab, "talker", "running")
    for tab in tabs:
        tab.get_by_role("button", name="Stop Talker").click()
        state(tab, "talker", "cancelled")


def test_a_part_of_a_newer_page_that_does_not_fit_is_not_taken(page: Page) -> None:
    """Files keep their names in every version, so a page that stays open over an upgrade is given newer parts."""
    newer = "import { html, unknownToday } from './page.js';\nexport const Help = () => unknownToday(html);\n"
    page.route(
        "**/web/bundle/dialogs.js",
        lambda route: route.fulfill(status=200, content_type="text/javascript", body=newer),
    )
    page.get_by_role("button", name="Keys and help").click()
    expect(page.get_by_role("alert")).to_contain_text("Reload the page")
    ask(page, "essay")
    ended(page)
