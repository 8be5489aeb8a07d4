"""Ends what the tests of the dialects share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .node import HOST


@pytest.fixture(scope="session", autouse=True)
def host_ended() -> Iterator[None]:
    yield
    HOST.close()
