"""An event loop that hears a crowd of sockets in portions, so that no stream stands behind all of them.

asyncio takes what every socket has to say in one round: a thousand that dribble a byte each are all read before each
step of an event on its way from its agent to its clients. Owns no socket.
"""

from __future__ import annotations

import asyncio
import select
import selectors

SOCKETS_AT_ONCE = 32
"""Heard in one round; epoll tells of the others first in the next."""


def fair_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop; asyncio's own if there is no epoll."""
    if not hasattr(selectors, "EpollSelector"):
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(_FairSelector())


class _BoundedEpoll:
    """An epoll that tells of `SOCKETS_AT_ONCE` at most."""

    def __init__(self) -> None:
        self._epoll = epoll = select.epoll()
        self.register, self.unregister, self.modify = epoll.register, epoll.unregister, epoll.modify
        self.fileno, self.close = epoll.fileno, epoll.close

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        return self._epoll.poll(timeout, min(most, SOCKETS_AT_ONCE))


class _FairSelector(selectors.EpollSelector):
    _selector_cls = _BoundedEpoll
