"""Covers `orchestrator/eventlog/redis/connection/connection.py`: how commands are spelled."""

from __future__ import annotations

from redis.asyncio.connection import Connection

from orchestrator.eventlog.redis.connection.connection import Command, packed

COMMANDS: list[Command] = [
    ("PING",),
    ("SET", "fanin:ключ", b"\x00\r\n$5"),
    ("XADD", "log", 2**62, -1, "", b""),
]


def test_commands_are_spelled_as_redis_py_spells_them() -> None:
    assert b"".join(packed(COMMANDS)) == b"".join(Connection().pack_commands(COMMANDS))
