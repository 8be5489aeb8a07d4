"""Covers `orchestrator/server/http/guards/proxies.py`: whose address a request comes from."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from orchestrator.errors import ConfigError
from orchestrator.server.http.guards.proxies import MAX_HOPS, TrustedProxies

PROXY = "10.0.0.1"


def client_of(networks: tuple[str, ...], remote: str, *forwarded: str) -> str:
    headers = CIMultiDict([("X-Forwarded-For", line) for line in forwarded])
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    return TrustedProxies(networks).client_of(request)


@pytest.mark.parametrize(
    ("networks", "remote", "forwarded", "expected"),
    [
        ((), PROXY, ("203.0.113.9",), PROXY),
        (("10.0.0.0/8",), PROXY, ("203.0.113.9",), "203.0.113.9"),
        (("10.0.0.0/8",), PROXY, (), PROXY),
        (("10.0.0.0/8",), "198.51.100.7", ("203.0.113.9",), "198.51.100.7"),
        (("10.0.0.0/8",), PROXY, ("6.6.6.6, 203.0.113.9, 10.0.0.2",), "203.0.113.9"),
        (("10.0.0.0/8",), PROXY, ("6.6.6.6", "203.0.113.9"), "203.0.113.9"),
        (("10.0.0.0/8",), PROXY, ("203.0.113.9, oops",), PROXY),
        (("10.0.0.0/8",), PROXY, ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        (("::1",), "::1", ("[2001:db8::7]",), "2001:db8::7"),
        (("127.0.0.1",), "::ffff:127.0.0.1", ("203.0.113.9",), "203.0.113.9"),
    ],
)
def test_the_nearest_address_that_is_no_trusted_proxys_is_the_clients(
    networks: tuple[str, ...], remote: str, forwarded: tuple[str, ...], expected: str
) -> None:
    """What stands further left, the client itself may have written."""
    assert client_of(networks, remote, *forwarded) == expected


def test_a_header_without_end_costs_a_bounded_look() -> None:
    hops = ", ".join([*["203.0.113.9"], *[PROXY] * (MAX_HOPS + 1)])
    assert client_of(("10.0.0.0/8",), PROXY, hops) == PROXY


def test_what_is_no_network_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="'everyone'") as caught:
        TrustedProxies(("10.0.0.0/8", "everyone"))
    assert caught.value.problems[0].key == "--trusted-proxy"
