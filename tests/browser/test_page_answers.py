"""Covers how answers are drawn: an odd one harms no other, a long one does not freeze the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .desk import ask, column, ended

ODD = {
    "quotes without end": ">" * 2_000,
    "crossed emphasis": "*a **b " * 2_300,
    "quotes and items in each other": "> - " * 1_500,
    "numbers in numbers": "1. " * 2_000,
    "stars around a word": "*" * 3_000 + "a" + "*" * 3_000,
    "lists in lists": "\n".join(f"{'  ' * n}- x" for n in range(300)),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_answer_is_drawn_and_the_others_and_the_next_run_are_too(page: Page, name: str) -> None:
    ask(page, "parrot", "essay", message=f"{ODD[name]}\n\nthe end")
    ended(page)
    expect(column(page, "parrot").locator(".prose")).to_contain_text("the end")
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
