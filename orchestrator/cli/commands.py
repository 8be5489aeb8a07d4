"""The commands: their options, their messages, their exit codes. Other modules do what they ask for.

Nothing heavy is imported before a command needs it: `--help` loads neither aiohttp nor an SDK.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from ..errors import ConfigError, InvalidRequest, OrchestratorError
from ..settings.serve import ServeSettings
from .options import (
    DEFAULTS,
    Listed,
    config_option,
    offline_option,
    option,
    serve_options,
    skip_service_links,
    take_files,
    token_option,
    variants_option,
)  # fmt: skip
from .process_one import end_on_signal
from .screens import DISTRIBUTION, watch

if TYPE_CHECKING:
    from ..client.client import Client
    from ..config.load import Config

PROGRAM = "orchestrator"
DEFAULT_SERVER = "http://127.0.0.1:8080"

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
REFUSED_INPUT = (400, 404, 410, 413, 422)

GIVE_UP_SECONDS = 60.0
"""A command ends if its server stays unavailable for so long; a person can ask again."""


def show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the installed version and end."""
    if value:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version(DISTRIBUTION)
        except PackageNotFoundError:
            found = "from a checkout that is not installed"
        click.echo(f"{PROGRAM} {found}")
        ctx.exit()


server_option = option("--server", default=DEFAULT_SERVER, show_default=True, help="Address of the server.")
moderator_option = option("--moderator", metavar="AGENT", help="Who has the last word, with a method.")
json_option = option("--json", "as_json", is_flag=True, help="One JSON event a line.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version)
def cli() -> None:
    """Ask several AI agents at once and follow all their answers in one stream."""


@cli.command()
@config_option
@serve_options
@click.pass_obj
def serve(links: dict[str, str] | None, /, **given: Any) -> Any:
    """Listen for questions over HTTP."""
    from ..eventlog.open import check_address

    try:
        settings = ServeSettings(
            token=given.pop("token") or None,
            metrics_token=given.pop("metrics_token") or None,
            root_path=(given.pop("root_path") or "").rstrip("/"),
            passed_over=links or {},
            trusted_proxies=_joined(given.pop("trusted_proxy")),
            allow_hosts=_joined(given.pop("allow_host")),
            allow_origins=_joined(given.pop("allow_origin")),
            image_hosts=_joined(given.pop("image_host")),
            retention_s=given.pop("retention"),
            conversation_retention_s=given.pop("conversation_retention"),
            drain_s=given.pop("drain"),
            **given,
        )
        check_address(settings.log, workers=settings.workers)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    _allow_local_modules()
    from ..server.serve import serve as listen

    return listen(settings)


@cli.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@option("--log", default=DEFAULTS.log, show_default=True, help="The log that is copied.")
def backup(file: Path, log: str) -> int:
    """Copy a log to the new FILE, also while a service uses it.

    To restore it, stop the service, remove what ends in -wal and -shm, and put FILE in the log's place.
    """
    from ..eventlog.open import backup_log

    try:
        size = backup_log(log, file)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    click.echo(f"{file}: {size} bytes")
    return 0


@cli.command()
@click.argument("question")
@option("--agents", type=Listed(), help="Who is asked; else those marked as default.")
@variants_option
@option("--panel", metavar="PANEL", help="Let them work together: a panel's id, or a method (judge, vote …).")
@moderator_option
@option("--server", metavar="URL", help="Ask through this server; else in this process.")
@json_option
@config_option
@offline_option
@token_option
def run(
    question: str,
    agents: tuple[str, ...] | None,
    changed: tuple[dict[str, Any], ...],
    panel: str | None,
    moderator: str | None,
    server: str | None,
    as_json: bool,
    config: Path,
    offline: bool,
    token: str | None,
) -> int:
    """Ask QUESTION (- reads it from the input) and show all answers as they come.

    Ctrl-C cancels, a second one quits. Exit code: 0 all done, 3 some, 1 none.
    """
    from .handles import PanelChoice, agents_here, all_asked, start_at, start_here

    question = sys.stdin.read() if question == "-" else question
    if not question.strip():
        raise click.UsageError("the question is empty")
    if moderator and not panel:
        raise click.UsageError("--moderator needs a --panel: the method that it has the last word in")
    wish = PanelChoice(panel, moderator) if panel else None
    asked = all_asked(agents, changed)
    server = _chosen_server(server)
    if server:
        client = _client(server, token)
        if not as_json:
            _print_whom(server)
        return watch(start_at(client, question, asked, wish), as_json)
    _allow_local_modules()
    here = agents_here(config, offline=offline)
    opening = start_here(here, question, asked, wish)  # refuses what cannot be asked, before anything is said
    _print_who_answers(here)
    return watch(opening, as_json)


@cli.command()
@click.argument("run_id")
@click.argument("panel")
@moderator_option
@server_option
@json_option
@token_option
def panel(
    run_id: str, panel: str, moderator: str | None, server: str, as_json: bool, token: str | None
) -> int:
    """Let PANEL, a panel's id or a method, work over the answers of a run at a server.

    Who has answered is not asked again. It happens in that run while it is open, else in a new one. Ctrl-C
    cancels that run, a second one quits. Exit code as `run`.
    """
    from .handles import PanelChoice, panel_over

    return watch(panel_over(_client(server, token), run_id, PanelChoice(panel, moderator)), as_json)


@cli.command()
@click.argument("run_id")
@server_option
@option("--after", metavar="EVENT_ID", help="Go on after this event; else from the first.")
@json_option
@token_option
def tail(run_id: str, server: str, after: str | None, as_json: bool, token: str | None) -> int:
    """Follow a run at a server. Ctrl-C leaves; the run goes on."""
    from .handles import attach_to

    return watch(attach_to(_client(server, token), run_id, after), as_json, interrupt_cancels=False)


@cli.command()
@click.argument("run_id")
@click.argument("agent_id", required=False)
@server_option
@token_option
def cancel(run_id: str, agent_id: str | None, server: str, token: str | None) -> None:
    """Cancel a run at a server, or one agent of it."""
    import asyncio

    async def ask() -> None:
        async with _client(server, token) as client:
            await client.attach(run_id).cancel(agent_id)

    asyncio.run(ask())
    click.echo(f"{agent_id or 'every agent'} of {run_id} is asked to end")


@cli.command()
@click.argument("questions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--agents", type=Listed(), multiple=True, required=True, help="Who is compared.")
@click.option("--judge", metavar="AGENT", help="Who says which answer is the best.")
@click.option("--runs", type=click.IntRange(1, 100), default=1, help="How often each question is put.")
@click.option("--at-once", type=click.IntRange(1, 64), default=4, show_default=True, help="Runs at a time.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("comparison"), show_default=True)
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.0, help="Exit with 3 below it.")
@config_option
@offline_option
@option("--server", help="Ask a server; without, the agents run in this process.")
@token_option
def compare(config: Path, offline: bool, server: str | None, token: str | None, **given: Any) -> int:
    """Put every question of a JSONL file to every agent; print scores, write DIR/report.html.

    A line is a string, or {"question", "id", "expect": ["words of a right answer"]}. Given again, it goes on.
    """
    from ..process import run_and_leave
    from .comparison.compare import ComparisonPlan, compare
    from .handles import agents_here, compared_by

    _allow_local_modules()
    server = _chosen_server(server)
    here = None if server else agents_here(config, offline=offline)
    if here is None:
        _print_whom(server or "")
    else:
        _print_who_answers(here)
    comparison = ComparisonPlan(**given | {"agents": _joined(given["agents"])})
    opening = compared_by(comparison, here, lambda: _client(server or "", token))
    return run_and_leave(compare(comparison, opening))


@cli.command()
@click.argument("url")
@click.option("--agents", type=Listed(), help="Who is asked; the server's default ones if left out.")
@click.option("--message", help="What they are asked; a few sentences of answer are enough.")
@click.option("--patience", type=click.FloatRange(min=0.1), help="Seconds until a stream has to end (60).")
@token_option
def conformance(
    url: str, agents: tuple[str, ...] | None, message: str | None, patience: float | None, token: str | None
) -> int:
    """Check a running server against the protocol's promises.

    Prints a line of pass or fail for each clause of the handbook's protocol page; exits with 1 if one fails.
    """
    import asyncio

    from ..conformance.__main__ import MESSAGE, PATIENCE_SECONDS, report

    asked = list(agents) if agents else None
    return asyncio.run(report(url, token, asked, message or MESSAGE, patience or PATIENCE_SECONDS))


@cli.command()
@config_option
@offline_option
@click.option("--no-load", is_flag=True, help="Read the files only; import no SDK and none of your modules.")
def check(config: Path, offline: bool, no_load: bool) -> int:
    """Say what is wrong with the files of agents and panels, all at once."""
    from ..backends.auto.search import environ_for
    from ..config.check import check_agents
    from ..framing.base import check_dialects
    from ..telemetry.logs import printable

    _allow_local_modules()
    report = check_agents(config, environ_for(os.environ, offline=offline), load=not no_load)
    problems = [*report.problems, *([] if no_load else check_dialects())]
    for line in report.lines:
        click.echo(line)
    for problem in problems:
        click.echo(printable(str(problem)), err=True)
    if problems:
        click.echo(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", err=True)
    return FAILED if problems else 0


@cli.command()
@click.argument("kind", type=click.Choice(["agent", "panel"]), default="agent")
def schema(kind: str) -> None:
    """Print the JSON Schema of an agent's file, or of a panel's, for editors."""
    import json

    from ..config.schema import json_schema, panel_schema

    click.echo(json.dumps(json_schema() if kind == "agent" else panel_schema(), indent=2))


# ── what the commands share ───────────────────────────────────────────────────────────────────


def _joined(values: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(part for parts in values for part in parts)


def _allow_local_modules() -> None:
    """Let `module:function` mean a file in the folder where the command is given, as with `python -m`."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())


def _chosen_server(server: str | None) -> str | None:
    """Return the server that is to be asked; who names a folder of agents on the command line asks none.

    Else a variable that happens to be set would send a question to other agents than those that are named.
    """
    source = click.get_current_context().get_parameter_source
    if server is None or source("config") is not ParameterSource.COMMANDLINE:
        return server
    if source("server") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--server has agents of its own; leave --config or --server out")
    return None


def _print_whom(server: str) -> None:
    from_variable = click.get_current_context().get_parameter_source("server") is ParameterSource.ENVIRONMENT
    click.echo(f"asking {server}{' (ORCHESTRATOR_SERVER)' if from_variable else ''}", err=True)


def _print_who_answers(config: Config) -> None:
    if config.notice:
        click.echo(config.notice, err=True)


def _client(server: str, token: str | None) -> Client:
    from ..client.client import Client

    try:
        return Client(server, token or None, give_up_s=GIVE_UP_SECONDS)
    except ValueError as exc:
        raise click.UsageError(f"--server {exc}") from exc


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 2 for misuse, 1 for a failure, each with one line that says why."""
    end_on_signal()
    try:
        parameters = [parameter for command in cli.commands.values() for parameter in command.params]
        links = skip_service_links(os.environ, parameters)
        take_files(os.environ, parameters)
        code = cli.main(arguments, prog_name=PROGRAM, standalone_mode=False, obj=links)
    except click.exceptions.NoArgsIsHelpError as exc:
        exc.show()
        code = MISUSED
    except click.ClickException as exc:
        code = _complain(exc.format_message(), exc.exit_code)
    except ConfigError as exc:
        code = _complain(str(exc), FAILED)
    except InvalidRequest as exc:
        faults = "; ".join(f"{field.at}: {field.detail}" for field in exc.fields)
        code = _complain(f"{exc} ({faults})" if faults else str(exc), MISUSED)
    except OrchestratorError as exc:
        code = _complain(str(exc), MISUSED if getattr(exc, "status", None) in REFUSED_INPUT else FAILED)
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`); what is still buffered must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str, code: int) -> int:
    from ..telemetry.logs import printable
    from ..terminal.text import clean

    click.echo(f"{PROGRAM}: {printable(clean(message))}", err=True)
    return code
