"""How processes that share one file reach each other: Unix sockets in a folder beside it. Owns no SQL.

A worker answers requests over a stream socket of its name. Each process has a datagram socket, over which the others
tell it what they wrote; what is lost of that costs a look at the file later, and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path

FOLDER_MODE = 0o700
CONNECT_AGAIN_SECONDS = 0.02
NEWS_BYTES = 16 * 1024
"""Most of one datagram; who has more to tell says that everything may have changed."""

EVERYTHING = b"*"
HELLO = b"?"
_LENGTH = struct.Struct("!I")

Answer = Callable[[bytes], Awaitable[bytes]]
Hear = Callable[[bytes], None]


class WorkerSockets:
    """The sockets of one process among those that have the same folder.

    Args:
        hear: Called with each piece of news that another process tells.
    """

    def __init__(self, folder: Path, hear: Hear) -> None:
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        folder.chmod(FOLDER_MODE)
        self._folder = folder
        # A socket's address has 107 bytes at most; a folder's may be longer.
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._hear = hear
        self._name = f"{secrets.token_hex(8)}.news"
        self._news = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._news.setblocking(False)
        self._news.bind(self._place(self._name))
        self._others: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._news.fileno(), self._receive)
        self._look_around()
        self.tell([HELLO])

    def close(self) -> None:
        self._loop.remove_reader(self._news.fileno())
        self._news.close()
        self._forget(self._name)
        os.close(self._fd)

    # ── news ─────────────────────────────────────────────────────────────────────────────────

    def tell(self, news: Iterable[bytes]) -> None:
        """Let every other process hear *news*; never waits."""
        if not self._others:
            return
        message = b"\n".join(news)
        if len(message) > NEWS_BYTES:
            message = EVERYTHING
        for name in list(self._others):
            try:
                self._news.sendto(message, self._place(name))
            except BlockingIOError:
                continue  # it has more to read than it can; it looks at the file by itself
            except OSError:
                self._others.remove(name)
                self._forget(name)  # its process was killed

    def _receive(self) -> None:
        while True:
            try:
                message = self._news.recv(NEWS_BYTES + 1)
            except OSError:
                return
            for each in message.split(b"\n"):
                if each == HELLO:
                    self._look_around()
                else:
                    self._hear(each)

    def _look_around(self) -> None:
        self._others = [
            name for name in os.listdir(self._fd) if name.endswith(".news") and name != self._name
        ]

    # ── requests ─────────────────────────────────────────────────────────────────────────────

    async def serve(self, worker: str, answer: Answer) -> asyncio.Server:
        """Answer what is asked of *worker*, each over a connection of its own, until the server is closed."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.IncompleteReadError):
                try:
                    writer.write(_framed(await answer(await _read(reader))))
                    await writer.drain()
                finally:
                    writer.close()

        name = _socket_of(worker)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)
        listener.bind(self._place(name))
        return await asyncio.start_unix_server(handle, sock=listener)

    def silence(self, worker: str) -> None:
        """Remove the socket's file of a worker whose server was closed."""
        self._forget(_socket_of(worker))

    async def ask(self, worker: str, request: bytes) -> bytes:
        """Ask a worker, also one that listens only soon; the caller limits the time.

        Raises:
            OSError, IncompleteReadError: It went while it was asked; whether it did it is unknown.
        """
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._place(_socket_of(worker)))
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                await asyncio.sleep(CONNECT_AGAIN_SECONDS)
                continue
            try:
                writer.write(_framed(request))
                await writer.drain()
                return await _read(reader)
            finally:
                writer.close()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _place(self, name: str) -> str:
        near = f"/proc/self/fd/{self._fd}"
        return f"{near}/{name}" if os.path.isdir(near) else str(self._folder / name)

    def _forget(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._fd)


def _socket_of(worker: str) -> str:
    return f"{hashlib.sha256(worker.encode()).hexdigest()[:24]}.sock"


def _framed(body: bytes) -> bytes:
    return _LENGTH.pack(len(body)) + body


async def _read(reader: asyncio.StreamReader) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return await reader.readexactly(length)
