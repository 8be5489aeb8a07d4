"""The promise about what a log has forgotten: whoever stood there is sent a gap; no stream has a hole."""

from __future__ import annotations

import secrets

from .probe import Probe, WireEvent, expect

RUNS = 4
"""Of a channel; a server with a small log has trimmed the first of them when the last has ended."""


async def no_silent_hole(probe: Probe) -> None:
    """Stand at the first event of a channel that has grown since, and read on."""
    channel = f"conformance-{secrets.token_hex(8)}"
    first = newest = 0
    begun = None
    for _ in range(RUNS):
        run_id = await probe.start(channel=channel)
        events = (await probe.read(f"/v1/runs/{run_id}/events")).events
        ids = [event.id for event in events if event.id]
        expect(ids, "a run's stream has no ids")
        newest = _seq(ids[-1])
        if begun is None:
            begun, first = ids[0], _seq(ids[0])

    def is_there(events: list[WireEvent]) -> bool:
        return any(event.id and _seq(event.id) >= newest for event in events)

    received = (await probe.read(f"/v1/channels/{channel}/events", after=begun, until=is_there)).events
    if received[0].name == "run.gap":
        _check_gap(received, first)
        return
    seqs = [_seq(event.id) for event in received if event.id]
    expect(
        seqs == list(range(first + 1, newest + 1)),
        f"after seq {first} comes {seqs[:1]}, or one is left out later",
    )


def _check_gap(events: list[WireEvent], stood_at: int) -> None:
    gap, *rest = events
    expect(gap.id is None, "run.gap has an id, so it becomes a cursor")
    expect(gap.data.get("reason") == "trimmed", f"what is forgotten is called {gap.data.get('reason')!r}")
    earliest = _seq(str(gap.data.get("earliest")))
    expect(earliest > stood_at + 1, f"a gap before seq {earliest} is sent to who stood at {stood_at}")
    snapshots = [event for event in rest if event.name == "run.snapshot"]
    expect(snapshots and rest[: len(snapshots)] == snapshots, "no snapshot stands in for what is forgotten")
    ids = [event.id for event in snapshots]
    expect(ids[-1] is not None and not any(ids[:-1]), "not the last snapshot alone has an id")


def _seq(event_id: str | None) -> int:
    _, _, seq = (event_id or "").rpartition("-")
    expect(seq.isascii() and seq.isdigit(), f"{event_id!r} is no id of an event")
    return int(seq)
