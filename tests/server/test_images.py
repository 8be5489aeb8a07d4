"""Which images a request may bring, and odd bytes that were 500."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest

from orchestrator.server.http.images import IMAGE_PATTERN, PIECE_CHARS, ImageRule
from orchestrator.server.http.json_body import SMALL_BODY_BYTES
from orchestrator.server.options import ServerOptions

from ..support.service import Serve, serving, words

PNG = "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        (PNG, True), ("https://images.example.com/a.png", True), ("https://8.8.8.8/a.png", True),
        ("https://images.example.com:8443/a.png?x=1", True),
        ("http://images.example.com/a.png", False), ("https://user:pw@example.com/a.png", False),
        ("https://user@example.com/a.png", False), ("https://localhost/a", False), ("https://127.0.0.1/a", False),
        ("https://10.1.2.3/a", False), ("https://169.254.169.254/latest", False), ("https://[::1]/a", False),
        ("https://[fd00::1]/a", False), ("https://[::ffff:10.0.0.1]/a", False), ("https://2130706433/a", False),
        ("https://127.1/a", False), ("https://0x7f.0.0.1/a", False), ("https://0x7f000001/", False),
        ("https://metadata.google.internal/", False), ("https://printer.local/", False), ("https://intranet/", False),
        ("https://localhost./a", False), ("https://x.example.com:99999/a", False),
        ("https://exa\ud800mple.com/", False), ("https://[::127.0.0.1]/a", False),
        ("https://[64:ff9b::7f00:1]/a", False), ("https://[64:ff9b::808:808]/a", True),
        ("https://[2002:a00:1::]/a", False), ("https://[::ffff:0:169.254.169.254]/a", False),
        ("https://[2001:0:a00:1::]/a", False), ("https://[ff02::1]/a", False), ("https://224.0.0.1/a", False),
        ("https://[2606:4700::1111]/a", True), ("https://0177.0.0.1/a", False), ("https://127.0.0.1./a", False),
        ("https://kubernetes.default.svc/a", False), ("https://x.test/a", False),
        ("https:///a.png", False), ("https://[::1/a", False), ("data:image/svg+xml;base64,AAAA", False), (7, False),
    ],
)  # fmt: skip
def test_an_address_is_of_the_outside_and_holds_no_credentials(image: object, allowed: bool) -> None:
    assert (ImageRule().wrong(image) is None) is allowed


def test_hosts_that_are_named_are_the_only_ones() -> None:
    rule = ImageRule("https", ("cdn.example.com", "*.img.example.com", "10.0.0.7"))
    for host in ("cdn.example.com", "a.img.example.com", "10.0.0.7"):
        assert rule.wrong(f"https://{host}/a") is None
    for host in ("example.com", "evilcdn.example.com", "img.example.com.evil.org", "10.0.0.8"):
        assert rule.wrong(f"https://{host}/a") is not None
    assert rule.wrong(PNG) is None


async def test_the_operator_chooses_what_is_taken() -> None:
    for images, taken in (("none", []), ("data", [PNG]), ("https", [PNG, "https://example.com/a.png"])):
        options = ServerOptions(images=ImageRule(images))  # type: ignore[arg-type]
        async with serving({"a": words("x")}, options=options) as service:
            for image in (PNG, "https://example.com/a.png"):
                answer = await service.call("POST", "/v1/runs", json={"message": "x", "images": [image]})
                assert answer.status == (201 if image in taken else 422), (images, image)


ODD = (b"\x80", b"\xff\xfe", b"caf\xc3\xa9", b"\xed\xa0\x80")


@pytest.mark.parametrize("name", ["Idempotency-Key", "traceparent", "Expect", "Sec-WebSocket-Key", "Accept"])
@pytest.mark.parametrize("value", ODD)
async def test_a_header_of_odd_bytes_is_the_clients_fault(name: str, value: bytes, serve: Serve) -> None:
    service = await serve({"a": words("x")})
    for line in (b"POST /v1/runs", b"GET /metrics", b"GET /v1/ws", b"GET /nowhere"):
        body = b'{"message":"x"}' if line.startswith(b"POST") else b""
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        writer.write(
            line + b" HTTP/1.1\r\nHost: localhost\r\n" + (upgrade if b"/v1/ws" in line else b"")
            + b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
            + name.encode() + b": " + value + b"\r\n\r\n" + body
        )  # fmt: skip
        head = await reader.read(400)
        writer.close()
        assert head.split(b" ")[1] == b"400", (line, head)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://elsewhere.example/v1/runs", b"403"), (b"http://localhost/v1/runs", b"200"),
        (b"http://127.0.0.1/v1/runs", b"200"), (b"ftp://localhost/v1/runs", b"400"),
        (b"http://localhost@elsewhere.example/v1/runs", b"400"),
    ],
)  # fmt: skip
async def test_a_target_with_another_host_is_refused(target: bytes, status: bytes, serve: Serve) -> None:
    service = await serve({"a": words("x")})
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head = await reader.read(400)
    writer.close()
    assert head.split(b" ")[1] == status, head


async def test_half_surrogates_are_the_clients_fault_wherever_they_are(serve: Serve) -> None:
    service = await serve({"a": words("x"), "b": words("y")})
    for extra in (
        '"images":["https://example.com/\\ud800"]',
        '"panel":{"method":"race","members":["a","b"],"description":"\\ud800"}',
        '"panel":{"method":"race","members":["a","b"],"valid":"\\ud800"}',
        '"channel":"\\ud800"', '"\\ud800":1', '"agents":["\\ud800"]',
    ):  # fmt: skip
        body = ('{"message":"x",' + extra + "}").encode()
        headers = {"Content-Type": "application/json"}
        answer = await service.call("POST", "/v1/runs", data=body, headers=headers)
        assert answer.status == 422, (extra, answer)


@pytest.mark.parametrize("padding", ["", "=", "=="])
@pytest.mark.parametrize("length", [1, PIECE_CHARS - 1, PIECE_CHARS, PIECE_CHARS + 1, 3 * PIECE_CHARS])
def test_an_image_of_any_length_is_looked_at_to_its_end(length: int, padding: str) -> None:
    """It is done in pieces, so that a large one stops nobody; the schema says the same by a pattern."""
    head, pattern = "data:image/png;base64,", re.compile(IMAGE_PATTERN)
    for last in ("A", "=", "-", "\n", "\u00e9"):
        image = head + "A" * (length - 1) + last + padding
        assert (ImageRule().wrong(image) is None) == (pattern.fullmatch(image) is not None), (last, padding)
    assert ImageRule().wrong(head + padding) is not None


async def test_large_images_are_looked_at_off_the_loop(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    where: list[bool] = []

    def wrong(self: ImageRule, image: object) -> str | None:
        where.append(threading.current_thread() is threading.main_thread())
        return None

    monkeypatch.setattr(ImageRule, "wrong", wrong)
    service = await serve({"a": words("x")})
    for size in (10, SMALL_BODY_BYTES + 1):
        await service.start(images=["data:image/png;base64," + "A" * size])
    assert where == [True, False]
