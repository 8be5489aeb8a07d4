"""The types of the commands' options, and the options of `serve`. Owns no command."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import ConfigError, ConfigProblem
from ..settings.serve import IMAGES, LOG_FORMATS, LOG_LEVELS, ServeSettings, parse_duration

DEFAULTS = ServeSettings()
COUNT = click.IntRange(min=1)

_LINK = re.compile(r"(?:tcp|udp|sctp)://\S+:[0-9]{1,5}")

F = TypeVar("F", bound=Callable[..., Any])


def option(name: str, *more: Any, **attributes: Any) -> Callable[[F], F]:
    """A click option that `ORCHESTRATOR_<NAME>` sets too."""
    variable = f"ORCHESTRATOR_{name.lstrip('-').replace('-', '_').upper()}"
    return click.option(name, *more, envvar=variable, show_envvar=True, **attributes)


class Duration(click.ParamType[float]):
    """Seconds, from `90s`, `30m`, `1h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class Listed(click.ParamType[tuple[str, ...]]):
    """Several values with commas between them."""

    name = "a,b"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())


class ChangedAgent(click.ParamType[dict[str, Any]]):
    """An agent with changes: `skeptic as skeptic-hot model_settings.temperature=1.2 instructions="Be brief."`."""

    name = "AGENT as NAME KEY=VALUE …"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        import shlex

        try:
            agent_id, word, name, *pairs = shlex.split(value)
        except ValueError:
            self.fail(f"{value!r} is not AGENT as NAME KEY=VALUE …", param, ctx)
        if word != "as":
            self.fail(f"{value!r} is not AGENT as NAME KEY=VALUE …", param, ctx)
        changed: dict[str, Any] = {"agent_id": agent_id, "as": name}
        for pair in pairs:
            key, sign, text = pair.partition("=")
            if not sign or not key:
                self.fail(f"{pair!r} is not KEY=VALUE", param, ctx)
            *parents, last = key.split(".")
            place = changed
            for parent in parents:
                place = place.setdefault(parent, {})
                if not isinstance(place, dict):
                    self.fail(f"{pair!r}: {parent} has a value already", param, ctx)
            place[last] = _json_or_text(text)
        return changed


def _json_or_text(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


config_option = option(
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULTS.config,
    show_default=True,
    help="Folder of agents' files.",
)
offline_option = option(
    "--offline", is_flag=True, help="Ask no model: agents with `backend: auto` are offline stand-ins."
)
token_option = option("--token", help="The server's token; safer in the variable than on the command line.")
variants_option = click.option(
    "--agent",
    "changed",
    type=ChangedAgent(),
    multiple=True,
    help="Besides, an agent with other settings, of those that its file lists in `variants`.",
)

SERVE: tuple[Callable[[F], F], ...] = (
    offline_option,
    option("--host", default=DEFAULTS.host, show_default=True, help="Address to listen on."),
    option("--port", type=click.IntRange(0, 65535), default=DEFAULTS.port, show_default=True, help="0: any."),
    option(
        "--uds",
        type=click.Path(path_type=Path),
        help="A Unix socket to listen on, in place of --host and --port.",
    ),
    option(
        "--root-path",
        default=DEFAULTS.root_path,
        metavar="/PATH",
        help="The path under which a proxy shows the service.",
    ),
    option(
        "--admin-port",
        type=click.IntRange(0, 65535),
        help="Where alone /metrics, /readyz and /docs are answered; 0: any.",
    ),
    option(
        "--log",
        default=DEFAULTS.log,
        show_default=True,
        metavar="URL",
        help="Where events are kept: memory:, sqlite:///path.db or redis://host:port/db.",
    ),
    option("--token", help="Wanted from every request; safer in the variable than on the command line."),
    option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="A file of tokens, one a line, or a name and a token; read again when it changes.",
    ),
    option("--metrics-token", help="Wanted on /metrics and /readyz."),
    option(
        "--trusted-proxy",
        type=Listed(),
        multiple=True,
        help="A network whose X-Forwarded-… is believed; or unix.",
    ),
    option("--allow-host", type=Listed(), multiple=True, help="A further Host to answer to; *.name too."),
    option("--allow-origin", type=Listed(), multiple=True, help="The origin of a web page to allow."),
    option(
        "--retention",
        type=Duration(),
        default=f"{DEFAULTS.retention_s:g}s",
        show_default=True,
        help="How long an ended run stays: 90s, 30m, 1h.",
    ),
    option(
        "--conversation-retention",
        type=Duration(),
        default="30d",
        show_default=True,
        help="How long an unused conversation stays.",
    ),
    option(
        "--max-conversation-bytes",
        type=COUNT,
        default=DEFAULTS.max_conversation_bytes,
        show_default=True,
        help="Bytes of all conversations beyond which those unused for longest go.",
    ),
    option(
        "--max-tombstones",
        type=COUNT,
        default=DEFAULTS.max_tombstones,
        show_default=True,
        help="Forgotten runs that are still answered with 410.",
    ),
    option("--max-runs", type=click.IntRange(min=1), default=DEFAULTS.max_runs, show_default=True),
    option(
        "--max-kept-runs",
        type=click.IntRange(min=1),
        default=DEFAULTS.max_kept_runs,
        show_default=True,
        help="Ended runs beyond which the oldest go.",
    ),
    option(
        "--max-log-bytes",
        type=click.IntRange(min=1),
        default=DEFAULTS.max_log_bytes,
        show_default=True,
        help="Bytes of all runs beyond which the oldest ended ones go.",
    ),
    option(
        "--max-live-bytes",
        type=click.IntRange(min=1),
        default=DEFAULTS.max_live_bytes,
        show_default=True,
        help="Bytes that running runs keep in memory, beyond which the largest is ended.",
    ),
    option(
        "--max-run-tokens", type=click.IntRange(min=1), help="Output tokens of one run, all agents together."
    ),
    option(
        "--max-run-cost",
        type=click.FloatRange(min=0, min_open=True),
        help="Cost of one run, in the currency of `prices`.",
    ),
    option(
        "--workers",
        type=click.IntRange(min=1),
        default=DEFAULTS.workers,
        show_default=True,
        help="Processes; more than one share a SQLite file or a Redis.",
    ),
    option("--log-format", type=click.Choice(LOG_FORMATS), default=DEFAULTS.log_format, show_default=True),
    option(
        "--log-level",
        type=click.Choice(LOG_LEVELS),
        default=DEFAULTS.log_level,
        show_default=True,
        help="The least that is logged.",
    ),
    option(
        "--drain",
        type=Duration(),
        default=f"{DEFAULTS.drain_s:g}s",
        show_default=True,
        help="How long runs may take to end after SIGTERM.",
    ),
    option(
        "--max-connections",
        type=COUNT,
        default=DEFAULTS.max_connections,
        show_default=True,
        help="Of all.",
    ),
    option(
        "--images",
        type=click.Choice(IMAGES),
        default=DEFAULTS.images,
        show_default=True,
        help="What a request may bring: nothing, data: URLs, or https: addresses, too.",
    ),
    option(
        "--image-host", type=Listed(), multiple=True, help="The only hosts of images' addresses; *.name too."
    ),
    option(
        "--max-streams",
        type=COUNT,
        default=DEFAULTS.max_streams,
        show_default=True,
        help="Server-Sent-Events streams at once.",
    ),
    option(
        "--max-websockets",
        type=COUNT,
        default=DEFAULTS.max_websockets,
        show_default=True,
        help="WebSockets at once.",
    ),
    option(
        "--max-answer-bytes",
        type=COUNT,
        default=DEFAULTS.max_answer_bytes,
        show_default=True,
        help="Bytes of answers that wait for their clients.",
    ),
    option(
        "--max-request-bytes",
        type=COUNT,
        default=DEFAULTS.max_request_bytes,
        show_default=True,
        help="Bytes of requests that are being read.",
    ),
)
"""In the order of `--help`."""


def serve_options(command: F) -> F:
    """Give *command* the options of `serve`."""
    for each in reversed(SERVE):
        command = each(command)
    return command


def skip_service_links(
    environ: MutableMapping[str, str], parameters: Iterable[click.Parameter]
) -> dict[str, str]:
    """Remove those variables of ours that Kubernetes has set, and return them.

    It tells every container of a Service named `orchestrator` its address: `ORCHESTRATOR_PORT=tcp://10.0.0.7:8080`.
    """
    variables = {each.envvar for each in parameters if isinstance(each.envvar, str)}
    links = {
        name: environ[name] for name in sorted(variables & environ.keys()) if _LINK.fullmatch(environ[name])
    }
    for name in links:
        del environ[name]
    return links


def take_files(environ: MutableMapping[str, str], parameters: Iterable[click.Parameter]) -> None:
    """Set each option's variable to the content of the file that `<variable>_FILE` names, as secrets are mounted.

    A variable that is set itself stays; an option that has a `…-file` of its own reads the file itself.

    Raises:
        ConfigError: A file cannot be read.
    """
    variables = {each.envvar for each in parameters if isinstance(each.envvar, str)}
    for variable in sorted(variables):
        name = f"{variable}_FILE"
        if name in variables or name not in environ or variable in environ:
            continue
        try:
            environ[variable] = Path(environ[name]).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeError) as exc:
            problem = ConfigProblem(
                "orchestrator", None, name, f"{environ[name]} cannot be read ({type(exc).__name__})"
            )
            raise ConfigError([problem]) from exc
