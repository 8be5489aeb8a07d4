"""Covers `orchestrator/backends/framework_errors.py`: what a framework's agent raised, in the protocol's words."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.backends.framework_errors import MAX_CAUSES, framework_error
from orchestrator.errors import AgentError


class Refused(Exception):
    """What clients of providers raise: the status on it, or on its response."""

    def __init__(self, **about: Any) -> None:
        super().__init__("the provider's own words, with a key")
        vars(self).update(about)


def raised_from(exc: BaseException, cause: BaseException) -> BaseException:
    exc.__cause__ = cause
    return exc


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (Refused(status_code=401), "upstream_auth"), (Refused(status=429), "upstream_rate_limited"),
        (Refused(response=SimpleNamespace(status_code=400)), "upstream_rejected"),
        (Refused(status_code=503), "upstream_unavailable"), (ConnectionResetError(), "upstream_unavailable"),
        (TimeoutError(), "upstream_unavailable"), (asyncio.IncompleteReadError(b"", 3), "upstream_unavailable"),
        (raised_from(RuntimeError("node failed"), Refused(status_code=401)), "upstream_auth"),
        (ExceptionGroup("nodes", [ValueError(), Refused(status_code=429)]), "upstream_rate_limited"),
        (raised_from(KeyError("x"), AgentError("guardrail", "No.")), "guardrail"),
    ],
)  # fmt: skip
def test_what_an_upstream_did_has_its_code_and_none_of_its_words(exc: BaseException, code: str) -> None:
    found = framework_error(exc)
    assert found is not None
    assert found.code == code
    assert "key" not in found.message


@pytest.mark.parametrize(
    "exc", [ValueError("x"), Refused(status_code=True), Refused(status=200), Refused(status_code="401")]
)
def test_a_fault_of_the_agents_own_is_none_of_an_upstream(exc: Exception) -> None:
    assert framework_error(exc) is None


def test_how_long_a_server_asks_to_wait_is_handed_on() -> None:
    response = SimpleNamespace(status_code=429, headers={"Retry-After": "7", "retry-after": "7"})
    found = framework_error(Refused(response=response))
    assert found is not None
    assert found.retry_after == 7


def test_a_lost_connection_is_known_by_its_librarys_class() -> None:
    lost = type("ReadTimeout", (Exception,), {"__module__": "httpx._exceptions"})
    own = type("ReadTimeout", (Exception,), {"__module__": "my_app"})
    found = framework_error(lost())
    assert found is not None
    assert found.code == "upstream_unavailable"
    assert framework_error(own()) is None


def test_causes_in_a_circle_or_without_an_end_are_followed_for_a_while() -> None:
    one, two = RuntimeError("1"), RuntimeError("2")
    one.__cause__, two.__cause__ = two, one
    assert framework_error(one) is None
    chain: BaseException = Refused(status_code=401)
    for _ in range(MAX_CAUSES):
        chain = raised_from(RuntimeError(), chain)
    assert framework_error(chain) is None
