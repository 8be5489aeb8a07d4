"""A model server that costs little: OpenAI-compatible chat completions at a pace, each token stamped.

Raw asyncio, because at 600 streams a framework would be what is measured. What it answers stands anywhere in
the request, in the model's name or the message: ``bench-240@40`` is 240 tokens at 40 per second, ``bench-240@full``
as many as fast as they are read, ``bench-2@hold`` says two and then nothing, for ever. Run as
``python -m tests.bench.model_server`` it prints its base URL.
"""

from __future__ import annotations

import asyncio
import re
import time

from .sources import MARK

ORDER = re.compile(rb"bench-(\d+)@([\d.]+|full|hold)")
AT_ONCE = 16
"""Tokens that a stream at full speed says before the others get their turn."""

SLOTS = 16
"""Streams of one pace are written in so many groups, one after the other, so that they do not all come at once."""

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
CHUNK = '{"id":"c1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[%s]%s}'
TOKEN = CHUNK % ('{"index":0,"delta":{"content":" %d' + MARK + '"},"finish_reason":null}', "")
LAST = CHUNK % ('{"index":0,"delta":{},"finish_reason":"stop"}', "")
USAGE = CHUNK % ("", ',"usage":{"prompt_tokens":1,"completion_tokens":%d,"total_tokens":%d}')


def event(data: str) -> bytes:
    body = f"data: {data}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(body), body)


class Stream:
    """One answer on its way."""

    def __init__(self, transport: asyncio.Transport, tokens: int) -> None:
        self.transport = transport
        self.tokens = self.left = tokens

    def step(self) -> bool:
        """Write the next token, or the end; return whether there is more to come."""
        if self.transport.is_closing():
            return False
        if self.left:
            self.left -= 1
            self.transport.write(event(TOKEN % time.monotonic_ns()))
            return True
        usage = USAGE % (self.tokens, self.tokens + 1)
        self.transport.write(event(LAST) + event(usage) + event("[DONE]") + b"0\r\n\r\n")
        return False

    def hold(self) -> None:
        """Say all tokens now, and no end."""
        while self.left:
            self.step()


class Flood:
    """Says one answer as fast as it is read; `paused` while the other side reads nothing."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._loop.call_soon(self._more)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._loop.call_soon(self._more)

    def _more(self) -> None:
        stream, tokens = self._stream, []
        if stream.transport.is_closing():
            return
        for _ in range(min(AT_ONCE, stream.left)):
            tokens.append(event(TOKEN % time.monotonic_ns()))
        if not tokens:
            stream.step()
            return
        stream.left -= len(tokens)
        stream.transport.write(b"".join(tokens))
        if not self._paused:
            self._loop.call_soon(self._more)


class Wheel:
    """Steps all streams of one pace, a slot at a time."""

    def __init__(self, rate: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._gap = 1 / rate / SLOTS
        self._slots: list[list[Stream]] = [[] for _ in range(SLOTS)]
        self._turn = 0
        self._joined = 0
        self._due = self._loop.time()
        self._tick()

    def join(self, stream: Stream) -> None:
        self._slots[self._joined % SLOTS].append(stream)
        self._joined += 1

    def _tick(self) -> None:
        slot = self._turn % SLOTS
        self._slots[slot] = [stream for stream in self._slots[slot] if stream.step()]
        self._turn += 1
        self._due += self._gap
        self._loop.call_at(self._due, self._tick)


class Connection(asyncio.Protocol):
    """One kept-alive connection; its requests have a `Content-Length` and come one at a time."""

    def __init__(self, wheels: dict[float, Wheel]) -> None:
        self._wheels = wheels
        self._data = b""
        self._flood: Flood | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def pause_writing(self) -> None:
        if self._flood is not None:
            self._flood.pause()

    def resume_writing(self) -> None:
        if self._flood is not None:
            self._flood.resume()

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, blank, body = self._data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not blank or length is None or len(body) < int(length[1]):
            return
        self._data = body[int(length[1]) :]
        self._answer(body[: int(length[1])])

    def _answer(self, body: bytes) -> None:
        match = ORDER.search(body)
        if match is None:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        self._transport.write(HEAD)
        stream = Stream(self._transport, int(match[1]))
        if match[2] == b"full":
            self._flood = Flood(stream)
        elif match[2] == b"hold":
            stream.hold()
        else:
            self._wheel(float(match[2])).join(stream)

    def _wheel(self, rate: float) -> Wheel:
        wheel = self._wheels.get(rate)
        if wheel is None:
            wheel = self._wheels[rate] = Wheel(rate)
        return wheel


async def main() -> None:
    wheels: dict[float, Wheel] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(wheels), "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
