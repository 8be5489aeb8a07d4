"""Threads that read the file beside the one that writes it. Owns their connections, and no SQL."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from .schema import connect
from .writer import unavailable

T = TypeVar("T")

READERS = 2
"""Threads that read pages; more would only wait for the interpreter's lock."""


class Readers:
    """Threads that read, each with a connection while it does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer a question to the file. Cancelling is safe."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question)
        except (sqlite3.Error, msgspec.MsgspecError, RuntimeError) as exc:
            raise unavailable(exc) from exc

    async def run(self, work: Callable[[Path], T]) -> T:
        """Do something else with the file, in one of the threads: `close` waits for it, too."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, self._path)
        except RuntimeError as exc:
            raise unavailable(exc) from exc

    def close(self) -> None:
        """Wait for what is being read, then close. Blocks."""
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get().close()

    def _answer(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            db = self._idle.get_nowait()
        except queue.Empty:
            db = connect(self._path, read_only=True)
        try:
            return question(db)
        finally:
            self._idle.put(db)
