"""A store is one file and one row of the table of stores."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator.eventlog.open import STORES, StoreRow, check_address, open_log

from ..contract.stores import STORES as HELD
from ..support.service import events_in, serving, words

DUMMY = '''
from orchestrator.eventlog.memory.log import MemoryLog


class DummyLog(MemoryLog):
    """Keeps the address that it was made for, and counts what is appended."""

    def __init__(self, url):
        super().__init__()
        self.url, self.appended = url, 0

    async def append(self, channel, drafts, *, fence=None):
        self.appended += len(drafts)
        return await super().append(channel, drafts, fence=fence)


def open_store(url):
    return DummyLog(url)
'''


async def test_a_further_store_is_one_file_and_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dummy_store.py").write_text(DUMMY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(STORES, "dummy", StoreRow("dummy_store", "dummy:name"))
    check_address("dummy:one", workers=1)
    with pytest.raises(ValueError, match="need a log that they can share"):
        check_address("dummy:one", workers=2)
    store = open_log("dummy:one")
    async with serving({"one": words("a ", "b")}, log=store) as service:
        answer = await service.call(
            "POST", "/v1/runs", json={"message": "hi"}, headers={"Accept": "text/event-stream"}
        )
    told = [event.type for event in events_in(answer.body)]
    assert (told[0], told[-1]) == ("run.started", "run.done")
    assert (store.url, store.appended >= len(told)) == ("dummy:one", True)  # type: ignore[attr-defined]  # DummyLog's
    sys.modules.pop("dummy_store")


def test_the_contract_suites_hold_every_store_of_the_table() -> None:
    modules = {row.module.split(".")[1] for row in STORES.values()}
    assert modules == set(HELD) - {"redis_cluster"}  # by a flag, the row of Redis once more


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    for name in [n for n in sys.modules if n.startswith("orchestrator.eventlog.redis.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=r"needs the library redis; install fanin-orchestrator\[redis\]"):
        open_log("redis://127.0.0.1:1/0")


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("no_such_store", "the module 'no_such_store' of this store cannot be imported"),
        ("json", "the module 'json' of this store has no function open_store"),
    ],
)
def test_a_row_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, module: str, why: str) -> None:
    monkeypatch.setitem(STORES, "dummy", StoreRow(module, "dummy:name"))
    with pytest.raises(ConfigError, match=why):
        open_log("dummy:one")


def test_only_a_store_that_can_be_shared_takes_several_workers() -> None:
    check_address("redis://127.0.0.1:1/0", workers=2)
    with pytest.raises(ValueError, match="--workers 2"):
        check_address("memory:", workers=2)
