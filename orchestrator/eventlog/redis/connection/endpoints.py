"""Which server a connection goes to: the one of the address, the primary that Sentinels name, or a slot's owner.

A failover and a resharding move the server: so it is looked up anew each time a connection is made.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.crc import key_slot

from .address import Kind, Place, RedisAddress
from .failures import Lost, UnknownPrimary

LOOK_UP_SECONDS = 0.5
"""How long one Sentinel or node may take to say where the primary is; then the next one is asked."""


class Locator(Protocol):
    """Finds the server of an address."""

    async def connection(self, former: Any) -> Any:
        """Return a redis-py connection to the server, which may be the *former* one that broke.

        Raises:
            Lost, redis_errors.RedisError, OSError: Nobody knows the server.
        """
        ...


def locator_of(address: RedisAddress, connect_s: float) -> Locator:
    """Make the locator that *address* asks for."""
    return _LOCATORS[address.kind](address, connect_s)


class _Fixed:
    """The server that the address names."""

    def __init__(self, address: RedisAddress, connect_s: float) -> None:
        self._address = address
        self._connect_s = connect_s

    async def connection(self, former: Any) -> Any:
        return former or _connect_to(self._address, self._address.places[0], self._connect_s)


class _Socket:
    """The server behind a Unix socket."""

    def __init__(self, address: RedisAddress, connect_s: float) -> None:
        self._address = address
        self._connect_s = connect_s

    async def connection(self, former: Any) -> Any:
        address = self._address
        return former or UnixDomainSocketConnection(
            path=address.path, db=address.db, username=address.username, password=address.password,
            **_options(self._connect_s),
        )  # fmt: skip


class _Asked(ABC):
    """A server that others tell of: each is asked in turn until one does."""

    def __init__(self, address: RedisAddress, connect_s: float) -> None:
        self._address = address
        self._connect_s = connect_s
        self._informants = list(address.places)

    async def connection(self, former: Any) -> Any:
        errors: list[Exception] = []
        for place in list(self._informants):
            # Whoever was asked comes last the next time: what it says may be out of date.
            self._informants.remove(place)
            self._informants.append(place)
            try:
                async with asyncio.timeout(LOOK_UP_SECONDS):
                    found = await self._ask(place)
            except (redis_errors.AuthenticationError, redis_errors.AuthorizationError):
                raise
            except (Lost, redis_errors.RedisError, TimeoutError, OSError) as exc:
                errors.append(exc)
                continue
            if former is not None and (former.host, former.port) == found:
                return former
            return _connect_to(self._address, found, self._connect_s)
        first = next((each for each in errors if isinstance(each, UnknownPrimary)), errors[-1])
        if isinstance(first, Lost):
            raise first
        raise Lost(str(first) or type(first).__name__) from first

    @abstractmethod
    async def _ask(self, place: Place) -> Place:
        """Return where the server is, as *place* knows it; Lost or UnknownPrimary if it does not."""


class _Sentinels(_Asked):
    """The primary of a name that Sentinels watch."""

    async def _ask(self, place: Place) -> Place:
        address = self._address
        (found,) = await _answers(
            _tcp(address, place, self._connect_s, address.sentinel_username, address.sentinel_password),
            ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.service),
        )
        if found is None:
            raise UnknownPrimary(f"the Sentinels watch no primary named {address.service!r}")
        primary = Place(bytes(found[0]).decode(), int(found[1]))
        # A Sentinel may be behind, and name the former primary, which is a replica by now.
        (role,) = await _answers(_connect_to(address, primary, self._connect_s), ("ROLE",))
        if bytes(role[0]) != b"master":
            raise Lost(f"{primary.host}:{primary.port} is no primary any more")
        return primary


class _SlotOwner(_Asked):
    """The primary that has the slot of the keys that are meant, in a Redis Cluster."""

    async def _ask(self, place: Place) -> Place:
        slot = key_slot((self._address.slot_key or self._address.key_prefix).encode())
        (rows,) = await _answers(_connect_to(self._address, place, self._connect_s), ("CLUSTER", "SLOTS"))
        # Those that the address names may all be gone one day, so the others are asked, too.
        known = [_place_of(place, node) for _, _, *nodes in rows for node in nodes]
        named = [each for each in self._informants if each in known or each in self._address.places]
        self._informants = list(dict.fromkeys([*named, *known]))
        for first, last, primary, *_ in rows:
            if first <= slot <= last:
                return _place_of(place, primary)
        raise Lost(f"no node of the cluster has slot {slot}")


def _place_of(asked: Place, node: Any) -> Place:
    # A node that does not know its own address says nothing: it is the one that was asked.
    return Place(bytes(node[0] or b"").decode() or asked.host, int(node[1]))


_LOCATORS: dict[Kind, Callable[[RedisAddress, float], Locator]] = {
    "server": _Fixed,
    "socket": _Socket,
    "sentinel": _Sentinels,
    "cluster": _SlotOwner,
}


def _options(connect_s: float) -> dict[str, Any]:
    # RESP2 keeps the shape of answers the same on all servers; no CLIENT SETINFO saves a round trip.
    return {"socket_timeout": None, "socket_connect_timeout": connect_s, "protocol": 2, "driver_info": None}


def _connect_to(address: RedisAddress, place: Place, connect_s: float) -> Any:
    return _tcp(address, place, connect_s, address.username, address.password, db=address.db)


def _tcp(
    address: RedisAddress,
    place: Place,
    connect_s: float,
    username: str | None,
    password: str | None,
    *,
    db: int = 0,
) -> Any:
    options = _options(connect_s) | {"socket_keepalive": True, "db": db}
    if address.tls:
        # The certificate and its host name are checked: the defaults of SSLConnection.
        options["ssl_ca_certs"] = address.ssl_ca_certs
    kind = SSLConnection if address.tls else Connection
    return kind(host=place.host, port=place.port, username=username, password=password, **options)


async def _answers(connection: Any, *commands: tuple[str, ...]) -> list[Any]:
    """Ask over a connection of its own."""
    try:
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        return [await connection.read_response(disable_decoding=True) for _ in commands]
    finally:
        await connection.disconnect(nowait=True)
