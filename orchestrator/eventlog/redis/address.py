"""What a `redis://` address says: host, credentials, database and prefix. Owns no connection."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ..open import wrong_log

DEFAULT_PORT = 6379
OPTIONS = frozenset({"prefix", "ssl_ca_certs"})
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis is, how to log in, and what all of our keys begin with.

    Args:
        ssl_ca_certs: File with the authorities that a `rediss://` server is checked against; None takes
            the system's.
    """

    host: str
    port: int = DEFAULT_PORT
    db: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    prefix: str = "fanin:"
    ssl_ca_certs: str | None = None

    def __str__(self) -> str:
        """Spell the address without its credentials."""
        return f"{'rediss' if self.tls else 'redis'}://{self.host}:{self.port}/{self.db}"


def parse_address(url: str) -> RedisAddress:
    """Read ``redis://[user:password@]host[:port][/db][?prefix=…]``, or `rediss://` for TLS.

    Raises:
        ConfigError: It is not of that form, or has an option that there is not.
    """
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise wrong_log("the address is malformed; write redis://host:port/db") from exc
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise wrong_log(f"{parts.scheme}: names no Redis; write redis://host:port/db")
    options = _options(parts)
    prefix = options.get("prefix", "fanin:")
    if not _PREFIX.fullmatch(prefix):
        raise wrong_log(f"prefix={prefix!r} is not made of 1 to 64 letters, digits and _.:-")
    if "ssl_ca_certs" in options and parts.scheme != "rediss":
        raise wrong_log("ssl_ca_certs is for rediss:// only")
    return RedisAddress(
        host=parts.hostname,
        port=_port(parts),
        db=_db(parts),
        tls=parts.scheme == "rediss",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        prefix=prefix,
        ssl_ca_certs=options.get("ssl_ca_certs"),
    )


def _options(parts: SplitResult) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in OPTIONS:
            raise wrong_log(
                f"the Redis option {name!r} does not exist; there are {', '.join(sorted(OPTIONS))}"
            )
        if name in options:
            raise wrong_log(f"the Redis option {name!r} is there twice")
        options[name] = value
    return options


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or DEFAULT_PORT
    except ValueError as exc:
        raise wrong_log("the port is not a number from 1 to 65535") from exc


def _db(parts: SplitResult) -> int:
    text = parts.path.strip("/")
    if not re.fullmatch(r"[0-9]{0,5}", text, re.ASCII):
        raise wrong_log(f"the database {text!r} is not a number")
    return int(text or 0)
