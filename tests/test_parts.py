"""What a test needs and does not find: a skip with a reason, and under CI a failure."""

from __future__ import annotations

import pytest
from _pytest.outcomes import Failed, Skipped

from tests.support import parts


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parts.DEBIAN, "no-such-program", ("/nowhere/no-such-program", "its-package"))


@pytest.mark.parametrize("ci", ["", "false"])
def test_a_missing_program_skips_the_test_and_says_how_to_get_it(
    ci: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(Skipped, match="apt-get install its-package"):
        parts.require("no-such-program")


def test_a_missing_program_fails_the_test_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Failed, match="apt-get install its-package"):
        parts.require("no-such-program")


def test_a_program_is_found_where_debian_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every PATH has /usr/sbin."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(parts.DEBIAN, "no-such-program", ("/bin/sh", "its-package"))
    assert parts.require("no-such-program") == "/bin/sh"
