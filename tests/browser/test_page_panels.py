"""Covers panels on the page: asking one, its card above the columns, another one over the same answers."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.commands import ROOT
from tests.support.served import orchestrator, paced_agents
from tests.support.shares import in_turn

from .desk import ask, choose, column, ended, heard, replay, state
from .test_page_safety import AXE, violations
from .voices import write_config

SWIFT = {"analyst": 400, "optimist": 400, "skeptic": 400, "moderator": 400}
LOOKS: list[list[tuple[int, Literal["light", "dark"]]]] = [
    [(1280, "light"), (390, "dark")], [(1280, "dark"), (390, "light")],
]  # fmt: skip
"""Widths and colours; each screen is seen in one of the rows."""
HURRIED = """\
title: Hurried
method: moderator
members: [essay, failing, latecomer]
moderator: chairman
start_when: {quorum: 1}
limits: {max_input_chars: 300}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The agents and panels that ship, only quicker; beside them some that fail and come late."""
    folder = write_config(tmp_path_factory.mktemp("panels"), "essay", "failing", "latecomer", "chairman")
    paced_agents(folder, **SWIFT)
    shutil.copytree(ROOT / "agents_config" / "panels", folder / "panels")
    (folder / "panels" / "hurried.yaml").write_text(HURRIED)
    with orchestrator("--config", str(folder)) as address:
        yield address


def card(page: Page) -> Locator:
    return page.locator(".panel-card")


def decided(page: Page, title: str) -> None:
    """Wait until the panel of this title has a result."""
    expect(card(page).get_by_role("heading", level=2)).to_have_text(title)
    page.wait_for_function("() => document.querySelector('.panel-card:not([data-status=running])')")


def start_panel(page: Page, panel: str, *agents: str) -> str:
    """Ask these agents in a panel, or a configured panel's own."""
    page.get_by_label("Panel", exact=True).select_option(panel)
    chosen = agents or [box.get_attribute("value") or "" for box in page.locator(".chips :checked").all()]
    return ask(page, *chosen, message="What is 17.5 % of 2,480?")


def sum_up(page: Page, choice: str, **keys: str) -> str:
    """Let another panel sit, with *keys* that are edited before; return the new run's id."""
    before = page.evaluate("location.hash")
    page.get_by_role("button", name="Sum up").click()
    menu = page.get_by_role("group", name="Sum up")
    if keys:
        menu.get_by_role("button", name=f"Edit {choice}'s prompt and keys").click()
        for name, value in keys.items():
            expect(menu.get_by_label(name)).not_to_have_value("")  # the default, to be changed
            menu.get_by_label(name).fill(value)
    menu.get_by_role("button", name=re.compile(f"^{choice}")).click()
    page.wait_for_function("before => location.hash !== before", arg=before)
    return str(page.evaluate("location.hash")).removeprefix("#run/")


def test_a_council_is_asked_and_its_moderator_speaks_above_the_columns(page: Page) -> None:
    page.get_by_label("Panel", exact=True).select_option("panel:council")
    expect(page.get_by_role("checkbox", name="Blind")).to_be_disabled()
    page.evaluate(
        """() => {
            window.stages = new Set();
            new MutationObserver(() => {
                const said = document.querySelector('.panel-state .word')?.textContent;
                if (said) window.stages.add(said.replace(/,.*/, ''));
            }).observe(document.body, { childList: true, characterData: true, subtree: true });
        }"""
    )
    start_panel(page, "panel:council")
    decided(page, "Council")
    # A busy machine draws a frame so late that a stage begins and ends between two.
    stages = page.evaluate("[...window.stages]")
    assert stages == [stage for stage in ("Members answer", "Final", "Summed up") if stage in stages]
    assert stages[-1] == "Summed up"
    expect(card(page).locator(".inputs li")).to_have_text(
        [re.compile(rf"{name} \d+ chars") for name in ("Skeptic", "Optimist", "Analyst")]
    )
    expect(card(page).locator(".prose")).to_contain_text("434")
    ids = [one.get_attribute("data-agent") for one in page.locator(".column").all()]
    assert ids == ["skeptic", "optimist", "analyst"], "the moderator has no column"
    expect(column(page, "skeptic").locator(".model")).to_contain_text("Answer")
    ended(page)
    heard(page, "Moderator begins")
    heard(page, "Panel summed up")
    fold = card(page).get_by_role("button", name="Fold the panel")
    fold.press("Enter")
    expect(card(page).locator(".prose")).to_have_count(0)


def test_a_judge_sits_over_the_answers_that_are_there(page: Page, server: str) -> None:
    """A new run shows its card above the old one's columns: at once, after a reload, replayed, exported, deleted."""
    first = ask(page, "analyst", "optimist", "skeptic", message="What is 17.5 % of 2,480?")
    ended(page)
    said = column(page, "analyst").locator(".prose").inner_text()
    page.get_by_role("button", name="Sum up").press("Enter")
    expect(page.locator(".menu-items button").first).to_be_focused()
    page.keyboard.press("Escape")
    second = sum_up(page, "Judge one picks the best")
    for _ in range(2):
        decided(page, "Judge")
        expect(card(page).locator(".panel-state")).to_have_text("★ Decided: Analyst")
        rows = card(page).locator(".scores tbody tr")
        expect(rows.first).to_have_text(re.compile(r"Analyst\s*2"))
        expect(card(page).locator(".inputs li").first).to_have_text(re.compile(r"^\s*A \w+ \d+ chars"))
        expect(card(page).locator("details.speech summary")).to_contain_text("In the other order")
        expect(column(page, "analyst").locator(".winner")).to_have_text("★ Winner")
        expect(page.locator(".column")).to_have_count(3)
        assert column(page, "analyst").locator(".prose").inner_text() == said
        expect(column(page, "analyst").locator(".figures")).to_contain_text("tokens")
        page.reload()
    decided(page, "Judge")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
        page.get_by_role("button", name="JSON", exact=True).click()
    whole = json.loads(Path(download.value.path()).read_text())
    assert (whole["panel"]["of"], whole["panel"]["result"]["winner"]) == (first, "analyst")
    assert whole["agents"]["analyst"]["text"]
    replay(page)
    page.get_by_role("slider", name="Position").fill("0")
    expect(card(page).locator(".panel-state")).not_to_contain_text("Decided")
    expect(page.locator(".column .winner")).to_have_count(0)
    page.get_by_role("slider", name="Position").evaluate(
        "range => { range.value = range.max; range.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    expect(card(page).locator(".panel-state")).to_contain_text("Decided: Analyst")
    urllib.request.urlopen(urllib.request.Request(f"{server}/v1/runs/{first}", method="DELETE")).close()
    page.reload()
    # What was deleted must not go on living in what others said of it.
    expect(page.get_by_role("alert")).to_contain_text(f"Run '{second}' was deleted.")
    expect(page.locator(".column")).to_have_count(0)


def test_members_rank_each_other_and_their_answers_stay(page: Page) -> None:
    """One select, and one more for who sums up where somebody may; too few members are told."""
    page.get_by_label("Panel", exact=True).select_option("method:rank")
    expect(page.get_by_label("Last word")).to_have_value("")
    choose(page, "analyst", "optimist")
    page.get_by_label("Question", exact=True).fill("What?")
    expect(page.locator(".busy")).to_have_text("Ranking needs 3 agents that answer.")
    start_panel(page, "method:rank", "analyst", "optimist", "skeptic")
    decided(page, "Ranking")
    expect(card(page).locator(".scores tbody tr")).to_have_count(3)
    expect(card(page).locator(".last-word")).to_have_count(0)
    own = column(page, "skeptic")
    expect(own.locator("details.speech[open] summary")).to_contain_text("Answer")
    expect(own.locator(".stage-name")).to_have_text("Review")
    expect(own.locator(".inputs li").first).to_contain_text("A ")
    ended(page)
    # Another one, whose members speak again: what they said before stays above it.
    sum_up(page, "Debate", Prompt="Weigh {answers} for {question}.", Rounds="3")
    decided(page, "Debate")
    expect(own.locator("details.speech > summary strong")).to_have_text(["Answer", "Review", "Round 2"])
    expect(own.locator(".stage-name")).to_have_text("Round 3")
    expect(card(page).locator(".prose")).to_have_count(1)


def test_who_is_missing_late_or_cut_is_told(page: Page) -> None:
    start_panel(page, "panel:hurried")
    read = card(page).locator(".inputs")
    expect(read.locator(".cut")).to_have_text(re.compile(r"Essay cut: 300 of \d+ chars"))
    expect(read.locator(".without")).to_have_text(["Failing failed", "Latecomer still answering"])
    state(page, "latecomer", "done")
    decided(page, "Hurried")
    result = card(page).locator(".panel-result")
    expect(result).to_contain_text("Late: Latecomer, 23 characters")
    expect(result).not_to_contain_text("Failing")  # the inputs have told it
    expect(card(page).locator(".prose")).to_have_text("In short: grow, and measure.")


def test_axe_finds_nothing_in_a_panel(page: Page) -> None:
    """While the last word is spoken, with scores, with the menu open: wide and narrow, one of them light, one dark;
    with `FAULT_ROUNDS` each in both.
    """
    if not AXE.exists():
        pytest.skip("axe-core is not installed; `npm ci` in tests/web brings it")
    page.evaluate(AXE.read_text())
    faults: list[str] = []
    turns = count()

    def look(where: str) -> None:
        for width, scheme in chain(*in_turn(LOOKS, next(turns))):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
            faults.extend(f"{where} at {width} px, {scheme}: {fault}" for fault in violations(page))
        page.set_viewport_size({"width": 1280, "height": 800})

    start_panel(page, "panel:hurried")
    expect(card(page).locator(".prose")).to_contain_text("In short")
    look("the last word")
    decided(page, "Hurried")
    ended(page)
    sum_up(page, "Judge one picks the best")
    decided(page, "Judge")
    page.get_by_role("button", name="Sum up").click()
    expect(page.locator(".menu-items button").first).to_be_focused()
    look("scores and menu")
    assert faults == [], "\n".join(faults)
