"""The process of `orchestrator serve`: listens, drains, reloads, stops. The application is `app`'s."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog
from aiohttp import web

from ..backends.auto.search import environ_for
from ..config.load import Config, load_config
from ..eventlog.open import cluster_of, open_log
from ..process import end_process, run_and_leave
from ..settings.limits import ConnectionLimits, RunLimits
from ..settings.serve import ServeSettings
from ..telemetry.logs import configure_logging, printable
from ..telemetry.redaction import said_by
from .access_log import AccessLog
from .app import CLEANUP_SECONDS, create_app
from .app_keys import LOADED, SIBLINGS
from .drain import drain
from .fair_loop import fair_loop
from .http.guards.connections import CONNECTIONS
from .http.guards.security import SecuritySettings, check_bind
from .http.images import ImageRule
from .http.runner import ProblemRunner, site_of
from .listener import BACKLOG, ServeSockets, remove_left_over
from .malloc_trim import FreedMemory
from .options import ServerOptions
from .sibling_metrics import SiblingMetrics
from .workers import CONFIG_EXIT, Serve, run_workers

log = structlog.get_logger(__name__)


def serve(settings: ServeSettings) -> int:
    """Run the service until a signal ends it; return the exit code.

    The first SIGTERM or SIGINT drains, a second one quits at once. SIGHUP drains and reads the agents' files anew.

    Raises:
        ConfigError: The configuration or an option is wrong; nothing was started.
    """
    configure_logging(settings.log_format, settings.log_level)
    for name, value in settings.passed_over.items():
        log.warning(
            "service_link_passed_over", variable=name, value=value, advice="set enableServiceLinks: false"
        )
    if settings.uds is None:
        check_bind(settings.host, settings.token, settings.token_file)
    config = _load(settings)
    listeners = ServeSockets.bind(
        settings.host, settings.port, uds=settings.uds, admin_port=settings.admin_port
    )
    try:
        # Process 1 of a container gets signals only that it asked for, and everybody's orphans: the parent does that.
        if settings.workers > 1 or os.getpid() == 1:
            return _serve_many(config, listeners, settings)
        # A copy, since it is closed when it has drained: whoever comes next listens on the other one.
        server = _Server(config, listeners.copy(), settings)

        def leave(code: int) -> None:
            # A tool that blocks its thread holds the loop's closing; it must not turn a reload into an end.
            if server.reload:
                _start_anew(listeners)
            end_process(code)

        code = server.run(leave)
        if server.reload:
            _start_anew(listeners)
        return code
    finally:
        listeners.close()
        if settings.uds is not None:
            remove_left_over(settings.uds)


def _load(settings: ServeSettings) -> Config:
    config = load_config(settings.config, environ_for(os.environ, offline=settings.offline))
    if config.notice and settings.log_format == "console":
        print(config.notice, file=sys.stderr, flush=True)
    elif config.notice:
        log.info("who_answers", notice=config.notice)
    for skipped in config.skipped:
        log.info("agent_left_out", agent_id=skipped.agent_id, reason=skipped.reason)
    for panel in config.skipped_panels:
        log.info("panel_left_out", panel_id=panel.panel_id, reason=panel.reason)
    return config


def _serve_many(config: Config, listeners: ServeSockets, settings: ServeSettings) -> int:
    for listener in listeners.all:
        listener.listen(BACKLOG)
    first: list[Config] = [config]

    def prepare() -> Serve:
        loaded = first.pop() if first else _load(settings)
        return lambda ready: _Server(loaded, listeners, settings, siblings=folder, ready=ready).run()

    with tempfile.TemporaryDirectory(prefix="orchestrator-") as name:
        folder = Path(name)
        return run_workers(settings.workers, prepare, announce=lambda: listeners.announce(settings.workers))


def _start_anew(listeners: ServeSockets) -> None:
    """Replace this process by a new one with the same arguments and the same sockets."""
    listeners.hand_on()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command, once more


class _Server:
    """One process that serves.

    Args:
        siblings: The folder in which the workers of one parent find each other; None for one that is alone.
        ready: Called once requests are answered.
    Attributes:
        reload: Whether SIGHUP ended it.
    """

    def __init__(
        self,
        config: Config,
        listeners: ServeSockets,
        settings: ServeSettings,
        *,
        siblings: Path | None = None,
        ready: Callable[[], None] | None = None,
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._settings = settings
        self._siblings = siblings
        self._ready = ready
        self.reload = False

    def run(self, leave: Callable[[int], None] = end_process) -> int:
        """Serve in this process, until a signal ends it; *leave* is for `run_and_leave`."""
        settings = self._settings
        event_log = open_log(settings.log)
        app = create_app(
            self._config,
            event_log=event_log,
            cluster=cluster_of(settings.log, event_log, workers=settings.workers),
            security=SecuritySettings(
                host="127.0.0.1" if settings.uds is not None else settings.host,
                token=settings.token,
                token_file=settings.token_file,
                metrics_token=settings.metrics_token,
                trusted_proxies=settings.trusted_proxies,
                root_path=settings.root_path,
                allow_hosts=settings.allow_hosts,
                allow_origins=settings.allow_origins,
                admin_port=self._listeners.admin_port,
                uds=settings.uds,
            ),
            options=_options(settings),
            limits=_limits(settings),
        )
        if self._siblings is not None:
            app[SIBLINGS] = SiblingMetrics(self._siblings)
        return run_and_leave(self._serve(app), loop_factory=_make_loop, leave=leave)

    async def _serve(self, app: web.Application) -> int:
        runner = ProblemRunner(
            app, handler_cancellation=True, access_log_class=AccessLog, shutdown_timeout=CLEANUP_SECONDS
        )
        app[CONNECTIONS].fit_descriptors()
        freed = FreedMemory.of_system()
        giving_back = (
            None if freed is None else asyncio.create_task(freed.give_back(), name="give-back-memory")
        )
        await runner.setup()
        stop = self._stop_signal()
        try:
            sites = [site_of(runner, listener) for listener in self._listeners.all]
            for site in sites:
                await site.start()
            if self._ready is None:
                self._listeners.announce()
            if SIBLINGS in app:
                await app[SIBLINGS].listen(runner)
            await asyncio.wait((app[LOADED], stop), return_when=asyncio.FIRST_COMPLETED)
            if not stop.done() and (exc := app[LOADED].exception()) is not None:
                print(f"An agent or a panel cannot be loaded: {printable(said_by(exc))}", file=sys.stderr)
                await drain(app, 0)  # runs of the others may have begun: their clients hear how they end
                return CONFIG_EXIT
            if not stop.done():
                keep_loaded()
                if self._ready is not None:
                    self._ready()
            await stop
            if self.reload and self._ready is not None:
                for site in sites:
                    await site.stop()  # successors answer already what comes now
            await drain(app, self._settings.drain_s)
        finally:
            if giving_back is not None:
                giving_back.cancel()
            await runner.cleanup()
        return 0

    def _stop_signal(self) -> asyncio.Future[None]:
        """Return a future that the first SIGTERM, SIGINT or SIGHUP resolves; the next one ends the process at once.

        Not one of several workers: a terminal and systemd signal each of them, and the parent passes the signal on, so
        that what was meant once comes twice. What is meant twice, the parent sees to.
        """
        loop = asyncio.get_running_loop()
        stop: asyncio.Future[None] = loop.create_future()

        def on_signal(number: int) -> None:
            again = stop.done() and number != signal.SIGHUP and self._siblings is None
            if number == signal.SIGQUIT or again:
                os._exit(128 + number)
            if not stop.done():
                self.reload = number == signal.SIGHUP
                stop.set_result(None)

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            loop.add_signal_handler(number, on_signal, number)
        return stop


def _options(settings: ServeSettings) -> ServerOptions:
    return ServerOptions(
        root_path=settings.root_path,
        images=ImageRule(settings.images, settings.image_hosts),
        connections=ConnectionLimits(
            settings.max_connections,
            settings.max_streams,
            settings.max_websockets,
            settings.max_answer_bytes,
            settings.max_request_bytes,
        ),
    )


def _limits(settings: ServeSettings) -> RunLimits:
    return RunLimits(
        max_runs=settings.max_runs,
        max_kept_runs=settings.max_kept_runs,
        max_log_bytes=settings.max_log_bytes,
        max_live_bytes=settings.max_live_bytes,
        retention_s=settings.retention_s,
        conversation_retention_s=settings.conversation_retention_s,
        max_conversation_bytes=settings.max_conversation_bytes,
        max_tombstones=settings.max_tombstones,
        max_run_tokens=settings.max_run_tokens,
        max_run_cost=settings.max_run_cost,
    )


FULL_COLLECTION_AFTER = 2
"""Collections of the middle generation before a full one; Python's own is 10."""

YOUNG_COLLECTION_TIMES = 4
"""How many times as many new objects as Python's own 700 are looked through at once, and as few times until the next
generation: a start makes most of its objects at once, and all that live then are walked each time."""


def keep_loaded() -> None:
    """Hide what is loaded by now from the garbage collector: it stays, and each walk over an SDK takes 0.3 s.

    For a whole process, so only a command may call it.
    """
    gc.collect()
    gc.freeze()
    # What ended runs leave behind is let go of in small portions: by itself Python gathers that of a thousand.
    young, middle, _ = gc.get_threshold()
    young, middle = young * YOUNG_COLLECTION_TIMES, max(1, middle // YOUNG_COLLECTION_TIMES)
    gc.set_threshold(young, middle, FULL_COLLECTION_AFTER)


def _make_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return fair_loop()
    return uvloop.Loop()
