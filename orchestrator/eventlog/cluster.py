"""The `Cluster` Protocol: what several workers on one log need from each other. Owns no connection.

Who owns a run, and whether that worker still lives, is the `RunStore`'s to say; here is only how work
finds an executor, and how a request reaches the worker that can answer it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple, Protocol

SEND_SECONDS = 3.0
"""How long `send` waits for an answer."""

Reply = Callable[[bytes], Awaitable[None]]


class PeerRequest(NamedTuple):
    """A request of another worker to this one. `reply` answers it; once, and within `SEND_SECONDS` of the asking.

    `reply` raises LogUnavailable if the store does not answer.
    """

    body: bytes
    reply: Reply


class Cluster(Protocol):
    """Work for executors, and commands for owners.

    A worker's name is unique for ever: a process that starts again takes a new one.

    Raises everywhere:
        LogUnavailable: The store does not answer.
    """

    async def offer_work(self, run_id: str) -> None:
        """Let some executor take the run; offering it again changes nothing."""
        ...

    async def take_work(self, worker: str) -> str:
        """Wait for a run that no executor has, and take it; the caller then claims it from its owner.

        Goes on waiting while the store is unavailable. A run whose taker died before it claimed it is given to
        another; one that was claimed is not: leases decide about that one. Cancelling loses no work.
        One call at a time.
        """
        ...

    async def finish_work(self, run_id: str) -> None:
        """Note that the run has ended, whoever ended it; nobody is given it any more. Unknown runs are fine."""
        ...

    async def count_work(self) -> int:
        """Return how many runs were offered and have not ended, whether or not a worker has them."""
        ...

    async def send(self, worker: str, request: bytes) -> bytes:
        """Ask *worker*, and return its answer.

        Raises:
            LogUnavailable: No answer within `SEND_SECONDS`; whether it was carried out is unknown.
        """
        ...

    def commands(self, worker: str) -> AsyncGenerator[PeerRequest, None]:
        """Yield what others ask of *worker*, also what they asked just before; close it with `aclosing`."""
        ...
