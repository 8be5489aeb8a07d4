"""`LazyEvent` behaves as `threading.Event` does, between threads too."""

from __future__ import annotations

import threading

from orchestrator.backends.base import AgentInput
from orchestrator.backends.lazy_event import LazyEvent
from tests.support.patience import PATIENCE_SECONDS


def test_who_waits_is_woken_by_another_thread() -> None:
    event, woken = LazyEvent(), []
    threads = [threading.Thread(target=lambda: woken.append(event.wait(PATIENCE_SECONDS))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert not event.is_set()
    event.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert woken == [True, True, True]
    assert event.is_set()


def test_a_wait_ends_at_its_time_or_at_once() -> None:
    event = LazyEvent()
    assert not event.wait(0.01)
    event.set()
    assert event.wait()
    event.clear()
    assert not event.is_set()
    assert not event.wait(0)
    event.set()
    assert event.wait(0)


def test_it_is_what_an_agent_is_given() -> None:
    """The handbook calls it a `threading.Event`."""
    request = AgentInput("hi")
    assert isinstance(request.cancelled, threading.Event)
    assert isinstance(request.taken, threading.Event)
    assert "unset" in repr(request.cancelled)
