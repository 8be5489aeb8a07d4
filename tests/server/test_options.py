"""Covers `orchestrator/server/options.py`: bounds on requests, as they are out of the box."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.errors import InvalidRequest
from orchestrator.server.app import create_app
from orchestrator.server.app_keys import OPTIONS
from orchestrator.server.http.problem import ProblemError
from orchestrator.server.http.requests import parse_start
from orchestrator.server.options import ServerOptions
from tests.support.spine import ScriptedRegistry


async def unused(request: object) -> None:
    """Stand for an agent that nobody asks."""


def test_what_the_protocol_promises_is_the_default() -> None:
    options = ServerOptions()
    assert (options.max_message_chars, options.max_agents_per_run) == (100_000, 32)
    assert options.max_body_bytes >= options.max_message_chars * 4, (
        "a message of its limit fits in any alphabet"
    )


def test_no_two_applications_share_what_is_bounded() -> None:
    assert ServerOptions() == ServerOptions()
    with pytest.raises(dataclasses.FrozenInstanceError):
        ServerOptions().max_images = 1  # type: ignore[misc]


def test_an_application_keeps_its_own_bounds() -> None:
    options = ServerOptions(max_message_chars=5)
    assert create_app(agents={}, options=options)[OPTIONS] is options


def test_the_bounds_decide_what_is_refused() -> None:
    registry = ScriptedRegistry(dict.fromkeys("ab", unused))  # type: ignore[misc]
    bounds = ServerOptions(max_message_chars=5, max_agents_per_run=1)
    assert (
        parse_start({"message": "12345", "agents": ["a"]}, registry=registry, limits=bounds).message
        == "12345"
    )
    with pytest.raises(ProblemError, match="at most 5"):
        parse_start({"message": "123456", "agents": ["a"]}, registry=registry, limits=bounds)
    with pytest.raises(InvalidRequest):
        parse_start({"message": "1", "agents": ["a", "b"]}, registry=registry, limits=bounds)
