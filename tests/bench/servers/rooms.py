"""One run to many subscribers the way the rivals would do it: a queue for each, every token put into all."""

from __future__ import annotations

import asyncio
from collections import defaultdict

Item = tuple[str, str] | None
"""An agent's id and its token; None ends the stream."""

Queues = dict[str, list[asyncio.Queue[Item]]]


def rooms() -> Queues:
    """Return the queues of those who watch, by the room's name."""
    return defaultdict(list)


def tell(queues: list[asyncio.Queue[Item]], item: Item) -> None:
    for queue in queues:
        queue.put_nowait(item)
