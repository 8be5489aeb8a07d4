"""What an A2A agent's card says of where the agent is reached."""

from __future__ import annotations

import pytest

from orchestrator.backends.a2a.card import reached_at


@pytest.mark.parametrize(
    ("named", "url", "reached"),
    [
        ("http://0.0.0.0:9999/rpc", "http://agent.example:9999", "http://agent.example:9999/rpc"),
        ("http://[::]:9999", "http://127.0.0.1:9999/x.json", "http://127.0.0.1:9999"),
        ("http://0.0.0.0:9999", "http://[::1]:9999", "http://[::1]:9999"),
        ("http://elsewhere:9999/rpc?a=%2F", "http://agent.example", "http://elsewhere:9999/rpc?a=%2F"),
        ("http://[", "http://agent.example", "http://["),
        ("nothing", "http://agent.example", "nothing"),
    ],
)
def test_every_address_of_a_machine_is_the_one_by_which_it_is_reached(
    named: str, url: str, reached: str
) -> None:
    """Samples of A2A's own SDK put the address that they listen at into their card."""
    assert reached_at(named, url).rstrip("/") == reached
