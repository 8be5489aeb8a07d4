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

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "process": (),
    "references": ("errors",),
    "events": ("errors",),
    "sse_parser": ("errors",),
    "settings": ("events",),
    "telemetry": ("events",),
    "eventlog": ("events", "sse_parser"),
    "client": ("events", "sse_parser"),
    "backends": ("settings", "references", "sse_parser"),
    "agent": ("backends.base", "settings", "telemetry"),
    "panels": ("backends.base", "settings", "references"),
    "run": ("agent", "panels", "backends.base", "backends.registry", "eventlog", "telemetry"),
    "config": ("backends.registry", "backends.auto", "panels", "settings"),
    "supervisor": ("run", "config", "eventlog", "telemetry"),
    "framing": ("eventlog", "events"),
    "conformance": ("sse_parser",),
    "terminal": ("client",),
    "server": ("process", "supervisor", "framing", "config", "backends"),
    "local": ("supervisor", "config", "client"),
    "tools": ("backends",),
    "cli": ("*",),
}
"""A room → what it may import beside itself: rooms, with what they may import, or single modules of a room."""

LAZY = {"__init__", "__main__"}
"""Names that hand on to the rooms and are no room themselves."""


def room_of(module: str) -> str:
    return module.split(".")[0]


@cache
def allowed(room: str) -> frozenset[str]:
    """Return the rooms and modules that a room may import, its own among them."""
    found = {room}
    for target in MAY_IMPORT[room]:
        found |= {target} if "." in target else allowed(target) if target != "*" else set(MAY_IMPORT)
    return frozenset(found)


HOMES = {
    "aiostream": ("run.merge",),
    "langgraph": ("backends.langgraph*",),
    "langchain_core": ("backends.langgraph*",),
    "pydantic_ai": ("backends.pydantic_ai*",),
    "letta_client": ("backends.letta.api",),
    "agents": ("backends.openai*", "backends.offline*"),
    "openai": ("backends.openai*", "backends.offline*"),
    "redis": ("eventlog.redis*",),
    "sqlite3": ("eventlog.sqlite*",),
    "rich": ("terminal.columns", "terminal.markdown"),
    "prometheus_client": ("telemetry.metrics",),
    "ruamel": ("config.yamlfile",),
    "click": ("cli.commands", "cli.options"),
    "stamina": ("eventlog.retry",),
    "opentelemetry": ("telemetry.tracing",),
    "markdown_it": ("server.handbook.markdown", "terminal.markdown"),
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


def ours(name: str) -> Iterator[str]:
    """Yield the modules of ours that a module imports, relative to the package."""
    for target in imported(name):
        if target.startswith("."):
            module = target[1:]
            while not (is_package(module) or is_module(module)) and "." in module:
                module = module.rpartition(".")[0]
            yield module


def is_module(target: str) -> bool:
    return (PACKAGE / Path(*target.split("."))).with_suffix(".py").exists()


@pytest.mark.parametrize("name", [name for name, _ in modules() if name not in LAZY])
def test_imports_run_downward(name: str) -> None:
    may = allowed(room_of(name))
    wrong = [
        module
        for module in ours(name)
        if room_of(module) not in may and not any(f"{module}.".startswith(f"{one}.") for one in may)
    ]
    assert not wrong, f"{name} imports {wrong}; MAY_IMPORT has what its room may"


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


KINDS = {"backends": {"offline": {"openai"}}, "eventlog": {}}
"""A room whose folders are kinds → a kind that stands on others, and on which."""

COMMON = {"upstream"}
"""Folders of such a room that are no kind, and stand below all of them."""


@pytest.mark.parametrize("room", KINDS)
def test_one_kind_knows_no_other(room: str) -> None:
    """What two of them need belongs to `base`: else one kind cannot be left out or changed alone."""
    wrong = []
    for name, _ in modules():
        kind = name.split(".")[1:-1][:1]
        for module in ours(name) if name.startswith(f"{room}.") and kind else ():
            parts = module.split(".")
            if (
                parts[0] == room
                and len(parts) > 2
                and parts[1] not in {*kind, *COMMON, *KINDS[room].get(kind[0], ())}
            ):
                wrong.append(f"{name} → {module}")
    assert not wrong


def test_no_module_imports_itself_over_others() -> None:
    """A circle within a room holds only as long as nobody imports its files in another order."""
    graph = {name: {m for m in ours(name) if is_module(m)} for name, _ in modules() if name not in LAZY}
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path[path.index(name) :], name))
        if name in done:
            return
        for target in graph.get(name, ()):
            walk(target, (*path, name))
        done.add(name)

    for name in graph:
        walk(name, ())


MOST_LINES, MOST_FUNCTION_LINES, MOST_ARGUMENTS, MOST_FILES_AT_THE_TOP = 400, 60, 6, 6


def test_files_functions_and_constructors_are_small() -> None:
    """More is a class that wants to be two."""
    wrong = []
    for name, tree in modules():
        lines = (PACKAGE / Path(*name.split("."))).with_suffix(".py").read_text().count("\n")
        if lines > MOST_LINES:
            wrong.append(f"{name} has {lines} lines")
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            arguments = len(node.args.args) + len(node.args.kwonlyargs) - 1
            if length > MOST_FUNCTION_LINES:
                wrong.append(f"{name}.{node.name} has {length} lines")
            if node.name == "__init__" and arguments > MOST_ARGUMENTS:
                wrong.append(f"the constructor at {name}:{node.lineno} has {arguments} arguments")
    assert not wrong


def test_the_hall_holds_the_rooms_and_few_files() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py")} - LAZY
    assert len(files) <= MOST_FILES_AT_THE_TOP, files
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms - {"web", "handbook"} == set(MAY_IMPORT) - files


def test_a_public_class_name_stands_once() -> None:
    found: dict[str, list[str]] = {}
    for name, tree in modules():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(name)
    twice = {name: places for name, places in found.items() if len(places) > 1}
    assert set(twice) == {"Run"}, "a client's run and ours are the only pair of one name"


SPINE = (
    "backends",
    "agent",
    "eventlog",
    "events",
    "framing",
    "panels",
    "run",
    "server",
    "settings",
    "supervisor",
)

SUITES = {
    "a2a/test_backend": ("a2a.calls", "a2a.input_required"),
    "ag_ui/test_frameworks": (
        "ag_ui.interrupts",
        "ag_ui.shared_state",
        "ag_ui.tool_content",
        "ag_ui.transcript",
    ),
    "auto/test_search": ("auto.ollama",),
    "test_function": ("function.backend",),
    "langgraph/test_backend": (
        "langgraph.content",
        "langgraph.final_state",
        "langgraph.interrupts",
        "langgraph.reading",
    ),
    "letta/test_backend": ("letta.content", "letta.turn"),
    "letta/test_run": ("letta.api", "letta.errors"),
    "offline/test_panel": ("offline.compare_answers", "offline.script"),
    "offline/test_backend": ("offline.model",),
    "openai/test_apps": ("openai.endpoints",),
    "openai/test_backend": (
        "openai.outbox",
        "openai.tools",
        "openai.response_reader",
        "openai.model.client",
        "openai.model.chat.model",
        "openai.model.responses.model",
        "openai.model.sdk_client",
        "openai.model.events",
        "openai.model.coercion",
        "openai.model.reasoning_replay",
    ),
    "openai/test_decoders": (
        "openai.model.arguments",
        "openai.model.chat.call_slots",
        "openai.model.chat.chunk",
        "openai.model.chat.decoder",
        "openai.model.chat.repair",
        "openai.model.chat.vendor_quirks",
        "openai.model.output_files",
        "openai.model.responses.decoder",
        "openai.model.responses.repair",
        "openai.model.sse",
        "openai.model.stream_markers",
    ),
    "openai/test_mcp": (
        "openai.mcp.keeper",
        "openai.mcp.name_collisions",
        "openai.mcp.servers",
        "openai.mcp.watchdog",
    ),
    "openai/test_runner": ("openai.emitted", "openai.instrumented", "openai.relay"),
    "openai/test_tool_events": (
        "openai.calls",
        "openai.emission_record",
        "openai.model.chat.output_items",
        "openai.model.chat.partial_call",
        "openai.reasoning_details",
    ),
    "openai/test_transport": ("openai.model.fast",),
    "openai/test_redirects": ("upstream.redirects",),
    "pydantic_ai/test_backend": ("pydantic_ai.history", "pydantic_ai.reading"),
    "remote/test_backend": ("remote.reading", "remote.run", "upstream.connections"),
    "test_portions": ("upstream.lenient_connector",),
}
"""Of kinds of agents: a suite that asks a whole backend → the modules whose functions it calls, nearly all of them."""

FOUND_ELSEWHERE = {
    **{
        f"backends.{module}": f"tests/backends/{suite}.py"
        for suite, found in SUITES.items()
        for module in found
    },
    **{
        f"backends.{kind}.settings": "tests/config/test_load.py"  # keys alone; the handbook's tests hold each of them
        for kind in (
            "a2a",
            "ag_ui",
            "auto",
            "function",
            "langgraph",
            "letta",
            "offline",
            "openai",
            "pydantic_ai",
            "remote",
        )
    },
    "backends.offline_comparison": "tests/test_tools.py",  # former addresses, which hand on
    "backends.offline_tools": "tests/test_tools.py",
    "events.panel": "tests/events/test_encoding.py",  # values alone: each is written and read back there
    "events.run": "tests/events/test_encoding.py",
    "eventlog.cluster": "tests/contract/test_cluster.py",  # a Protocol alone
    "eventlog.memory": "tests/eventlog/test_memory.py",  # a store is held as one, and by its contracts
    "eventlog.redis": "tests/eventlog/test_redis.py",
    "eventlog.sqlite": "tests/eventlog/test_sqlite.py",
    "panels.methods": "tests/panels/test_methods.py",
    "server.handbook": "tests/handbook/test_pages.py",
    "server.http.dialects.a2a_tasks": "tests/dialects/test_a2a.py",  # with its own client, in both bindings
    "server.http.dialects.mcp_calls": "tests/dialects/test_mcp.py",
    "server.app_keys": "tests/server/test_app.py",  # names alone
    "server.openapi": "tests/server/test_openapi.py",
    "server.routes.agent_cards": "tests/dialects/test_a2a.py",
    "server.routes.docs": "tests/server/test_openapi.py",
    "server.routes.handbook": "tests/handbook/test_pages.py",
    **{
        f"server.routes.{dialect}": f"tests/dialects/test_{dialect}.py"  # with the dialect's own clients
        for dialect in ("a2a", "ag_ui", "ai_sdk", "mcp")
    },
    **dict.fromkeys(
        (
            "server.http.dialects.openai_error",
            "server.routes.chat_completions",
            "server.routes.models",
            "server.routes.responses",
        ),
        "tests/dialects/test_openai.py",
    ),
}
"""A module, or a folder of modules, whose tests do not bear its name → where they are, and why."""


@pytest.mark.parametrize("name", [name for name, _ in modules() if room_of(name) in SPINE])
def test_a_modules_tests_are_found_by_its_name(name: str) -> None:
    """Whoever changes a module runs its tests, so he has to find them; a module without any is noticed here.

    `<room>/[<folder>/]<module>` has `tests/<room>/test_<module>.py`, or `test_<folder>_<module>.py`; a kind of
    agent has a folder of its own there, too.
    """
    room, *folders, module = name.split(".")
    if module == "__init__":
        return
    root, folder = PACKAGE.parent, PACKAGE.parent / "tests" / ("runs" if room == "run" else room)
    elsewhere = [path for known, path in FOUND_ELSEWHERE.items() if f"{name}.".startswith(f"{known}.")]
    assert all((root / path).exists() for path in elsewhere), elsewhere
    if room == "backends" and folders:
        folder /= folders[0]
    places = [folder / f"test_{'_'.join([*folders[-1:], module])}.py", folder / f"test_{module}.py"]
    assert elsewhere or any(place.exists() for place in places), f"{places[-1].relative_to(root)} is missing"
