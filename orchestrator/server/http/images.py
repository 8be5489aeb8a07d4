"""Checks the images of a request: in itself, or by an address that the model's provider fetches. Fetches nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from ...settings.serve import Images
from .guards.origin import is_loopback_name, parse_address

DATA_HEAD = re.compile(r"data:image/(png|jpeg|gif|webp);base64,")
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
PIECE_CHARS = 256 * 1024
"""Of an image, looked at in one go: a regular expression would stop every thread for all of its megabytes."""

ADDRESS = re.compile(r"https://[!-~]{1,2000}")
IMAGE_PATTERN = r"https://[!-~]{1,2000}|data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}"
INSIDE_ENDINGS = (
    ".local", ".localhost", ".internal", ".intranet", ".lan", ".home.arpa", ".corp", ".home", ".private", ".svc",
    ".test", ".invalid", ".onion", ".alt",
)  # fmt: skip
"""Names that nobody can have in the public DNS: RFC 2606, 6761, 6762, 7686, 8375, 9476, and what networks use."""

TRANSLATED = tuple(map(IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")))
"""Networks whose addresses end with an IPv4 address. Sources: RFC 4291, 2765, 6052, 8215."""


@dataclass(frozen=True, slots=True)
class ImageRule:
    """The images that the operator allows.

    Args:
        images: `none`; `data`: only in the request itself; `https`: by an address, too.
        hosts: The only hosts that addresses may name, if any is given: `name`, or `*.name` for all below it. Those of
            the inside may be named only so.
    """

    images: Images = "https"
    hosts: tuple[str, ...] = ()

    def wrong(self, image: object) -> str | None:
        """Say what is wrong with *image*; None if it may be passed on."""
        if self.images == "none":
            return "is not taken: this server takes no images"
        if isinstance(image, str) and _is_data(image):
            return None
        if not isinstance(image, str) or not ADDRESS.fullmatch(image):
            return "must be an https: address, or a data: URL of a PNG, JPEG, GIF or WebP image in base64"
        if self.images == "data":
            return "must be a data: URL: this server passes no addresses on"
        try:
            parts = urlsplit(image)
            host, credentials = (parts.hostname or "").rstrip("."), "@" in parts.netloc
            _ = parts.port
        except ValueError:
            return "is no address"
        if not host or credentials:
            return "must name a host, and no user or password"
        if any(_matches(host, allowed.lower()) for allowed in self.hosts):
            return None
        if self.hosts:
            return "is at a host that is not allowed; --image-host adds one"
        if _is_inside(host):
            return "is at an address of the inside; --image-host allows one"
        return None


def _is_data(image: str) -> bool:
    head = DATA_HEAD.match(image)
    if head is None or not image.isascii():
        return False
    end = len(image) - min(2, len(image) - len(image.rstrip("=")))
    pieces = (image[at : min(at + PIECE_CHARS, end)] for at in range(head.end(), end, PIECE_CHARS))
    return end > head.end() and not any(piece.encode().translate(None, LETTERS) for piece in pieces)


def _matches(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _is_inside(host: str) -> bool:
    """Whether *host* is no name or address of the public internet, however it is spelled."""
    address = parse_address(host)
    if address is not None:
        return not all(each.is_global and not each.is_multicast for each in (address, *_within(address)))
    last = host.rpartition(".")[2]
    # 2130706433, 0x7f.1 and 127.1 are addresses to some, and names to nobody.
    numeric = re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last) is not None
    return "." not in host or numeric or is_loopback_name(host) or host.endswith(INSIDE_ENDINGS)


def _within(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address stands for, if some network translates it."""
    if isinstance(address, IPv4Address):
        return []
    found = [each for each in (address.sixtofour, *(address.teredo or ())) if each is not None]
    if any(address in network for network in TRANSLATED):
        found.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return found
