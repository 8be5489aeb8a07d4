"""A long task with a bar: on the page, in both clients and in the terminal, also for who comes back in the middle."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playwright.sync_api import Locator, Page, expect

from orchestrator.client import SyncClient
from tests.support.commands import orchestrate
from tests.support.patience import PATIENCE_SECONDS

from .conftest import NewPage
from .desk import ask, column

BAR = {"label": "Counting", "step": 3, "steps": 8}
"""Where the worker of `voices.py` stops to wait."""


def bar(page: Page) -> Locator:
    """Return the page's bar, which its JavaScript client has folded, once it is where it stops."""
    found = column(page, "worker").locator(".progress")
    expect(found).to_have_text("Counting 3 of 8")
    assert found.locator("progress").get_attribute("value") == "0.375"
    return found


def bars_of_client(server: str, run_id: str) -> list[Any]:
    """Return the bar of a client that has followed from the start, and of one that comes back after the second step."""
    with SyncClient(server) as client:
        whole, cursor = client.attach(run_id), None
        for event in whole:
            if event.type == "progress" and event.data["step"] == 2:
                cursor = event.id
            if event.type == "progress" and event.data["step"] == 3:
                break
        late = client.attach(run_id, cursor)
        next(event for event in late if event.type == "progress")
        return [bar for run in (whole, late) for bar in run.view.agent("worker").content.progress]


def test_whoever_comes_back_in_the_middle_sees_the_same_bar(new_page: NewPage, server: str) -> None:
    page = new_page()
    run_id = ask(page, "worker")
    bar(page)
    page.reload()
    bar(page)
    bar(new_page(f"/#run/{run_id}"))
    with ThreadPoolExecutor(1) as beside:  # Playwright's loop runs in this thread
        seen = beside.submit(bars_of_client, server, run_id).result(PATIENCE_SECONDS)
    assert [{key: each[key] for key in BAR} for each in seen] == [BAR, BAR]
    page.get_by_role("button", name="Stop all").click()
    expect(page.locator(".summary:not([data-status=running])")).to_be_attached()
    told = orchestrate("tail", run_id, "--server", server)
    (line,) = [line for line in told.stdout.splitlines() if "3/8" in line]
    assert "[progress] ████" in line
    assert "Counting" in line
