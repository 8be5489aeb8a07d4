"""A Redis' address: where, as whom, which database and prefix. Owns no connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypedDict
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ...open import wrong_log

DEFAULT_PORT, DEFAULT_SENTINEL_PORT = 6379, 26379
Kind = Literal["server", "socket", "sentinel", "cluster"]
OPTIONS = frozenset({"prefix", "ssl_ca_certs", "db", "sentinel_username", "sentinel_password"})
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_SERVICE = re.compile(r"[A-Za-z0-9_.-]{1,255}", re.ASCII)


class Scheme(NamedTuple):
    """What a scheme says.

    Attributes:
        options: Further ones beside `prefix`.
        example: How such an address is written.
    """

    kind: Kind
    example: str
    tls: bool = False
    options: frozenset[str] = frozenset()


_TLS, _SENTINEL = frozenset({"ssl_ca_certs"}), frozenset({"sentinel_username", "sentinel_password"})
SCHEMES: dict[str, Scheme] = {
    "redis": Scheme("server", "redis://host:port/db"),
    "rediss": Scheme("server", "rediss://host:port/db", tls=True, options=_TLS),
    "redis+unix": Scheme("socket", "redis+unix:///path/to/redis.sock", options=frozenset({"db"})),
    "redis+sentinel": Scheme("sentinel", "redis+sentinel://host:port,host:port/name/db", options=_SENTINEL),
    "rediss+sentinel": Scheme(
        "sentinel", "rediss+sentinel://host:port,host:port/name/db", tls=True, options=_TLS | _SENTINEL
    ),
    "redis+cluster": Scheme("cluster", "redis+cluster://host:port,host:port"),
    "rediss+cluster": Scheme("cluster", "rediss+cluster://host:port,host:port", tls=True, options=_TLS),
}


class Place(NamedTuple):
    """Where something listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis is, how to log in, and what all of our keys begin with.

    Args:
        kind: What the places are: the server, Sentinels that know it, or nodes of a Redis Cluster.
        places: None for a socket. path: The socket.
        service: The name under which Sentinels watch the primary.
        ssl_ca_certs: File with the authorities that a `rediss…://` server is checked against; None takes
            the system's.
    """

    places: tuple[Place, ...] = ()
    db: int = 0
    kind: Kind = "server"
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    prefix: str = "fanin:"
    ssl_ca_certs: str | None = None
    path: str = ""
    service: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    slot_key: str = ""
    """In a Redis Cluster, the key whose slot's owner is meant; that of `key_prefix` if it is empty."""

    @property
    def key_prefix(self) -> str:
        """What keys begin with: in a Redis Cluster a hash tag, so that all of a log is in one slot."""
        return f"{{{self.prefix}}}" if self.kind == "cluster" else self.prefix

    @property
    def log_fields(self) -> dict[str, str]:
        """What a log line says of it: the address, and the partition if it is of one alone."""
        return {"address": str(self)} | ({"partition": self.slot_key} if self.slot_key else {})

    def __str__(self) -> str:
        """Spell the address without its credentials."""
        scheme = next(name for name, row in SCHEMES.items() if (row.kind, row.tls) == (self.kind, self.tls))
        hosts = ",".join(f"[{h}]:{port}" if ":" in h else f"{h}:{port}" for h, port in self.places)
        rest = [part for part in (hosts, self.service, self.path.strip("/")) if part]
        return f"{scheme}://{'/' if self.path else ''}{'/'.join(rest)}" + (f"/{self.db}" if hosts else "")


def parse_address(url: str) -> RedisAddress:
    """Read an address of one of the `SCHEMES`, with ``user:password@`` before the host and ``?option=…`` after it.

    Raises:
        ConfigError: It is not of that form, or has an option that there is not.
    """
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise wrong_log("the address is malformed; write redis://host:port/db") from exc
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None:
        raise wrong_log(f"{parts.scheme}: names no Redis; write redis://host:port/db")
    options = _options(parts, scheme)
    prefix = options.get("prefix", "fanin:")
    if not _PREFIX.fullmatch(prefix):
        raise wrong_log(f"prefix={prefix!r} is not made of 1 to 64 letters, digits and _.:-")
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    where = _socket if scheme.kind == "socket" else _servers
    return RedisAddress(
        kind=scheme.kind,
        tls=scheme.tls,
        username=unquote(username) or None,
        password=unquote(password) or None,
        prefix=prefix,
        ssl_ca_certs=options.get("ssl_ca_certs"),
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
        **where(scheme, hosts, unquote(parts.path), options),
    )


class _Where(TypedDict, total=False):
    """The fields that say where the server is."""

    places: tuple[Place, ...]
    path: str
    service: str
    db: int


def _socket(scheme: Scheme, hosts: str, path: str, options: Mapping[str, str]) -> _Where:
    if hosts or not path.strip("/"):
        raise wrong_log(f"the path of the socket is missing; write {scheme.example}")
    return {"path": path, "db": _db(options.get("db", "0"))}


def _servers(scheme: Scheme, hosts: str, path: str, options: Mapping[str, str]) -> _Where:
    default = DEFAULT_SENTINEL_PORT if scheme.kind == "sentinel" else DEFAULT_PORT
    places = tuple(_place(text, default, scheme) for text in hosts.split(","))
    if len(places) > 1 and scheme.kind == "server":
        raise wrong_log("several hosts are for redis+sentinel:// and redis+cluster://")
    if scheme.kind == "sentinel":
        service, _, path = path.strip("/").partition("/")
        if not _SERVICE.fullmatch(service):
            raise wrong_log(f"the name of the primary is missing; write {scheme.example}")
        return {"places": places, "service": service, "db": _db(path)}
    db = _db(path.strip("/"))
    if db and scheme.kind == "cluster":
        raise wrong_log("a Redis Cluster has the database 0 only")
    return {"places": places, "db": db}


def _options(parts: SplitResult, scheme: Scheme) -> dict[str, str]:
    known, options = {"prefix", *scheme.options}, dict[str, str]()
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in OPTIONS and name not in known:
            raise wrong_log(f"{name} is not for {parts.scheme}://")
        if name not in known:
            raise wrong_log(f"the Redis option {name!r} does not exist; there are {', '.join(sorted(known))}")
        if name in options:
            raise wrong_log(f"the Redis option {name!r} is there twice")
        options[name] = value
    return options


def _place(text: str, default_port: int, scheme: Scheme) -> Place:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise wrong_log("the port is not a number from 1 to 65535") from exc
    if not host:
        raise wrong_log(f"a host is missing; write {scheme.example}")
    return Place(host, port or default_port)


def _db(text: str) -> int:
    if not re.fullmatch(r"[0-9]{0,5}", text, re.ASCII):
        raise wrong_log(f"the database {text!r} is not a number")
    return int(text or 0)
