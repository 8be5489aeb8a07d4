"""Writes what was found: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from .contenders import cores, title
from .result import Promise, Result

PACKAGES = (
    "aiohttp", "aiostream", "fastapi", "starlette", "sse-starlette", "uvicorn", "httptools", "aiohttp-sse",
    "uvloop", "openai-agents", "openai", "msgspec",
)  # fmt: skip


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine() -> dict[str, Any]:
    return {"cores": cores(), "load": [round(load, 2) for load in os.getloadavg()]}


def markdown(results: Mapping[str, Result], about: Mapping[str, Any]) -> str:
    """Return the whole report: the promises first, then a table for each scenario."""
    lines = ["# What was measured", "", _about(about), "", "## Promises", ""]
    lines += ["| | figure | wanted | median | spread | |", "| --- | --- | --- | ---: | ---: | --- |"]
    for letter, result in results.items():
        lines += [_promise(letter, promise) for promise in result.promises]
    for result in results.values():
        lines += ["", f"## {result.title}", "", *_table(result)]
        lines += [f"\n{note}" for note in result.notes]
    return "\n".join(lines) + "\n"


def as_json(results: Mapping[str, Result], about: Mapping[str, Any]) -> str:
    found = {letter: _plain(result) for letter, result in results.items()}
    return json.dumps({"about": about, "scenarios": found}, indent=1) + "\n"


def write(folder: Path, results: Mapping[str, Result], about: Mapping[str, Any]) -> None:
    """Write `results.md`, `results.json` and what the results bring with them into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(markdown(results, about))
    (folder / "results.json").write_text(as_json(results, about))
    for result in results.values():
        for name, text in result.files.items():
            (folder / name).write_text(text)


def _about(about: Mapping[str, Any]) -> str:
    used = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    size = "quick, so the figures say little" if about["quick"] else f"{about['rounds']} rounds"
    before, after = about["machine"]["load"][0], about["load_after"][0]
    return (
        f"{size}; {about['machine']['cores']} cores, load {before} before and {after} after "
        f"(the bench itself makes about 2). {used}."
    )


def _promise(letter: str, promise: Promise) -> str:
    verdict = ("kept" if promise.kept else "**missed**") if promise.promised else ""
    spread = f"{min(promise.values):.3g} – {max(promise.values):.3g}"
    return f"| {letter} | {promise.text} | {promise.wanted} | {promise.median:.3g} | {spread} | {verdict} |"


def _table(result: Result) -> list[str]:
    head = " | ".join(column.title for column in result.columns)
    lines = [f"| {result.first} | {head} |", f"| --- |{' ---: |' * len(result.columns)}"]
    for name, samples in result.rows.items():
        cells = []
        for column in result.columns:
            values = [sample[column.key] for sample in samples if column.key in sample]
            cells.append(f"{statistics.median(values):,.{column.digits}f}" if values else "–")
        lines.append(f"| {title(name)} | {' | '.join(cells)} |")
    return lines


def _plain(result: Result) -> dict[str, Any]:
    promises = [
        asdict(promise) | {"median": promise.median, "kept": promise.kept} for promise in result.promises
    ]
    return {
        "title": result.title, "rows": result.rows, "promises": promises, "notes": result.notes,
    }  # fmt: skip
