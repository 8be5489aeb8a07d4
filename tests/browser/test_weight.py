"""Covers what a visit to the page costs: all that a browser fetches, as it goes over the wire."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from playwright.sync_api import Page, expect

from .conftest import NewPage
from .desk import ask, column, ended
from .relay import noting

WEB = Path(__file__).parents[2] / "orchestrator" / "web"
BUDGET_BYTES = 90_000


def weight(address: str, path: str) -> int:
    """Return how many bytes the server sends for a path to whom takes gzip."""
    asked = urllib.request.Request(address + path, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        return len(answer.read())


def files(paths: list[str]) -> list[str]:
    return [path for path in paths if path == "/" or path.startswith("/web/")]


def an_ordinary_visit(page: Page) -> None:
    """Ask, see Markdown with code come, read it in its colours."""
    ask(page, "essay", "toolsmith")
    ended(page)
    expect(column(page, "essay").locator(".hljs-keyword").first).to_be_attached()


def test_a_first_visit_fetches_less_than_90_kb(new_page: NewPage, server: str) -> None:
    with noting(server) as (address, noted):
        page = new_page(url=address)
        an_ordinary_visit(page)
        fetched = files(noted.fetched)
        assert any("shared-worker" in path for path in fetched), "the worker is counted too"
        assert len(fetched) == len(set(fetched)), "nothing is fetched twice"
        again = files(noted.asked_whether_new)
        # The worker shares a file with the page, and a browser looks after the icon when it pleases.
        assert set(again) <= {"/web/bundle/shared.js", "/web/bundle/icon.svg"}
        weights = {path: weight(server, path) for path in fetched}
        page.close()
    everything = sum(weight(server, f"/web/bundle/{file.name}") for file in (WEB / "bundle").iterdir())
    print(*(f"{bytes_:>7} {path}" for path, bytes_ in weights.items()), sep="\n")
    print(f"{sum(weights.values())} bytes in {len(fetched)} files; the whole bundle has {everything}")
    assert sum(weights.values()) < BUDGET_BYTES, weights
    assert len(fetched) <= 8, fetched


def test_a_second_visit_asks_only_whether_the_page_is_new(new_page: NewPage, server: str) -> None:
    with noting(server) as (address, noted):
        page = new_page(url=address)
        an_ordinary_visit(page)
        for _ in range(2):  # the first to open a run, which the visit did not
            noted.fetched.clear()
            noted.asked_whether_new.clear()
            page.reload()
            expect(column(page, "essay").locator(".hljs-keyword").first).to_be_attached()
        page.close()
        fetched, again = files(noted.fetched), files(noted.asked_whether_new)
    assert fetched == [], "the browser has it all"
    assert {"/", "/web/bundle/page.js", "/web/bundle/page.css"} <= set(again)
    assert len(again) <= 10, again


def test_the_minified_style_is_the_style(page: Page) -> None:
    """Rule for rule, as the browser reads them; only in custom properties it keeps the spaces."""
    rules = """text => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
      return [...sheet.cssRules].map(rule => rule.cssText.replace(/, /g, ','));
    }"""
    source = "\n".join((WEB / "page" / name).read_text() for name in ("page.css", "prose.css"))
    bundled = WEB / "bundle" / "page.css"
    expected = page.evaluate(rules, source)
    assert len(expected) > 100
    assert page.evaluate(rules, bundled.read_text()) == expected
