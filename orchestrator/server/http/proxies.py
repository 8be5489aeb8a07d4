"""Whose address a request comes from, if a proxy stands before us. Believes only proxies that the operator names."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from aiohttp import web

from ...errors import ConfigError, ConfigProblem
from .origin import parse_address

CLIENT = web.RequestKey("client", str)
"""The client's address as far as it is known; for the access log."""

MAX_HOPS = 32


class TrustedProxies:
    """Networks whose `X-Forwarded-For` is believed.

    Raises:
        ConfigError: One is no network.
    """

    def __init__(self, networks: tuple[str, ...] = ()) -> None:
        self._networks = [_network(text) for text in networks]

    def client_of(self, request: web.BaseRequest) -> str:
        """Return the nearest address that is no trusted proxy's: what stands further left, anybody may have written."""
        nearest = request.remote or ""
        if not self._networks or not self._trusts(nearest):
            return nearest
        hops = [hop for line in request.headers.getall("X-Forwarded-For", []) for hop in line.split(",")]
        for hop in reversed(hops[-MAX_HOPS:]):
            address = parse_address(hop.strip().strip("[]"))
            if address is None:
                break
            nearest = str(address)
            if not self._trusts(nearest):
                break
        return nearest

    def _trusts(self, text: str) -> bool:
        address = parse_address(text)
        return address is not None and any(address in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as exc:
        message = f"{text!r} is no network; write an address or address/bits"
        raise ConfigError([ConfigProblem("orchestrator serve", None, "--trusted-proxy", message)]) from exc
