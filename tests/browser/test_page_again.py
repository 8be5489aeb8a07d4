"""Covers what a question is made of and how it is asked again: files, edits, many agents, columns, the history."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from playwright.sync_api import FilePayload, Locator, Page, expect

from .conftest import VOICES
from .desk import ask, choose, column, ended, heard
from .test_page_asking import chosen

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP4z8CAB+GTG8HSALfKY52fTcuYAAAAAElFTkSuQmCC"
)
DROP = """async ([event, name, type, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, { type }));
    const given = event === 'paste' ? { clipboardData: data } : { dataTransfer: data };
    const box = document.getElementById('message');
    const kind = event === 'paste' ? ClipboardEvent : DragEvent;
    box.dispatchEvent(new kind(event, { bubbles: true, cancelable: true, ...given }));
}"""


def test_files_are_chosen_pasted_and_dropped_and_shown_in_the_question(page: Page) -> None:
    """Images go as they are, texts in a fence that nothing in them closes; what is neither is refused by name."""
    sent: list[dict[str, Any]] = []
    page.on("request", lambda r: sent.append(json.loads(r.post_data or "{}")) if r.method == "POST" else None)
    choose(page, "parrot")
    listed = page.get_by_role("list", name="Attached").get_by_role("listitem")
    files = [("dot.png", "image/png", PNG), ("odd.bin", "application/x-odd", b"\0\1\2" * 9)]
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": kind, "buffer": data} for name, kind, data in files]
    )
    expect(page.get_by_role("alert")).to_contain_text("odd.bin is neither a text nor")
    page.evaluate(DROP, ["paste", "notes.md", "text/markdown", "A fence:\n````\nx\n````\n"])
    expect(listed).to_have_count(2)
    page.evaluate(DROP, ["drop", "gone.txt", "text/plain", "gone"])
    expect(listed).to_have_count(3)
    western = FilePayload(name="western.txt", mimeType="text/plain", buffer="“Über” café".encode("cp1252"))
    page.locator("input[type=file]").set_input_files([western])
    expect(listed.last).to_contain_text("western.txt Windows-1252")
    page.get_by_role("button", name="Remove gone.txt").click()
    page.get_by_role("textbox", name="uestion").fill("What is this?")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.hash.startsWith('#run/')")
    (body,) = sent
    notes = "notes.md:\n`````md\nA fence:\n````\nx\n````\n`````"
    assert body["message"] == f"What is this?\n\n{notes}\n\nwestern.txt:\n```txt\n“Über” café\n```"
    assert body["images"] == ["data:image/png;base64," + base64.b64encode(PNG).decode()]
    expect(page.get_by_alt_text("Image 1 of the question")).to_be_visible()
    expect(listed).to_have_count(0)
    expect(column(page, "parrot").locator("pre").first).to_have_text("A fence:\n````\nx\n````")


def say(page: Page, message: str) -> str:
    """Ask what stands in the box now, of whom stands there; return the run's id once it has ended."""
    before = str(page.evaluate("location.hash"))
    box = page.get_by_role("textbox", name="uestion")
    box.fill(message)
    box.press("Enter")
    page.wait_for_function("before => location.hash !== before", arg=before)
    ended(page)
    return str(page.evaluate("location.hash")).removeprefix("#run/")


def said(page: Page) -> Locator:
    return column(page, "rememberer").locator(".prose").last


def test_a_question_is_edited_and_a_done_answer_asked_for_again(page: Page) -> None:
    """Each takes the place of what was asked, which stays beside it."""
    first = ask(page, "rememberer", "essay", message="One?")
    ended(page)
    page.get_by_role("button", name="Edit the question").click()
    expect(page.get_by_role("textbox", name="uestion")).to_have_value("One?")
    expect(page.locator(".anew")).to_be_visible()
    say(page, "Two?")
    expect(said(page)).to_contain_text("before that: nothing")
    expect(page.locator(".column")).to_have_count(2)
    expect(page.locator(".branches")).to_contain_text("2 of 2")
    page.get_by_role("button", name="Ask Rememberer again").click()
    assert chosen(page) == ["rememberer"]
    page.get_by_role("button", name="Follow up instead").click()
    say(page, "Three?")
    expect(said(page)).to_contain_text("before that: Two?")
    page.goto(page.url.split("#")[0] + f"#run/{first}")
    expect(page.locator(".run-question")).to_have_text("One?")
    expect(page.locator(".branches")).to_contain_text("1 of 2")
    page.get_by_role("link", name="The question asked after").press("Enter")
    expect(page.locator(".run-question")).to_have_text("Three?")
    expect(page.get_by_role("link", name="The question asked before")).to_be_focused()


def test_a_question_in_the_middle_of_a_conversation_is_edited_and_each_branch_goes_on(page: Page) -> None:
    """Agents know what led to a question, and nothing of the branches beside it, after a reload, too."""
    ask(page, "rememberer", message="One?")
    ended(page)
    say(page, "Two?")
    old = say(page, "Three?")
    turn = column(page, "rememberer").locator(".turn").nth(1)
    turn.get_by_role("button", name="Edit this question").click()
    expect(page.get_by_role("textbox", name="uestion")).to_have_value("Two?")
    say(page, "Zwei?")
    expect(said(page)).to_contain_text("before that: One?.")
    say(page, "Drei?")
    expect(said(page)).to_contain_text("before that: One?, Zwei?.")
    page.reload()
    expect(turn.locator(".branches")).to_contain_text("2 of 2")
    turn.get_by_role("link", name="The question asked before").click()
    page.wait_for_function("old => location.hash === `#run/${old}`", arg=old)
    expect(page.locator(".run-question")).to_have_text("Three?")
    expect(turn.locator(".branches")).to_contain_text("1 of 2")
    say(page, "Four?")
    expect(said(page)).to_contain_text("before that: One?, Two?, Three?.")
    turn.get_by_role("button", name="Ask Rememberer this again").click()
    say(page, "Two?")
    expect(said(page)).to_contain_text("before that: One?.")
    expect(page.locator(".question-row .branches")).to_contain_text("3 of 3")


def test_who_goes_through_branches_in_a_column_stays_in_it(page: Page) -> None:
    """Each column has the same ways."""
    ask(page, "rememberer", "parrot", "essay", message="One?")
    ended(page)
    say(page, "Two?")
    say(page, "Three?")
    turn = page.locator(".column").last.locator(".turn").nth(1)
    turn.get_by_role("button", name="Edit this question").click()
    say(page, "Zwei?")
    say(page, "Drei?")
    for name, shown in (("before", "1 of 2"), ("after", "2 of 2"), ("before", "1 of 2")):
        turn.get_by_role("link", name=f"The question asked {name}").press("Enter")
        expect(turn.locator(".branches")).to_contain_text(shown)
        expect(turn.locator(".branches a")).to_be_focused()


def test_many_agents_are_found_and_all_or_none_chosen(page: Page) -> None:
    find = page.get_by_label("Find agents")
    find.fill("flood")
    expect(page.locator(".chip")).to_have_count(6)  # five, and Blind
    page.get_by_role("button", name="All", exact=True).click()
    find.fill("")
    assert {f"flood{n}" for n in range(1, 6)} < set(chosen(page))
    page.get_by_role("button", name="None", exact=True).click()
    assert chosen(page) == []
    page.get_by_role("button", name="All", exact=True).click()
    assert len(chosen(page)) == len(VOICES)
    find.press("Enter")
    assert page.evaluate("location.hash") == "", "Enter there asks nothing"


def test_columns_are_moved_by_their_buttons(page: Page) -> None:
    ask(page, "essay", "variant", "toolsmith")
    ended(page)
    order = "columns => columns.map(column => column.dataset.agent)"
    before = page.locator(".column").evaluate_all(order)
    title = column(page, before[2]).get_by_role("heading").first.inner_text()
    move = page.get_by_role("button", name=f"Move {title} to the left")
    move.press("Enter")
    expect(move).to_be_focused()
    page.keyboard.press("Enter")
    assert page.locator(".column").evaluate_all(order) == [before[2], before[0], before[1]]
    expect(move).to_have_count(0)
    heard(page, "is column 1")


def test_the_history_is_searched_filtered_named_and_pinned(page: Page) -> None:
    ids = [ask(page, "silent", message=f"{word}, zebra?") for word in ("Quince", "Medlar")]
    ended(page)
    page.get_by_role("button", name="History").first.click()
    history = page.get_by_role("complementary", name="History")
    entries = history.locator("li a")
    history.get_by_label("Search").fill("ZEBRA")
    expect(entries).to_have_text([re.compile("Medlar"), re.compile("Quince")])
    history.get_by_label("Which runs").select_option("failed")
    expect(history).to_contain_text("No run is like that.")
    history.get_by_label("Which runs").select_option("")
    history.get_by_role("button", name="Pin: Quince").press("Enter")
    expect(history.get_by_role("button", name="Unpin: Quince")).to_be_focused()
    history.get_by_role("button", name="Rename: Quince").press("Enter")
    page.keyboard.type("Sour fruit")
    page.keyboard.press("Enter")
    expect(entries.first).to_be_focused()
    expect(history.get_by_role("list", name="Pinned").locator("a")).to_have_text(re.compile("Sour fruit"))
    page.reload()
    page.get_by_role("button", name="History").first.click()
    expect(entries.first).to_have_attribute("href", f"#run/{ids[0]}")
    history.get_by_label("Search").fill("sour")
    expect(entries).to_have_text([re.compile("Sour fruit")])
    history.get_by_role("button", name="Unpin: Sour fruit").press("Enter")
    expect(history.get_by_role("list", name="Pinned")).to_have_count(0)
    expect(entries).to_have_text([re.compile("Sour fruit")])  # by a name that no server knows
    history.get_by_label("Search").fill("")
    expect(entries.filter(has_text="Sour fruit")).to_have_count(1)


def test_a_recorded_run_shows_what_the_page_can_and_asks_nobody(page: Page) -> None:
    """It is played from its first event on, says what it is, and cannot be steered or followed up."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/runs" in request.url else None)
    page.get_by_role("link", name="Watch a recorded run").click()
    expect(page.locator(".recorded")).to_contain_text("A recorded run.")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator(".column")).to_have_count(3)
    expect(page.locator(".panel-card .panel-state")).to_contain_text("Summed up")
    expect(page.get_by_role("textbox", name="Question", exact=True)).to_be_visible()
    for name in ("Sum up", "Add agent", "Stop", "Ask Skeptic again", "Edit the question"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.get_by_role("link", name="Ask your own").click()
    expect(page.locator(".welcome")).to_be_visible()
    assert asked == []
