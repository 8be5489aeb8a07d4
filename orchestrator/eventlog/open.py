"""From a log's address to its store: the table of stores. Imports a store only if its address is asked for."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError, ConfigProblem
from .base import Store
from .cluster import Cluster


class StoreRow(NamedTuple):
    """The place of a store.

    Attributes:
        module: Has a function `open_store` from an address to the store, and may have `backup_store` from an
            address and a file's path to its bytes; relative to this package, or absolute.
        example: How its address is written.
        bare: Whether nothing may follow the scheme.
        one_machine: Whether only processes of one machine can share it: then one that is alone has nobody to ask.
        library: What the module needs beside the core; the extra that installs it has the same name.
    """

    module: str
    example: str
    bare: bool = False
    one_machine: bool = False
    library: str | None = None


STORES: dict[str, StoreRow] = {
    "memory": StoreRow(".memory.log", "memory:", bare=True),
    "sqlite": StoreRow(".sqlite.log", "sqlite:///path.db", one_machine=True),
    "redis": StoreRow(".redis.store", "redis://host:port/db", library="redis"),
    "rediss": StoreRow(".redis.store", "rediss://host:port/db", library="redis"),
    "redis+unix": StoreRow(".redis.store", "redis+unix:///path/to/redis.sock", library="redis"),
    "redis+sentinel": StoreRow(".redis.store", "redis+sentinel://host:port,host:port/name", library="redis"),
    "rediss+sentinel": StoreRow(
        ".redis.store", "rediss+sentinel://host:port,host:port/name", library="redis"
    ),
    "redis+cluster": StoreRow(".redis.store", "redis+cluster://host:port,host:port", library="redis"),
    "rediss+cluster": StoreRow(".redis.store", "rediss+cluster://host:port,host:port", library="redis"),
}
"""The scheme of an address → the store. A further store is a row here, and its file."""


def open_log(url: str) -> Store:
    """Make the log that *url* names; nothing is opened before its `start`.

    Raises:
        ConfigError: No store has that address, or it has an option that the store does not know.
    """
    try:
        row = find_store(url)
    except ValueError as exc:
        raise wrong_log(str(exc)) from exc
    opened: Store = _function_of(row, "open_store")(url)
    return opened


def backup_log(url: str, target: Path) -> int:
    """Copy the log that *url* names to a new file while it is in use; return its bytes. Blocks.

    Raises:
        ValueError: There is no such store, or it cannot be copied so. ConfigError: The file cannot be copied.
    """
    copy = _function_of(find_store(url), "backup_store", needed=False)
    if copy is None:
        raise ValueError("--log: this log cannot be copied to a file; use what its server has for that")
    return int(copy(url, target))


def _function_of(row: StoreRow, name: str, *, needed: bool = True) -> Any:
    try:
        module = import_module(row.module, __package__)
    except ImportError as exc:
        if row.library is None or exc.name != row.library:
            raise wrong_log(f"the module {row.module!r} of this store cannot be imported ({exc})") from exc
        extra = f"fanin-orchestrator[{row.library}]"
        raise wrong_log(f"this log needs the library {row.library}; install {extra}") from exc
    function = getattr(module, name, None)
    if function is None and needed:
        raise wrong_log(f"the module {row.module!r} of this store has no function {name}")
    return function


def find_store(url: str) -> StoreRow:
    """Return the row of the store that *url* names.

    Raises:
        ValueError: There is none.
    """
    scheme, _, rest = url.partition(":")
    row = STORES.get(scheme)
    if row is None or (row.bare and rest):
        known = ", ".join(row.example for row in STORES.values())
        # Not the whole address: no password may stand on a screen or in its log.
        shown = re.sub(r"(?<=//).*@", "…@", url)
        raise ValueError(f"--log {shown!r} is none of {known}")
    return row


def cluster_of(url: str, store: Store, *, workers: int) -> Cluster | None:
    """Return what *workers* processes of one service share in the *store* of that address; None if one is alone."""
    return None if workers == 1 and find_store(url).one_machine else store.cluster()


def check_address(url: str, *, workers: int) -> None:
    """Look whether a store has that address, and whether so many workers can share it.

    Raises:
        ValueError: No, and why.
    """
    find_store(url)
    if workers == 1:
        return
    try:
        shared = open_log(url).cluster() is not None
    except ConfigError:
        return  # the first worker that opens it says so, with the exit code that always stood for that
    if not shared:
        raise ValueError(
            f"--workers {workers} need a log that they can share; add --log sqlite:///runs.db or --log redis://…"
        )


def wrong_log(message: str) -> ConfigError:
    """Build the error for an address that cannot be used. The message must hold no password."""
    return ConfigError([ConfigProblem("orchestrator serve", None, "--log", message)])
