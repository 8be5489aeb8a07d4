"""What the code has, the handbook describes: routes, events, fields, keys, options, metrics, codes, log lines."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import pytest
from aiohttp import web
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from orchestrator import events
from orchestrator.backends.registry import settings_classes
from orchestrator.cli.commands import FAILED, INTERRUPTED, MISUSED, cli
from orchestrator.client.channel import Channel
from orchestrator.client.client import Client
from orchestrator.client.run import Run
from orchestrator.errors import ERROR_CODES, RETRYABLE_CODES, GapReason
from orchestrator.eventlog.redis.connection.address import OPTIONS as REDIS_OPTIONS
from orchestrator.framing.base import DIALECTS
from orchestrator.panels.base import Outcome
from orchestrator.panels.methods.registry import METHODS
from orchestrator.panels.settings import Moderator, PanelLimits, PanelSettings
from orchestrator.server.app import create_app
from orchestrator.server.http.guards.security import (
    CORS_EXPOSED_HEADERS,
    CORS_METHODS,
    CORS_REQUEST_HEADERS,
    SECURITY_HEADERS,
)
from orchestrator.server.openapi.operation import build_openapi, operation_of
from orchestrator.server.options import ServerOptions
from orchestrator.settings.agent import AgentSettings, Limits, RetryPolicy, parts_of
from orchestrator.settings.serve import parse_duration
from orchestrator.telemetry import tracing
from orchestrator.telemetry.metrics import Metrics
from orchestrator.terminal.session import EXIT_CODES, QUIT, TERMINATED
from tests.support.commands import ROOT
from tests.test_architecture import MAY_IMPORT

from .pages import NAMES, Row, code_in, rows, text_of, words_in

PACKAGE = ROOT / "orchestrator"
OF_THE_PAGE = {"/web/{path}", "/docs.css"}
"""Assets of the page and of these pages: no part of the contract."""


def first_cells(page: str, *below: str) -> dict[str, Row]:
    """Return the rows of a page's tables by each piece of code in their first cell.

    Args:
        below: Only under these headings.
    """
    found = [row for row in rows(page) if not below or set(below) & set(row.headings)]
    return {code: row for row in found for code in code_in(row.cells[0])}


# ── the wire ──────────────────────────────────────────────────────────────────────────────────


def routes() -> Iterator[tuple[str, str, Any]]:
    for route in create_app(agents={}).router.routes():
        if isinstance(route.resource, web.Resource) and route.method != "HEAD":
            yield route.method, route.resource.canonical, route.handler


def test_every_route_is_described() -> None:
    text = text_of("protocol") + text_of("dialects")
    for method, path, handler in routes():
        said = operation_of(handler)
        if said is not None and not said.hidden:
            assert f"`{method} {path}`" in text, f"{method} {path}"
        else:
            assert path in OF_THE_PAGE or path in text, path


def test_every_parameter_is_described() -> None:
    document = build_openapi(create_app(agents={}).router.routes(), limits=ServerOptions(), version="0")
    named = {
        parameter["name"]
        for methods in document["paths"].values()
        for said in methods.values()
        for parameter in said.get("parameters", ())
    }
    assert {"Last-Event-ID", "Idempotency-Key", "limit", "runs"} <= named
    described = words_in(text_of("protocol")) | words_in(text_of("dialects"))
    assert named <= described, named - described


def test_every_dialect_is_described() -> None:
    others = set(re.findall(r"\?framing=([\w-]+)", text_of("dialects")))
    assert set(first_cells("protocol", "Dialects")) | others >= set(DIALECTS)
    assert set(first_cells("protocol", "Dialects")) <= set(DIALECTS)


def test_every_status_is_described() -> None:
    described = {row.cells[0] for row in rows("protocol") if row.headings[-1] == "Problems"}
    document = build_openapi(create_app(agents={}).router.routes(), limits=ServerOptions(), version="0")
    assert {name.removeprefix("Problem") for name in document["components"]["responses"]} <= described


def event_rows() -> dict[str, set[str]]:
    """Return the words of each event's rows; a row without an event belongs to the one above it."""
    found: dict[str, set[str]] = {}
    for page in ("protocol", "panels"):
        current: list[str] = []
        for row in rows(page):
            names = [code for code in code_in(row.cells[0]) if re.fullmatch(r"(<a>|run|panel)\.[\w*]+", code)]
            if row.cells[0]:
                current = names
            for name in current:
                found.setdefault(name, set()).update(words_in(" ".join(row.cells[1:])))
    return found


PAYLOADS = [
    *(("<a>", payload) for payload in events.AGENT_PAYLOADS.values()),
    *(("run", payload) for payload in events.RUN_PAYLOADS.values()),
    *(("panel", payload) for payload in events.PANEL_PAYLOADS.values()),
]


@pytest.mark.parametrize(("who", "payload"), PAYLOADS, ids=lambda value: str(getattr(value, "TYPE", value)))
def test_every_event_and_each_of_its_fields_is_described(who: str, payload: type[events.Payload]) -> None:
    described = event_rows()
    name = f"{who}.{payload.TYPE}"
    assert name in described, f"{name} has no row"
    missing = set(payload.__struct_fields__) - described[name]
    assert not missing, f"{name} lacks {missing}"


def structs_in(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    """Return *kind* and all structs that its fields may hold."""
    found: set[type[msgspec.Struct]] = set()
    waiting: list[Any] = [kind]
    while waiting:
        each = waiting.pop()
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each not in found:
            found.add(each)
            waiting += [field.type for field in msgspec.structs.fields(each)]
        waiting += get_args(each)
    return found


def test_what_events_and_snapshots_hold_is_described() -> None:
    described = words_in(text_of("protocol")) | words_in(text_of("panels"))
    kinds = [payload for _, payload in PAYLOADS] + [events.Snapshot, events.Revealed]
    for struct in set().union(*map(structs_in, kinds)):
        missing = set(struct.__struct_fields__) - described
        assert not missing, f"{struct.__name__} lacks {missing}"


def test_every_word_of_a_closed_set_is_described() -> None:
    described = words_in(text_of("protocol")) | words_in(text_of("panels"))
    for closed in (events.AgentStatus, events.RunStatus, GapReason, Outcome):
        assert set(get_args(closed)) <= described, closed
    assert words_in(text_of("configuration")) >= events.RESERVED_IDS


def test_every_error_code_is_described_with_what_becomes_of_it() -> None:
    table = first_cells("protocol", "Error codes")
    assert set(table) == set(ERROR_CODES)
    for code, row in table.items():
        assert row.cells[2].startswith("yes") is (code in RETRYABLE_CODES), code


def test_the_limits_on_requests_are_the_real_ones() -> None:
    limits = {row.cells[0]: row.cells[1] for row in rows("protocol") if row.headings[-1] == "Limits"}
    options = ServerOptions()
    assert limits["characters of a message"] == f"{options.max_message_chars:,}"
    assert limits["agents of a run, panel included"] == str(options.max_agents_per_run)
    assert limits["images of a request"] == str(options.max_images)
    bytes_ = next(value for name, value in limits.items() if name.startswith("bytes of a body"))
    assert bytes_ == f"{options.max_body_bytes // 2**20} MiB"


# ── configuration ─────────────────────────────────────────────────────────────────────────────


def keys_of(model: type[AgentSettings] | type[PanelSettings]) -> set[str]:
    """Return a model's keys as they are written: `limits.timeout_s`, `mcp_servers[].url`."""
    found = set(model.model_fields)
    for (name,), inner in parts_of(model).items():
        many = "[]" if "tuple" in str(model.model_fields[name].annotation) else ""
        found |= {f"{name}{many}.{key}" for key in inner}
    return found


@pytest.mark.parametrize("backend", settings_classes())
def test_every_key_of_a_backend_is_described(backend: str) -> None:
    common = keys_of(AgentSettings)
    described = set(first_cells("configuration", "Agents' files"))
    assert common <= described, common - described
    described |= set(first_cells("configuration", backend))
    keys = keys_of(settings_classes()[backend])
    assert keys <= described, f"{backend} lacks {keys - described}"
    own = [
        row for row in rows("configuration") if row.headings[-1] == backend and len(row.cells[0].split()) == 1
    ]
    shown = {code for row in own for code in code_in(row.cells[0]) if re.fullmatch(r"[a-z_]+", code)}
    assert shown <= keys, f"{backend} has no {shown - keys}"


def test_every_key_and_method_of_a_panel_is_described() -> None:
    described = set(first_cells("panels", "Keys"))
    missing = keys_of(PanelSettings) - described - {"limits"}
    assert not missing
    assert set(METHODS) <= set(first_cells("panels", "Methods"))


@pytest.mark.parametrize(("part", "model"), [("limits", Limits), ("retry", RetryPolicy)])
def test_defaults_of_keys_are_the_real_ones(part: str, model: type[Any]) -> None:
    table = first_cells("configuration", "Limits", "Retries")
    for name, field in model.model_fields.items():
        shown = table[f"{part}.{name}"].cells[2].strip("`")
        real = field.default
        wanted = "none" if real is None else str(real).lower() if isinstance(real, bool) else f"{real:g}"
        assert shown == wanted or float(shown) == real, f"{part}.{name}: {shown}, not {wanted}"


# ── commands ──────────────────────────────────────────────────────────────────────────────────

COMMANDS: Mapping[str, click.Command] = cli.commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_described(name: str) -> None:
    section = text_of("configuration").split(f"\n### orchestrator {name}\n")[1].split("\n### ")[0]
    described = words_in(section)
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert set(parameter.opts) <= described, f"orchestrator {name} {parameter.opts}"


def test_every_variable_of_an_option_is_described() -> None:
    described = words_in(text_of("configuration"))
    for command in COMMANDS.values():
        for parameter in command.params:
            if isinstance(parameter.envvar, str):
                assert parameter.envvar in described


def test_options_of_serve_have_the_defaults_that_are_described() -> None:
    table = first_cells("configuration", "orchestrator serve")
    for parameter in COMMANDS["serve"].params:
        if not isinstance(parameter, click.Option):
            continue
        _, variable, _, shown = table[parameter.opts[0]].cells
        assert variable.strip("`") == parameter.envvar
        shown = shown.strip("`")
        default = parameter.to_info_dict()["default"]
        if default is None or shown == "none":
            assert shown == "none", parameter.opts
            assert not default
        elif re.fullmatch(r"\d+(\.\d+)?[smhd]?", str(default)):
            assert parse_duration(shown) == parse_duration(str(default)), parameter.opts
        else:
            assert shown == ("off" if default is False else str(default)), parameter.opts


# ── operations ────────────────────────────────────────────────────────────────────────────────


def metrics() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for collector in Metrics().registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            ending = "_total" if collector._type == "counter" else ""
            yield f"{collector._name}{ending}", collector._type, tuple(collector._labelnames)
        else:
            for family in collector.collect():
                ending = "_total" if family.type == "counter" else ""
                yield f"{family.name}{ending}", "", ()


def test_every_metric_is_described_with_its_labels() -> None:
    table = first_cells("operations", "Metrics")
    for name, kind, labels in metrics():
        assert name in table, name
        if kind:
            assert table[name].cells[1] == kind, name
            assert set(labels) == {label for label in words_in(table[name].cells[2]) if label in labels}
            assert bool(labels) is bool(table[name].cells[2]), name


def log_calls() -> Iterator[tuple[str, str, set[str]]]:
    """Yield every line that the package logs: its event, its level, its fields."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in ("log", "_log", "logger")
                and node.func.attr in ("debug", "info", "warning", "error", "exception")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                level = "error" if node.func.attr == "exception" else node.func.attr
                fields = {word.arg for word in node.keywords if word.arg not in (None, "exc_info")}
                yield str(node.args[0].value), level, {str(field) for field in fields}


def test_every_log_line_is_described() -> None:
    table = first_cells("operations", "Log lines")
    found = list(log_calls())
    assert len(found) > 30
    assert set(table) == {event for event, _, _ in found} | {"request"}  # that one is the access log's
    for event, level, fields in found:
        assert event in table, event
        assert level in table[event].cells[1], f"{event} is of level {level}"
        described = words_in(table[event].cells[3])
        assert fields <= described, f"{event} lacks {fields - described}"


def test_every_extra_is_described() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) <= set(first_cells("operations", "Installing"))


def test_the_pages_say_what_they_say_in_plain_words() -> None:
    """Words that STYLE replaces do not stand in the pages."""
    for name in (*NAMES, "the README"):
        text = re.sub(r"```.*?```|`[^`]+`", "", text_of(name), flags=re.DOTALL)
        assert not re.findall(r"\b(?:is|are|was|were) (?:told|away)\b", text), name


# ── the rest of the contract ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("model", "page", "prefix"),
    [
        *((model, "configuration", "") for model in (AgentSettings, *settings_classes().values())),
        (PanelSettings, "panels", ""),
        (PanelLimits, "panels", "limits."),
        (Moderator, "panels", "moderator."),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_default_that_is_shown_is_the_real_one(model: type[BaseModel], page: str, prefix: str) -> None:
    backend = model.model_fields["backend"].default if "backend" in model.model_fields else None
    below = (backend, "Keys of every agent") if isinstance(backend, str) else ("Agents' files", "Keys")
    table = first_cells(page, *below)
    for name, field in model.model_fields.items():
        row = table.get(prefix + name)
        if row is None or not isinstance(field.default, str | int | float) or len(row.cells) < 3:
            continue
        shown = row.cells[2]
        if field.default in ("", backend):
            continue
        wanted = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        assert shown == f"`{wanted}`", f"{prefix}{name} is {wanted}"


def test_every_exit_code_is_described() -> None:
    described = {row.cells[0] for row in rows("configuration") if row.headings[-1] == "Exit codes"}
    assert described == {
        str(code) for code in (FAILED, MISUSED, INTERRUPTED, QUIT, TERMINATED, *EXIT_CODES.values())
    }


@pytest.mark.parametrize("of", [Client, Run, Channel])
def test_every_call_of_the_python_client_is_described(of: type[object]) -> None:
    described = text_of("clients")
    for name in vars(of):
        if not name.startswith("_") and name != "aclose":
            assert re.search(rf"\b(?:client|run)\.{name}\b", described) or name in words_in(described), name


def test_every_header_and_address_option_is_described() -> None:
    security, operations = words_in(text_of("security")), words_in(text_of("operations"))
    headers = ", ".join((CORS_METHODS, CORS_REQUEST_HEADERS, CORS_EXPOSED_HEADERS, *SECURITY_HEADERS))
    assert set(headers.split(", ")) <= security
    assert REDIS_OPTIONS | {"synchronous"} <= operations


def test_every_attribute_of_a_span_is_described() -> None:
    source = Path(tracing.__file__).read_text()
    named = set(re.findall(r'"((?:run|agent|gen_ai|error)\.[\w.]+)"', source))
    assert {"run.id", "error.type"} <= named
    assert named <= words_in(text_of("operations"))


def test_the_rooms_that_are_named_are_there() -> None:
    text = text_of("architecture")
    named = {code for code in code_in(text) if re.fullmatch(r"[a-z_]+(/[a-z_]+)*/?", code)}
    rooms = {code for code in named if "/" in code}
    assert len(rooms) > 20
    for room in rooms:
        path = PACKAGE / room.rstrip("/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), room
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert {f"{folder}/" for folder in folders} <= rooms, folders - {room.rstrip("/") for room in rooms}


def test_the_table_of_imports_is_the_one_that_is_held() -> None:
    shown = {
        row.cells[0].strip("`"): ("*",) if row.cells[1] == "everything" else tuple(code_in(row.cells[1]))
        for row in rows("architecture")
        if row.headings[-1] == "What may import what"
    }
    assert shown == MAY_IMPORT
