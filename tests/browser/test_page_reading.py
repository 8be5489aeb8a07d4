"""Covers the page: scrolling, comparing, the timeline, replay, export, the vote, keys."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, expect

from .conftest import NewPage
from .desk import ask, choose, column, ended, heard, press_twice, replay, state, text

AT_END = "b => b.scrollHeight - b.scrollTop - b.clientHeight < 8"


def test_a_column_sticks_to_its_end_only_where_it_was_there(page: Page) -> None:
    ask(page, "talker", "second")
    body = column(page, "talker").locator(".body")
    other = column(page, "second").locator(".body")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.body')].every(b => b.scrollHeight > b.clientHeight + 400)"
    )
    page.wait_for_function(AT_END, arg=body.element_handle())
    body.hover()
    page.mouse.wheel(0, -300)
    expect(column(page, "talker").get_by_role("button", name="Newest of Talker")).to_be_visible()
    kept = body.evaluate("b => b.scrollTop")
    page.wait_for_function(
        "b => b.scrollHeight - b.scrollTop - b.clientHeight > 500", arg=body.element_handle()
    )
    assert body.evaluate("b => b.scrollTop") == kept, "reading is not disturbed by what comes"
    # Each column scrolls by itself. Asked until so: a question may fall between growing and scrolling.
    page.wait_for_function(AT_END, arg=other.element_handle())
    column(page, "talker").get_by_role("button", name="Newest of Talker").click()
    page.wait_for_function(AT_END, arg=body.element_handle())
    page.get_by_role("button", name="Stop all").click()
    ended(page)


def test_scrolling_can_be_synced(page: Page) -> None:
    page.set_viewport_size({"width": 1000, "height": 560})
    ask(page, "essay", "variant")
    ended(page)
    page.get_by_role("button", name="Timeline").click()
    bodies = [column(page, agent).locator(".body") for agent in ("essay", "variant")]
    for body in bodies:
        body.evaluate("b => { b.scrollTop = 0; }")
    bodies[0].hover()
    page.mouse.wheel(0, 120)
    page.wait_for_function("b => b.scrollTop > 0", arg=bodies[0].element_handle())
    assert bodies[1].evaluate("b => b.scrollTop") == 0
    page.get_by_role("button", name="Sync scroll").click()
    bodies[0].hover()
    page.mouse.wheel(0, 2000)
    page.wait_for_function(AT_END, arg=bodies[1].element_handle())


def test_answers_are_compared_word_by_word(page: Page) -> None:
    ask(page, "essay", "variant")
    ended(page)
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="With Essay").click()
    diff = column(page, "variant").locator(".diff-text")
    expect(diff.locator("ins")).to_have_text(["two years", "small"])
    assert diff.locator("del").all_inner_texts() == ["a year", "low"]
    expect(column(page, "essay").locator(".prose h3")).to_have_text("Two ways")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="Nothing").click()
    expect(column(page, "variant").locator(".prose h3")).to_have_text("Two ways")


def test_the_timeline_shows_who_spoke_when(page: Page) -> None:
    ask(page, "essay", "failing", "toolsmith")
    ended(page)
    drawing = page.get_by_role("img", name="Timeline")
    told = drawing.get_attribute("aria-label") or ""
    assert "Essay, first token at" in told
    assert re.search(r"Failing, first token at \d.*, failed at \d", told), told
    lanes = drawing.locator(".lane")
    expect(lanes).to_have_count(3)
    assert lanes.nth(0).locator(".speech").count() >= 1
    expect(lanes.nth(0).locator(".mark")).to_have_count(2)
    expect(lanes.nth(1).locator(".mark.error")).to_have_count(1)
    expect(lanes.nth(2).locator(".mark.tool")).to_have_count(2)
    page.get_by_role("button", name="Timeline").click()
    expect(drawing).to_have_count(0)


def times_of(server: str, run_id: str, event: str) -> list[int]:
    """Return when the events of this name came in a run that has ended, in its milliseconds."""
    with urllib.request.urlopen(f"{server}/v1/runs/{run_id}/events") as answer:
        frames = answer.read().decode().split("\n\n")
    named = (frame for frame in frames if f"event: {event}\n" in frame)
    return [json.loads(frame.partition("data: ")[2])["t"] for frame in named]


def test_a_finished_run_is_played_again(page: Page, server: str) -> None:
    """At its own timing, to any point, and back to the run as it is."""
    run_id = ask(page, "essay", "toolsmith")
    ended(page)
    # A block of code is drawn again, in colours, a moment after its text came.
    coloured = column(page, "essay").locator("pre .hljs-keyword")
    expect(coloured).to_have_count(4)
    whole = text(page, "essay")
    said = times_of(server, run_id, "essay.token")
    controls = replay(page)
    position = controls.get_by_label("Position")
    position.fill(str(said[len(said) // 2]))
    state(page, "essay", "running")
    expect(column(page, "essay").locator(".prose")).to_contain_text("Growing piece by piece")
    half = text(page, "essay")
    assert "measure each step" not in half
    position.fill("0")
    expect(column(page, "essay").locator(".prose")).to_have_count(0)
    assert page.get_by_role("button", name="Stop Essay").count() == 0, "a replay has nothing to stop"
    controls.get_by_label("Speed").select_option("5")
    page.get_by_role("button", name="Play", exact=True).click()
    state(page, "essay", "done")
    expect(column(page, "essay").locator("blockquote")).to_be_attached()
    expect(coloured).to_have_count(4)
    assert text(page, "essay") == whole
    page.get_by_role("button", name="Leave replay").click()
    expect(controls).to_have_count(0)
    state(page, "essay", "done")


def test_a_run_is_exported(page: Page, tmp_path: Path) -> None:
    run_id = ask(page, "essay", "failing")
    ended(page)
    found = {}
    for choice, ending in (("Markdown", "md"), ("JSON", "json"), ("Event log JSONL", "jsonl")):
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=choice, exact=True).click()
        assert download.value.suggested_filename == f"{run_id}.{ending}"
        download.value.save_as(tmp_path / ending)
        found[ending] = (tmp_path / ending).read_text()
    assert found["md"].startswith("# Rewrite, or grow?\n")
    assert re.search(r"^## Essay: done, \d+\.\d s", found["md"], re.MULTILINE)
    assert "### Two ways" in found["md"], "an answer's headings go below its agent's"
    assert "    # Rounded once" in found["md"], "but code stays as it is"
    assert "> **upstream_rejected** The model refused" in found["md"]
    whole = json.loads(found["json"])
    assert whole["run_id"] == run_id
    assert whole["agents"]["essay"]["text"].startswith("# Two ways")
    events = [json.loads(line) for line in found["jsonl"].splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["run.started", "run.done"]
    seqs = [int(event["id"].rpartition("-")[2]) for event in events]
    assert seqs == sorted(set(seqs))
    said = "".join(e["data"]["text"] for e in events if e["event"] == "essay.token")
    assert said == whole["agents"]["essay"]["text"]


def test_a_vote_is_kept_and_taken_back(page: Page) -> None:
    ask(page, "essay", "variant")
    ended(page)
    star = page.get_by_role("button", name="Vote for Variant")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Vote for Essay").click()
    expect(star).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Vote for Essay").click()
    expect(page.locator("[aria-label^='Vote for'][aria-pressed=true]")).to_have_count(0)


def test_a_blind_run_tells_who_is_who_after_the_vote(page: Page) -> None:
    """Names, numbers and an error's own words come with the vote, and are there after a reload."""
    choose(page, "essay", "failing")
    page.get_by_role("checkbox", name="Blind").check(force=True)
    page.get_by_label("Question", exact=True).fill("Who is it?")
    page.keyboard.press("Control+Enter")
    ended(page)
    expect(page.locator(".column h2")).to_have_text(["Agent 1", "Agent 2"])
    for told in ("Essay", "Failing", "The model refused"):
        expect(page.locator(".run")).not_to_contain_text(told)
    assert page.locator(".figures").count() == 0, "numbers would tell"
    assert page.get_by_role("img", name="Timeline").count() == 0
    another = "localStorage.setItem('orchestrator.chosen', '[\"parrot\"]')"
    page.evaluate(another)
    page.reload()
    ended(page)
    asked = [page.locator(f".chips input[value={agent}]") for agent in ("essay", "failing")]
    for agent in (*asked, page.get_by_role("checkbox", name="Blind")):
        expect(agent).to_be_checked()  # a follow-up is asked as this question was
    page.get_by_role("button", name="Vote for Agent 1").click()
    page.evaluate("localStorage.removeItem('orchestrator.blindly')")  # as in another browser
    for _ in range(2):
        expect(page.locator(".column h2").filter(has_text="Essay")).to_have_count(1)
        expect(page.locator(".column h2").filter(has_text="Failing")).to_have_count(1)
        expect(page.locator("div.error")).to_contain_text("The model refused to go on.")
        numbers = page.locator(".column", has=page.get_by_role("heading", name="Essay")).locator(".figures")
        expect(numbers).to_contain_text(re.compile(r"Tokens of output\s*210"))
        expect(page.locator(".timeline-names")).to_contain_text("Essay")
        expect(page.get_by_role("img", name="Timeline")).to_have_accessible_name(re.compile("Failing"))
        for agent in asked:
            expect(agent).to_be_checked()
        page.reload()


def test_a_vote_while_others_still_talk_tells_their_numbers_in_the_end(page: Page) -> None:
    choose(page, "toolsmith", "talker")
    page.get_by_role("checkbox", name="Blind").check(force=True)
    page.get_by_label("Question", exact=True).fill("Who is it?")
    page.keyboard.press("Control+Enter")
    star = page.get_by_role("button", name="Vote for Agent").and_(page.locator(":enabled"))
    star.click()
    expect(page.locator(".column h2").filter(has_text="Talker")).to_have_count(1)
    assert page.get_by_role("button", name="Add agent").count() == 0, "a blind run takes no further agents"
    page.get_by_role("button", name="Stop all").click()
    ended(page)
    told = page.locator(".column", has_text="Talker").locator(".figures")
    expect(told).to_contain_text(re.compile(r"Elapsed\s*\d+\.\d s"))


def test_keys_ask_stop_and_move(page: Page) -> None:
    ask(page, "talker", "second", "essay")  # by Ctrl+Enter
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("2")
    expect(column(page, "second")).to_be_focused()
    page.keyboard.press("m")
    expect(column(page, "talker")).to_be_hidden()
    page.keyboard.press("m")
    page.keyboard.press("1")
    for _ in range(3):
        page.keyboard.down("Escape")  # held, which is one press
    page.keyboard.up("Escape")
    # The next hint is what `press_twice` waits for.
    page.evaluate("document.querySelector('.toast')?.remove()")
    page.keyboard.press("2")
    assert press_twice(page, "Escape", "Esc again stops this agent")["second"] == "running"
    state(page, "second", "cancelled")
    state(page, "talker", "running")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    state(page, "talker", "running")
    page.keyboard.press("/")
    expect(page.get_by_label("Follow-up question")).to_be_focused()
    page.keyboard.type("1?")
    expect(page.get_by_label("Follow-up question")).to_have_value("1?")
    assert press_twice(page, "Shift+Escape", "Shift + Esc again stops all")["talker"] == "running"
    state(page, "talker", "cancelled")
    ended(page)


def test_a_screen_reader_hears_ends_but_no_transcripts(page: Page) -> None:
    """One polite region; answers are none; an error is an alert."""
    ask(page, "talker", "failing", "toolsmith")
    state(page, "failing", "error")
    state(page, "toolsmith", "done")
    assert page.locator("[aria-live], [role=status], [role=log]").count() == 1
    expect(column(page, "failing").get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Stop all").click()
    ended(page)
    for part in ("Talker stopped, 3 of 3", "Toolsmith finished, ", "Failing failed, "):
        heard(page, part)


def test_theme_can_be_chosen_and_stays(new_page: NewPage) -> None:
    page = new_page(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(ground) != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
