"""Covers asking on the page: what Enter does, what is too long, whom a follow-up asks, what waits for a person."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import NewPage
from .desk import ask, choose, column, ended, heard, state
from .test_page_safety import AXE, violations


def box(page: Page) -> None:
    page.get_by_role("textbox", name="uestion").focus()


def test_enter_asks_and_shift_enter_breaks_the_line(page: Page) -> None:
    choose(page, "parrot")
    box(page)
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    ended(page)
    assert page.locator(".run-question").inner_text() == "one\ntwo"


@pytest.mark.parametrize("composing", ["isComposing: true", "keyCode: 229"])
def test_enter_that_takes_a_sign_asks_nothing(page: Page, composing: str) -> None:
    """Japanese and Chinese are written so."""
    choose(page, "parrot")
    box(page)
    page.keyboard.type("にほん")
    page.evaluate(
        f"""document.activeElement.dispatchEvent(
            new KeyboardEvent('keydown', {{ key: 'Enter', bubbles: true, cancelable: true, {composing} }}))"""
    )
    assert page.evaluate("location.hash") == ""
    expect(page.get_by_role("textbox", name="uestion")).to_have_value("にほん")


def test_enter_and_single_keys_can_be_switched_off(page: Page) -> None:
    """WCAG 2.1.4: who speaks to the computer presses such a key with every word."""
    page.keyboard.press("?")
    for setting in ("Enter asks", "Keys without Ctrl"):
        page.get_by_label(setting).uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    choose(page, "parrot", "essay")
    box(page)
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="uestion")).to_have_value("one\n")
    page.reload()
    ask(page, "parrot", "essay")
    ended(page)
    page.evaluate("document.activeElement.blur()")
    for key in ("2", "m", "/"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement === document.body")


@pytest.mark.parametrize("sign", ["x", "ü", "🎉"])
def test_a_question_that_is_too_long_is_kept_and_refused_with_words(page: Page, sign: str) -> None:
    choose(page, "parrot")
    text = sign * 100_003
    page.get_by_role("textbox", name="uestion").fill(text)
    expect(page.locator(".busy")).to_contain_text("3 more than can be asked")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_disabled()
    assert page.get_by_role("textbox", name="uestion").input_value() == text


def chosen(page: Page) -> list[str]:
    values: list[str] = page.locator(".chips input:checked").evaluate_all(
        "boxes => boxes.map(box => box.value)"
    )
    return sorted(values)


def test_a_follow_up_asks_the_agents_on_the_screen(page: Page) -> None:
    """Today's choice in this browser is another: by the history, after another question, by an address."""
    first = ask(page, "essay", "rememberer", message="The first")
    ended(page)
    page.get_by_role("link", name="New").click()
    ask(page, "parrot", message="The second")
    ended(page)
    page.goto(page.url.partition("#")[0] + f"#run/{first}")
    state(page, "essay", "done")
    expect(page.locator(".chips input[value=essay]")).to_be_checked()
    assert chosen(page) == ["essay", "rememberer"]
    page.reload()
    state(page, "essay", "done")
    expect(page.locator(".chips input[value=essay]")).to_be_checked()
    assert chosen(page) == ["essay", "rememberer"]
    box(page)
    page.keyboard.type("And then?")
    page.keyboard.press("Enter")
    expect(page.locator(".run-question")).to_have_text("And then?")
    ended(page)
    expect(column(page, "rememberer")).to_contain_text("before that: The first")


def test_a_follow_up_asks_the_panel_on_the_screen(page: Page) -> None:
    choose(page, "essay", "variant")
    page.get_by_label("Panel", exact=True).select_option("method:judge")
    page.get_by_label("Last word", exact=True).select_option("rememberer")
    first = ask(page, "essay", "variant")
    ended(page)
    page.get_by_role("link", name="New").click()
    page.get_by_label("Panel", exact=True).select_option("")
    ask(page, "parrot")
    ended(page)
    page.goto(page.url.partition("#")[0] + f"#run/{first}")
    expect(page.locator(".panel-card")).to_be_visible()
    expect(page.get_by_label("Panel", exact=True)).to_have_value("method:judge")
    expect(page.get_by_label("Last word", exact=True)).to_have_value("rememberer")
    assert chosen(page) == ["essay", "variant"]


def test_an_agent_that_waits_for_a_person_says_so_everywhere(new_page: NewPage) -> None:
    """In its column, in the tab's title, in the polite region, and, if that is wished, by a notification."""
    page = new_page(permissions=["notifications"])
    page.evaluate(
        """() => {
            window.notes = [];
            window.Notification = class { constructor(title) { window.notes.push(title); } };
            window.Notification.requestPermission = async () => 'granted';
            Object.defineProperty(document, 'hidden', { get: () => true });
        }"""
    )
    page.keyboard.press("?")
    page.get_by_label("A notification").check()
    page.get_by_role("button", name="Close").click()
    ask(page, "careful", "wary", "essay")
    names = {"careful": "Careful", "wary": "Wary"}
    for agent, name in names.items():
        expect(column(page, agent).locator(".title-row .state")).to_contain_text("waits for you")
        heard(page, f"{name} waits for you")
    expect(page).to_have_title(re.compile("^✋ "))
    assert sorted(page.evaluate("window.notes")) == ["Careful waits for you", "Wary waits for you"]
    column(page, "careful").get_by_role("button", name="Allow").click()
    state(page, "careful", "done")
    page.reload()  # somebody still waits, and who comes back is told
    expect(column(page, "wary").locator(".title-row .state")).to_contain_text("waits for you")
    expect(page).to_have_title(re.compile("^✋ "))
    column(page, "wary").get_by_role("button", name="Refuse").click()
    ended(page)
    expect(page).to_have_title(re.compile("^[^✋]"))


EASTERN = {
    "これは**「重要」**です": ("strong", "「重要」"),
    "请看**注意：**这里": ("strong", "注意："),
    "그것은 *（참고）*입니다": ("em", "（참고）"),
    "그것은 **강조(强调)**입니다": ("strong", "강조(强调)"),
    "성공률은 **100%**다": ("strong", "100%"),
    "これは**`code`**だ": ("strong", "code"),
    "一つは*（a **b** c）*だ": ("em", "（a b c）"),
    "彼は~~「削除」~~した": ("del", "「削除」"),
}
FORMULAS = {
    r"the root \(\frac{-b \pm \sqrt{d}}{2a}\) is": "mfrac msqrt",
    "\\[\n\\int_0^1 x_1 * y_1 * z\\,dx\n+ 1\n- 2\n\\]": "msubsup, mo",  # over lines that would begin lists
    "$$\na_1 \\\\ b_2\n= 3\n$$": "msub",
    "so $E = mc^2$, as *he* said": "msup",
    "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}": "mtable mtd",
    "| a |\n| - |\n| $x^2$ |": "td math msup",
    r"So \begin{aligned} a &= b \\ c &= d \end{aligned} holds": "p math mtable",
    "> 근은\n> \\[x = \\frac{-b}{2a}\\] 이다": "blockquote math mfrac",
}
AS_WRITTEN = {
    "it costs $5 and $6": "it costs $5 and $6",
    "$$ is what they want": "$$ is what they want",
    r"\(\href{javascript:alert(1)}{x}\)": r"\(\href{javascript:alert(1)}{x}\)",
    r"\(\frac{1\)": r"\(\frac{1\)",  # no formula
    "`$x^2$` and \\$y^2\\$": "$x^2$ and $y^2$",
    "| a | b |\n| - | - |\n| 1 | 2 | beyond the head |\n| 3 |": "2 | beyond the head",
}


def test_eastern_emphasis_and_formulas_are_drawn_as_they_are_meant(page: Page) -> None:
    """What reads TeX is fetched with the first formula. Neither sums of money nor what cannot be read are formulas."""
    said = "\n\n---\n\n".join([*EASTERN, *FORMULAS, *AS_WRITTEN])
    ask(page, "parrot", message=said)
    ended(page)
    prose = column(page, "parrot").locator(".prose")
    expect(prose.locator("math")).to_have_count(len(FORMULAS))
    for selector, shown in EASTERN.values():
        expect(prose.locator(selector).filter(has_text=shown)).to_have_text(shown)
    for selector in FORMULAS.values():
        expect(
            prose.locator(f"math {selector}" if "math" not in selector else selector).first
        ).to_be_attached()
    expect(prose.locator("math[display=block]")).to_have_count(5)
    for shown in AS_WRITTEN.values():
        expect(prose).to_contain_text(shown)
    expect(prose.locator("ul, ol, h1, h2, h3, [href]")).to_have_count(0)


def test_on_paper_everything_is_there(page: Page) -> None:
    """What is folded or hidden, tables and formulas wider than paper, and all of it in dark ink."""
    wide = "+".join(f"x_{{{n}}}" for n in range(40))
    agents = ("essay", "toolsmith", "polyglot", "parrot")
    ask(page, *agents, message=f"$${wide}$$\n\n" + "A long question. " * 30)
    ended(page)
    expect(column(page, "parrot").locator("math")).to_be_attached()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.get_by_role("button", name="Maximise Essay").click()
    page.set_viewport_size({"width": 700, "height": 900})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for agent in agents:
        expect(column(page, agent)).to_be_visible()
        whole = """e => getComputedStyle(e).overflowY === 'visible' && e.clientHeight > 0 &&
            e.querySelector('.content').getBoundingClientRect().bottom <= e.getBoundingClientRect().bottom + 1"""
        assert column(page, agent).locator(".body").evaluate(whole), agent
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML)"
    assert page.locator(".body, .prose .table, .formula math").evaluate_all(cut) == []
    expect(column(page, "toolsmith")).to_contain_text("There is no page 4.")
    expect(page.locator(".composer")).to_be_hidden()
    question = page.locator(".run-question")
    assert question.evaluate("e => e.scrollHeight <= e.clientHeight + 1")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("math[style*=zoom]").count() == 0


def test_an_address_says_whom_to_ask_what_and_how(new_page: NewPage) -> None:
    page = new_page("/?agents=essay,variant,nobody&panel=judge&q=Grow%20or%20not%3F")
    expect(page.get_by_role("textbox", name="uestion")).to_have_value("Grow or not?")
    expect(page.get_by_label("Panel", exact=True)).to_have_value("method:judge")
    assert chosen(page) == ["essay", "variant"]
    expect(page.get_by_role("alert")).to_contain_text("nobody")
    assert page.evaluate("location.hash") == "", "nothing is asked before the user does"
    for unknown in ("nosuch", "method:nosuch", "Judges"):
        page.goto(page.url.split("?")[0] + f"?panel={unknown}&q=Well%3F")
        expect(page.get_by_role("alert")).to_contain_text(unknown)


def test_who_lacks_a_key_is_shown_with_its_name_and_cannot_be_chosen(page: Page) -> None:
    def with_one_left_out(route: Route) -> None:
        lacking = {"agent_id": "paid", "reason": "PAID_KEY is not set"}
        route.fulfill(json={**route.fetch().json(), "left_out": [lacking]})

    page.route("**/v1/agents", with_one_left_out)
    page.reload()
    expect(page.locator(".chip.left-out")).to_have_text("paid: PAID_KEY is not set")
    expect(page.locator(".chip.left-out input")).to_have_count(0)


def test_a_column_is_copied_with_other_settings_and_the_scores_say_who_won(page: Page) -> None:
    def with_keys(route: Route) -> None:
        listed = route.fetch().json()
        for agent in listed["agents"]:
            agent["variants"] = [{"key": "seed", "type": "integer", "choices": []}]
        route.fulfill(json=listed)

    page.route("**/v1/agents", with_keys)
    page.reload()
    ask(page, "parrot", message="Copy me?")
    ended(page)
    column(page, "parrot").get_by_role("button", name="with other settings").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_label("Name")).to_have_value("parrot-2")
    form.get_by_role("button", name="Ask with these").click()
    assert chosen(page) == ["parrot", "parrot-2"]
    page.get_by_role("button", name="Ask", exact=True).click()
    state(page, "parrot-2", "done")
    state(page, "parrot", "done")
    with page.expect_response("**/vote") as voted:
        column(page, "parrot-2").get_by_role("button", name="Vote for").click()
    assert voted.value.ok
    page.goto(page.url.split("#")[0] + "#scores")
    page.get_by_label("Questions with").fill("copy me")
    row = page.locator(".score-page tbody tr").filter(has_text="parrot-2")
    expect(row.locator("td").nth(1)).to_have_text("1")
    expect(page.locator(".score-page .plot circle")).to_have_count(2)
    page.evaluate(AXE.read_text())
    assert violations(page) == []
