"""Imports run downward only, and each heavy library has its one place."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "orchestrator"

LAYERS: list[tuple[str, ...]] = [
    ("errors",),
    ("events.*", "references"),
    ("telemetry.*",),
    (
        "agent.budget",
        "supervisor.clock_jumps",
        "process",
        "settings.limits",
        "agent.mailbox",
        "eventlog.retry",
        "telemetry.observer",
        "agent.pace",
        "sse_parser",
        "agent.deadlines",
        "settings.serve",
    ),
    (
        "settings.environment",
        "settings.scalars",
        "settings.agent",
    ),
    ("client.event",),
    ("client.agent_view", "client.panel_view"),
    ("client.run_view",),
    ("backends.*", "eventlog.*"),
    (
        "tools",
        "panels.settings",
        "config.yamlfile",
        "config.panels",
        "config.problems",
        "config.schema",
        "config.load",
    ),
    (
        "agent.attempt",
        "run.conversation",
        "run.merge",
        "run.spec",
        "run.state",
        "eventlog.subscription",
        "run.blind",
        "framing.*",
    ),
    ("run.stored", "supervisor.presence", "agent.pump", "run.registry", "run.writer"),
    ("panels.*",),
    ("run.panel",),
    ("run.agents",),
    ("supervisor.panel_request",),
    ("run.run",),
    ("run.commands", "supervisor.executor"),
    ("supervisor.peers", "supervisor.failover", "supervisor.run_list"),
    ("supervisor.supervisor",),
    ("local", "server.*", "telemetry.*", "client.client", "client_*", "client.*", "config.check"),
    ("terminal.screen", "terminal_*", "terminal.*"),
    ("cli.handles",),
    ("cli.commands",),
    ("__main__", "__init__", "*.__init__"),
]
"""From the bottom up: a module imports only from its own layer and from those above it in this list."""

HOMES = {
    "aiostream": ("run.merge",),
    "letta_client": ("backends.letta.api",),
    "agents": ("backends.openai*", "backends.offline*"),
    "openai": ("backends.openai*", "backends.offline*"),
    "redis": ("eventlog.redis*",),
    "sqlite3": ("eventlog.sqlite*",),
    "rich": ("terminal.columns",),
    "prometheus_client": ("telemetry.metrics",),
    "ruamel": ("config.yamlfile",),
    "click": ("cli.commands",),
    "stamina": ("eventlog.retry",),
    "opentelemetry": ("telemetry.tracing",),
    "markdown_it": ("server.handbook.markdown",),
}
"""A library → the only modules that may import it."""


@cache
def modules() -> list[tuple[str, ast.Module]]:
    paths = sorted(PACKAGE.rglob("*.py"))
    names = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in paths]
    return [(name, ast.parse(path.read_text())) for name, path in zip(names, paths, strict=True)]


@cache
def imported(name: str) -> tuple[str, ...]:
    """Return what a module imports, as `imports` yields it."""
    return tuple(imports(name, dict(modules())[name]))


def imports(name: str, tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports: ours relative to the package (".x"), others as they are."""
    package = name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            for alias in node.names:
                target = ".".join([*base, *(node.module or "").split(".")]).strip(".")
                yield "." + (
                    target if target and not is_package(target) else f"{target}.{alias.name}".strip(".")
                )


def is_package(target: str) -> bool:
    return (PACKAGE / Path(*target.split("."))).is_dir()


def layer_of(module: str) -> int:
    for number, patterns in enumerate(LAYERS):
        if any(fnmatch(module, pattern) for pattern in patterns):
            return number
    raise AssertionError(f"{module} has no layer; add it to LAYERS")


@pytest.mark.parametrize(("name", "tree"), [pytest.param(n, t, id=n) for n, t in modules()])
def test_imports_run_downward(name: str, tree: ast.Module) -> None:
    own = layer_of(name)
    for target in imports(name, tree):
        if target.startswith("."):
            module = target[1:]
            while not (PACKAGE / Path(*module.split("."))).with_suffix(".py").exists() and "." in module:
                module = module.rpartition(".")[0]
            if (PACKAGE / Path(*module.split("."))).with_suffix(".py").exists():
                assert layer_of(module) <= own, f"{name} imports {module}, which is above it"


@pytest.mark.parametrize("library", HOMES)
def test_library_has_one_home(library: str) -> None:
    users = {name for name, _ in modules() if any(t.split(".")[0] == library for t in imported(name))}
    strangers = {n for n in users if not any(fnmatch(n, home) for home in HOMES[library])}
    assert not strangers, f"{library} is imported in {strangers}"


def test_the_python_client_imports_nothing_of_the_server() -> None:
    """It is copied into other people's products, where no server, no aiostream and no SDK is."""
    code = (
        "import sys, orchestrator.client\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('aiostream', 'agents', 'openai', 'letta_client',"
        " 'redis', 'pydantic', 'prometheus_client') or m.startswith('orchestrator.server')]\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


def test_every_public_name_can_be_imported_and_loads_nothing_before() -> None:
    code = (
        "import sys, orchestrator\n"
        "assert 'aiohttp' not in sys.modules and 'pydantic' not in sys.modules\n"
        "[getattr(orchestrator, name) for name in orchestrator.__all__]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


def test_exceptions_are_logged_as_text_alone() -> None:
    """`exc_info` has some renderers print local variables, and with them prompts and keys."""
    found = []
    for name, tree in modules():
        if name == "telemetry.logs":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                if "traceback" in names:
                    found.append(f"{name}:{node.lineno} imports traceback")
            if isinstance(node, ast.Call) and any(k.arg in ("exc_info", "stack_info") for k in node.keywords):
                found.append(f"{name}:{node.lineno} hands on exc_info")
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "exception"
                and node.args
            ):
                found.append(f"{name}:{node.lineno} calls log.exception")
    assert not found
