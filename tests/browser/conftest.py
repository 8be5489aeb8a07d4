"""What the page's tests share: Debian's browser, the real server with the agents of `voices.py`, a page on it.

Playwright's own pytest plugin is not used: it would ask for its own browsers. Everything a page says on its
console, and every error in it, fails the test: a policy violation shows there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.parts import chromium_options, firefox_options
from tests.support.patience import PATIENCE_MS
from tests.support.served import orchestrator

from .desk import KEEP_HEARD
from .voices import write_config

VOICES = (
    "essay", "variant", "talker", "talker:second", "failing", "toolsmith", "careful", "careful:wary", "rememberer",
    "attacker", "polyglot", "silent", "parrot", "murmurer", "murmurer:lister",
    "murmurer:quoter", "murmurer:titler", "worker",
    "flood:flood1", "flood:flood2", "flood:flood3", "flood:flood4", "flood:flood5",
)  # fmt: skip
DEFAULT = ("essay", "toolsmith", "rememberer")

FIREFOX = bool(os.environ.get("TEST_FIREFOX"))
"""Whether the tests of this folder run in Firefox: some ask what only Chromium tells, and fail there."""

NewPage = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Browser]]:
    """Give Debian's Chromium, or with `TEST_FIREFOX` its Firefox.

    It is the same as before unless that has gone: one crash fails one test.

    It is not kept for longer: while Playwright's loop stands, no test may run one of its own. So no test of this
    folder is a coroutine.
    """
    options = firefox_options(tmp_path_factory.mktemp("firefox")) if FIREFOX else chromium_options()
    expect.set_options(timeout=PATIENCE_MS)
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        launched: list[Browser] = []

        def running() -> Browser:
            if not launched or not launched[-1].is_connected():
                kind = playwright.firefox if FIREFOX else playwright.chromium
                launched.append(kind.launch(**options))
                stack.callback(launched[-1].close)
            return launched[-1]

        yield running


@pytest.fixture
def browser(chromium: Callable[[], Browser]) -> Browser:
    return chromium()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that all tests share: each test looks only at runs of its own."""
    folder = write_config(tmp_path_factory.mktemp("page") / "agents", *VOICES, default=DEFAULT)
    with orchestrator("--config", str(folder)) as address:
        yield address


@pytest.fixture
def new_page(browser: Browser, server: str) -> Iterator[NewPage]:
    """Make pages, each in a context of its own unless told another; their complaints fail the test."""
    complaints: list[str] = []
    with ExitStack() as stack:

        def make(
            path: str = "/",
            *,
            url: str | None = None,
            context: BrowserContext | None = None,
            may_complain: bool = False,
            **options: Any,
        ) -> Page:
            if context is None:
                options = {"viewport": {"width": 1280, "height": 800}, "accept_downloads": True} | options
                context = browser.new_context(**options)
                stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.add_init_script(KEEP_HEARD)
            if not may_complain:
                listen(page)
            page.goto((url or server) + path)
            return page

        def listen(page: Page) -> None:
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))

        yield make
    assert [c for c in complaints if not _expected(c)] == []


def _expected(complaint: str) -> bool:
    """Whether the browser itself wrote a line for an answer that the test provokes."""
    return "Failed to load resource" in complaint


@pytest.fixture
def page(new_page: NewPage) -> Page:
    return new_page()
