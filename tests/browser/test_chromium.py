"""Covers the browser that the page's tests share: each is given the same one, and another when that has crashed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Error


def test_the_browser_is_shared_until_it_crashes(chromium: Callable[[], Browser]) -> None:
    first = chromium()
    assert chromium() is first
    with pytest.raises(Error, match="closed"):
        first.new_browser_cdp_session().send("Browser.crash")
    second = chromium()
    assert second is not first
    assert second.is_connected()
    second.new_context().close()
