"""The fair fan-in: many mailboxes, one stream of batches. The only module that imports aiostream.

aiostream takes the first source that is ready, in list order, so a source that is always ready
starves the rest. Therefore it merges *drainers*, which pass a turnstile first come, first served:
never more than one of them is ready, so the order of the list decides nothing. A drainer never
raises, so no agent can end the merge.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import NamedTuple

from aiostream import Stream, stream

from .events import Payload
from .mailbox import Mailbox

BATCH_EVENTS = 16
"""Most events of one agent in a row; joined tokens are one."""

BUSY_TURNS = 32
"""Most loop turns before a busy mailbox is drained: more are gathered into one batch."""

BUSY_ITEMS = 16
"""A mailbox that holds this many when its drainer comes back is busy."""


class Batch(NamedTuple):
    """Events of one agent, in its order."""

    agent_id: str
    events: list[Payload]


Joining = asyncio.Queue[Mailbox | None]
"""Mailboxes that shall be merged; None says that no more will come."""


async def fan_in(joining: Joining) -> AsyncGenerator[Batch, None]:
    """Merge mailboxes, those that join later included, until all are closed and empty.

    Cancelling loses nothing but the batch that was on its way.
    """
    turnstile = asyncio.Lock()
    drainers = _drainers(joining, turnstile)
    merged: Stream[Batch] = stream.flatten(drainers)  # type: ignore[arg-type]  # its decorator loses T
    async with merged.stream() as batches:
        async for batch in batches:
            yield batch


async def _drainers(joining: Joining, turnstile: asyncio.Lock) -> AsyncIterator[AsyncIterator[Batch]]:
    """Yield a drainer for each mailbox that joins.

    aiostream looks for new sources only while no source is ready, so newcomers pass the turnstile
    too; all that are there go through together, or the first would be rounds ahead of the last.
    """
    mailbox = await joining.get()
    while mailbox is not None:
        async with turnstile:
            while mailbox is not None:
                yield drain(mailbox, turnstile)
                if joining.empty():
                    break
                mailbox = joining.get_nowait()
        if mailbox is not None:
            mailbox = await joining.get()


async def drain(mailbox: Mailbox, turnstile: asyncio.Lock) -> AsyncIterator[Batch]:
    """Yield a mailbox's batches, each in its turn.

    What is ready after a quiet time goes at once. While the mailbox keeps filling, the pause before
    the next turn doubles up to `BUSY_TURNS`, because a larger batch is what makes each token cheap.
    """
    pause = 1
    while await mailbox.ready():
        # Held until the merge asks for more, that is until this batch was taken.
        async with turnstile:
            yield Batch(mailbox.agent_id, mailbox.take(BATCH_EVENTS))
        if len(mailbox) < BUSY_ITEMS:
            pause = 1
            continue
        for _ in range(pause):
            await asyncio.sleep(0)
        pause = min(pause * 2, BUSY_TURNS)
