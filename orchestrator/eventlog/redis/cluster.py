"""Work and commands between workers over Redis: a `Cluster` beside a `RedisLog`, on its connections.

Work is a stream with one consumer group. Each worker's commands, and each process's answers, are streams
that the log's one blocking read covers too; what nobody fetches goes within a minute.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

from ...errors import LogUnavailable
from ..cluster import SEND_SECONDS, PeerRequest, Reply
from ..work_taker import WorkTaker
from .connection.client import Script
from .keys import Keys
from .listener import Fields, Listener
from .scripts.cluster import COUNT, FINISH, INBOX_LENGTH, OFFER, POST, TAKE


class SharedRedis(Protocol):
    """What the workers' part needs of the log whose Redis it shares."""

    keys: Keys
    name: str

    @property
    def closed(self) -> bool: ...
    async def script(self, script: Script, keys: Sequence[str], *args: str | bytes | int) -> Any: ...
    async def listening(self) -> Listener: ...
    def note_offered(self, run_id: str) -> None: ...


class RedisCluster(WorkTaker):
    """A `Cluster` in the Redis of *log*, which is started and closed by whoever made it.

    Args:
        idle_s: How long work stays with a taker that died before it claimed it.
    """

    def __init__(self, log: SharedRedis, *, idle_s: float = 5.0) -> None:
        super().__init__()
        self._log = log
        self._idle_ms = int(idle_s * 1000)
        self._answers: dict[bytes, asyncio.Future[bytes]] = {}
        self._heard: OrderedDict[bytes, None] = OrderedDict()
        self._subscribed: set[str] = set()

    # ── work ─────────────────────────────────────────────────────────────────────────────────

    async def offer_work(self, run_id: str) -> None:
        keys = await self._keys()
        await self._log.script(OFFER, (keys.work, keys.work_ids), run_id)
        self._note_offered(run_id)

    async def finish_work(self, run_id: str) -> None:
        keys = await self._keys()
        await self._log.script(FINISH, (keys.work, keys.work_ids), run_id)

    async def count_work(self) -> int:
        return int(await self._log.script(COUNT, ((await self._keys()).work_ids,)))

    async def _try_take(self, worker: str, take: str, *, look_after: bool) -> str | None:
        keys = await self._keys()
        await self._subscribe(keys.work, self._note_work)
        answer = await self._log.script(
            TAKE,
            (keys.work, keys.work_ids, keys.workers, keys.took(take)),
            keys.prefix, worker, self._idle_ms, int(look_after),
        )  # fmt: skip
        return None if answer is None else bytes(answer).decode()

    def _is_closed(self) -> bool:
        return self._log.closed

    def _note_offered(self, run_id: str) -> None:
        self._log.note_offered(run_id)

    def _note_work(self, fields: Fields) -> None:
        self._offered.set()

    # ── commands ─────────────────────────────────────────────────────────────────────────────

    async def send(self, worker: str, request: bytes) -> bytes:
        name = secrets.token_hex(8).encode()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[name] = answer
        try:
            async with asyncio.timeout(SEND_SECONDS):
                keys = await self._keys()
                answered_at = keys.inbox(f"answers:{self._log.name}")
                await self._subscribe(answered_at, self._note_answer)
                await self._post(keys.inbox(worker), name, answered_at.encode(), request)
                return await answer
        except TimeoutError as exc:
            raise LogUnavailable(f"Worker {worker!r} does not answer.") from exc
        finally:
            del self._answers[name]

    async def commands(self, worker: str) -> AsyncGenerator[PeerRequest, None]:
        # Bounded; what does not fit is dropped, and its sender learns it from the silence.
        queue: asyncio.Queue[PeerRequest] = asyncio.Queue(INBOX_LENGTH)

        def note_command(fields: Fields) -> None:
            if self._is_new(fields[b"i"]) and not queue.full():
                queue.put_nowait(PeerRequest(fields[b"b"], self._reply_to(fields)))

        stream = (await self._keys()).inbox(worker)
        await self._subscribe(stream, note_command)
        try:
            while True:
                yield await queue.get()
        finally:
            self._subscribed.discard(stream)
            (await self._log.listening()).unsubscribe(stream)

    def _reply_to(self, fields: Fields) -> Reply:
        async def reply(body: bytes) -> None:
            await self._post(fields[b"a"].decode(), fields[b"i"], b"", body)

        return reply

    def _is_new(self, name: bytes) -> bool:
        """Whether a request has not come before: one whose sender lost the connection may come twice."""
        if name in self._heard:
            return False
        self._heard[name] = None
        if len(self._heard) > 2 * INBOX_LENGTH:
            self._heard.popitem(last=False)
        return True

    def _note_answer(self, fields: Fields) -> None:
        answer = self._answers.get(fields[b"i"])
        if answer is not None and not answer.done():
            answer.set_result(fields[b"b"])

    async def _post(self, inbox: str, name: bytes, answer_to: bytes, body: bytes) -> None:
        await self._log.script(POST, (inbox,), name, answer_to, body)

    async def _keys(self) -> Keys:
        """Return the names of the keys: they are known once the log is started."""
        await self._log.listening()
        return self._log.keys

    async def _subscribe(self, stream: str, deliver: Callable[[Fields], None]) -> None:
        if stream not in self._subscribed:
            (await self._log.listening()).subscribe(stream, deliver)
            self._subscribed.add(stream)
