"""Covers the page's blind mode: before the vote nothing that reaches the browser tells who is who."""

from __future__ import annotations

import re
import urllib.request

from playwright.sync_api import Page, expect

from .desk import choose, ended

SECRETS = ("essay", "failing", "function", "The model refused", "ttft_ms")
KEEP_BODIES = """
    window.bodies = [];
    const original = window.fetch;
    window.fetch = async (url, options) => {
        const answer = await original(url, options);
        if (!/\\/v1\\/(runs|channels)/.test(String(url)) || answer.body === null) return answer;
        const [reader, at] = [answer.clone().body.getReader(), window.bodies.push('') - 1];
        const decoder = new TextDecoder();
        const read = async () => {
            for (let part = await reader.read(); !part.done; part = await reader.read()) {
                window.bodies[at] += decoder.decode(part.value, { stream: true });
            }
        };
        read().catch(() => {});  // the page leaves a stream that it has read to the end
        return answer;
    };
"""
"""Keeps what the page reads of runs; Playwright loses the body of a stream that is left."""


def ask_blindly(page: Page, *agents: str) -> str:
    choose(page, *agents)
    page.get_by_role("checkbox", name="Blind").check(force=True)
    page.get_by_label("Question", exact=True).fill("Who is it?")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile("#run/"))
    return page.url.partition("#run/")[2]


def told(texts: list[str]) -> list[str]:
    return [
        secret for secret in SECRETS for text in texts if re.search(rf"\b{secret}\b", text, re.IGNORECASE)
    ]


def test_before_the_vote_nothing_tells_who_is_who(page: Page, server: str) -> None:
    """Not what the page draws, nor any answer of the server about the run: start, snapshot, events, list."""
    page.add_init_script(KEEP_BODIES)
    page.reload()
    run_id = ask_blindly(page, "essay", "failing")
    ended(page)
    bodies = page.evaluate("window.bodies")
    page.reload()
    ended(page)
    bodies += [body for body in page.evaluate("window.bodies") if run_id in body]
    # What the tabs' common worker reads, Playwright does not see.
    for path in (f"/v1/runs/{run_id}", f"/v1/runs/{run_id}/events"):
        with urllib.request.urlopen(server + path) as answer:
            bodies.append(answer.read().decode())
    assert len(bodies) >= 5, "start, snapshots, events"
    assert all("agent-1" in body for body in bodies[-2:])
    assert told(bodies) == []
    assert told([page.locator(".run").evaluate("run => run.outerHTML")]) == []
    expect(page.locator(".column h2")).to_have_text(["Agent 1", "Agent 2"])
    page.get_by_role("button", name="Vote for Agent 2").click()
    for _ in range(2):
        names = page.locator(".column h2")
        expect(names.filter(has_text="Essay")).to_have_count(1)
        expect(names.filter(has_text="Failing")).to_have_count(1)
        numbers = page.locator(".column", has=page.get_by_role("heading", name="Essay", exact=True))
        expect(numbers.locator(".figures")).to_contain_text(re.compile(r"Tokens of output\s*210"))
        expect(page.locator(".model").first).to_contain_text("function")
        page.reload()


def test_a_blind_run_and_a_panel_exclude_each_other(page: Page) -> None:
    panel, blind = page.get_by_label("Panel", exact=True), page.get_by_role("checkbox", name="Blind")
    blind.check(force=True)
    panel.select_option("method:vote")
    expect(blind).to_be_disabled()
    expect(blind).not_to_be_checked()
    panel.select_option("")
    expect(blind).to_be_enabled()
    ask_blindly(page, "essay", "variant")
    ended(page)
    page.get_by_role("button", name="Vote for Agent 1").click()
    expect(page.locator(".column h2").filter(has_text="Essay")).to_have_count(1)
    expect(page.get_by_role("button", name="Sum up")).to_have_count(0)
