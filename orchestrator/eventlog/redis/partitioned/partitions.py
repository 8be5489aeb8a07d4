"""The partitions of a log, which of them a name is in, and how all of them are asked. Owns no connection.

Everything of a channel is in the channel's partition, its runs and their indexes included. A run that has its channel
to itself is found by its own name; one of a shared channel is looked for, and then remembered.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from ....errors import LogUnavailable
from .partition import RedisPartition
from .partition_runs import number_of

RUNS_REMEMBERED = 8192

T = TypeVar("T")
Ask = Callable[[RedisPartition], Awaitable[T]]


class Partitions:
    """All partitions of one log."""

    def __init__(self, members: Sequence[RedisPartition]) -> None:
        self.members = members
        self._where: OrderedDict[str, RedisPartition] = OrderedDict()

    def __iter__(self) -> Iterator[RedisPartition]:
        return iter(self.members)

    def of(self, name: str) -> RedisPartition:
        """Return the partition of a channel, key or conversation."""
        return self.members[number_of(name, len(self.members))]

    async def all(self, ask: Ask[T]) -> list[T]:
        """Ask all of them at once. Raises what one of them raises."""
        answers = await asyncio.gather(*map(ask, self.members), return_exceptions=True)
        return [_answer(each) for each in answers]

    async def reachable(
        self, ask: Ask[T], among: Sequence[RedisPartition] | None = None
    ) -> list[tuple[RedisPartition, T]]:
        """Ask all of them at once, or those *among*, and leave out whose server is unavailable, unless all are."""
        members = self.members if among is None else among
        answers = await asyncio.gather(*map(ask, members), return_exceptions=True)
        answered = zip(members, answers, strict=True)
        found = [(member, _answer(each)) for member, each in answered if not isinstance(each, LogUnavailable)]
        return found or [(member, _answer(each)) for member, each in zip(members, answers, strict=True)]

    async def search(self, run_id: str, ask: Ask[T | None]) -> tuple[RedisPartition, T] | None:
        """Return the first that *ask* finds something in, the likeliest asked first; None if there is none.

        Raises:
            LogUnavailable: It was not found where there was an answer.
        """
        likely = self._likely(run_id)
        answer = await ask(likely)
        if answer is not None:
            return likely, answer
        others = [each for each in self.members if each is not likely]
        answers = await asyncio.gather(*map(ask, others), return_exceptions=True)
        for member, each in zip(others, answers, strict=True):
            if each is not None and not isinstance(each, BaseException):
                self.remember(run_id, member)
                return member, each
        for each in answers:
            _answer(each)
        return None

    def _likely(self, run_id: str) -> RedisPartition:
        for member in self.members:
            if member.executes(run_id):
                return member
        return self._where.get(run_id) or self.of(run_id)

    def remember(self, run_id: str, member: RedisPartition) -> None:
        """Note where a run is that may not be found by its name."""
        if member is self.of(run_id):
            return
        self._where[run_id] = member
        self._where.move_to_end(run_id)
        if len(self._where) > RUNS_REMEMBERED:
            self._where.popitem(last=False)


def _answer(answer: T | BaseException) -> T:
    if isinstance(answer, BaseException):
        raise answer
    return answer
