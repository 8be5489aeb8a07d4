"""What a proxy before us says of a request: whose it is, and how its address began outside.

Believes only proxies that the operator names.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from aiohttp import web

from ....errors import ConfigError, ConfigProblem
from .origin import parse_address

CLIENT = web.RequestKey("client", str)
"""The client's address as far as it is known; for the access log."""

ROOT = web.RequestKey("root", str)
"""What the addresses that we give out begin with: the path under which a proxy shows the service, or empty."""

SCHEME = web.RequestKey("scheme", str)
"""`https` if the client speaks TLS, to us or to a proxy."""

MAX_HOPS = 32
UNIX = "unix"
"""Stands, among trusted proxies, for whoever comes over a Unix socket."""

_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9_.~-]+)+", re.ASCII)


def outside(request: web.BaseRequest, path: str) -> str:
    """Return *path* as the client has to ask for it."""
    return f"{request.get(ROOT, '')}{path}"


class TrustedProxies:
    """Networks whose `X-Forwarded-For` is believed.

    Raises:
        ConfigError: One is no network.
    """

    def __init__(self, networks: tuple[str, ...] = ()) -> None:
        self._networks = [_network(text) for text in networks if text != UNIX]
        self._unix = UNIX in networks

    def note(self, request: web.BaseRequest, root_path: str) -> None:
        """Keep in *request* what its proxies, if they are trusted, say of it."""
        request[CLIENT] = self.client_of(request)
        request[ROOT], request[SCHEME] = root_path, request.scheme
        if not self._trusts(request.remote or ""):
            return
        prefix = request.headers.get("X-Forwarded-Prefix", "").rstrip("/")
        if _PREFIX.fullmatch(prefix):
            request[ROOT] = prefix
        scheme = request.headers.get("X-Forwarded-Proto", "").lower()
        if scheme in ("http", "https"):
            request[SCHEME] = scheme

    def client_of(self, request: web.BaseRequest) -> str:
        """Return the nearest address that is no trusted proxy's: what stands further left, anybody may have written."""
        nearest = request.remote or ""
        if not self._trusts(nearest):
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
        if not text:
            return self._unix  # over a Unix socket nobody has an address
        address = parse_address(text) if self._networks else None
        return address is not None and any(address in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as exc:
        message = f"{text!r} is no network; write an address, address/bits or unix"
        raise ConfigError([ConfigProblem("orchestrator serve", None, "--trusted-proxy", message)]) from exc
