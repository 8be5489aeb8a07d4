"""The promise about silence: a stream on which nothing happens is kept alive, so that a lost one is noticed."""

from __future__ import annotations

import secrets

from .probe import Probe, expect

SILENCE_SECONDS = 17.0
"""A comment comes every 15 s; a busy machine may be a little late."""


async def a_silent_stream_lives(probe: Probe) -> None:
    """Listen to a channel in which nothing is said."""
    path = f"/v1/channels/conformance-{secrets.token_hex(8)}/events"
    lines = await probe.listen(path, SILENCE_SECONDS)
    expect(lines, f"nothing comes within {SILENCE_SECONDS:g} s of silence")
    expect(
        all(not line or line.startswith((b":", b"retry:")) for line in lines),
        "what is sent in silence is no comment",
    )
