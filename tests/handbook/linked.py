"""Packages of this environment, linked into a folder, so that an environment that has it need not unpack them again."""

from __future__ import annotations

import re
from collections import defaultdict
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePath

PIN = re.compile(r"(?m)^([\w.-]+)==([^\s;\\]+)")


def link_pinned(lock: str, folder: Path) -> int:
    """Link what *lock* pins, and nothing else, into *folder*; return how many packages it is.

    One that is not here, or at another version, is left to pip.
    """
    here = {_normal(each.name): each for each in distributions()}
    owners: defaultdict[PurePath, set[str]] = defaultdict(set)
    for name, each in here.items():
        for file in _files(each):
            for place in (file, *file.parents):
                owners[place].add(name)
    linked = 0
    for name, version in PIN.findall(lock):
        found = here.get(_normal(name))
        if found is None or found.version != version:
            continue
        linked += 1
        for file in _files(found):
            # A folder of this package alone is one link; of a namespace that it shares, only its own files are.
            whole = next(place for place in (*list(file.parents)[-2::-1], file) if len(owners[place]) == 1)
            place = folder / whole
            if not place.is_symlink():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(Path(str(found.locate_file(""))) / whole)
    return linked


def _files(distribution: Distribution) -> list[PurePath]:
    """Return its files below site-packages; its commands lie elsewhere."""
    return [PurePath(file) for file in distribution.files or () if file.parts[0] != ".."]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
