"""Reads hosts and origins as browsers write them, without I/O; decides nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

_DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_KNOWN_CHARS = 64
"""A longer text is not kept in memory with the address that it names."""
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Authority:
    """A `Host` header's value: lower case, without brackets and without a trailing dot."""

    host: str
    port: int | None

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        return parse_address(self.host)


@dataclass(frozen=True, slots=True)
class Origin:
    """A serialized origin; its port is None if it is the scheme's own."""

    scheme: str
    host: str
    port: int | None


def parse_authority(text: str) -> Authority | None:
    """Parse ``name``, ``name:port`` or ``[v6]:port``; None if it is none of these."""
    match = _AUTHORITY.fullmatch(text.lower())
    if match is None:
        return None
    bracketed = match["host"].startswith("[")
    host = match["host"][1:-1] if bracketed else match["host"].removesuffix(".")
    port = int(match["port"]) if match["port"] else None
    if not host or (port is not None and port > 65535) or bracketed != (":" in host):
        return None
    return None if bracketed and parse_address(host) is None else Authority(host, port)


def parse_origin(text: str) -> Origin | None:
    """Parse ``scheme://host[:port]``; None for ``null`` and for what is no origin."""
    scheme, separator, rest = text.lower().partition("://")
    authority = parse_authority(rest) if separator and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) else None
    if authority is None:
        return None
    port = None if authority.port == _DEFAULT_PORTS.get(scheme) else authority.port
    return Origin(scheme, authority.host, port)


def same_authority(origin: Origin, authority: Authority, *, secure: bool) -> bool:
    """Whether a page of *origin* was served under *authority*.

    Behind a proxy that ends TLS the page is https and the request here is http, so only the
    reverse, a plain page that asks a TLS server, is distinguished by its scheme.
    """
    if origin.scheme not in _DEFAULT_PORTS or (secure and origin.scheme == "http"):
        return False
    port = None if authority.port == _DEFAULT_PORTS[origin.scheme] else authority.port
    return (origin.host, origin.port) == (authority.host, port)


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address literal; an IPv4 address that IPv6 maps is given as IPv4."""
    return _parse_known_address(text) if len(text) <= MAX_KNOWN_CHARS else _parse_address(text)


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


_parse_known_address = lru_cache(maxsize=512)(_parse_address)  # each request names the same few


def is_loopback_name(host: str) -> bool:
    """Whether *host* can only mean this machine: RFC 6761 reserves `localhost` and all below it."""
    address = parse_address(host)
    if address is not None:
        return address.is_loopback
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")
