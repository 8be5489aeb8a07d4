"""What every test needs: an event loop for plugins that ask for one outside of a test, and an order."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from tests.dialects.matrix import watch
from tests.support import zygote
from tests.support.forks import Forks
from tests.support.probe import Answer, Ask, Client, Listen, ProblemServer, fetch

if TYPE_CHECKING:
    from tests.support.service import Service

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

LONGEST_FIRST = (
    "letta/test_real", "browser/test_page_screens", "handbook/test_install", "openai/test_litellm",
    "browser/test_page_safety", "faults/test_cut_streams", "faults/test_lost_workers", "faults/test_drained_streams",
    "test_clients_gone", "tests/test_bench", "faults/test_redis_faults", "tests/test_web", "openai/test_backend",
    "eventlog/test_redis", "test_promises", "test_cuts", "openai/test_canaries", "test_extending", "faults/",
    "openai/test_decoders", "browser/", "test_examples", "cli/", "openai/test_", "test_workers", "test_recovery",
)  # fmt: skip
"""Parts of the paths of files that take longer. Begun last, one of them would leave all cores but one idle.

Those that wait, for servers to start or leases to end, run beside those that are busy, as pages are.
"""

TOGETHER = (Path(__file__).parent / "browser",)
"""Folders whose files share what is slow to start: a browser, which one process after the other would start anew."""

NOBODYS_PORT = "127.0.0.1:9"
"""Where no Ollama is: a suite that found this machine's own, or a key, would ask a model that answers as it likes."""

MODEL_VARIABLES = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_COMPATIBLE_BASE_URL", "OPENAI_COMPATIBLE_MODEL",
    "OPENAI_COMPATIBLE_API_KEY", "OLLAMA_MODEL", "ORCHESTRATOR_OFFLINE",
)  # fmt: skip
for _name in MODEL_VARIABLES:
    os.environ.pop(_name, None)
os.environ["OLLAMA_HOST"] = (
    NOBODYS_PORT  # for the processes of tests; what is read in this one is patched below
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-inputs", type=int, default=800, help="odd inputs of tests/fuzz in all")
    parser.addoption("--fuzz-seed", type=int, default=1, help="other odd inputs")
    parser.addoption("--forks", type=int, default=0, help="processes among which the files are divided")


def pytest_configure(config: pytest.Config) -> None:
    watch(config)


@pytest.fixture(autouse=True, scope="session")
def _kept_topologies() -> Iterator[None]:
    yield
    # Imported by those tests alone that need it.
    if (topologies := sys.modules.get("tests.support.redis_kept")) is not None:
        topologies.KEPT.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order within a file stays."""

    def rank(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((place for place, part in enumerate(LONGEST_FIRST) if part in path), len(LONGEST_FIRST))

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Take what was collected out of the collector's sight: each of its later rounds would go through all of it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Divide the tests among `--forks` processes; without, pytest runs them itself."""
    count = session.config.getoption("forks")
    if not count or session.config.option.collectonly or session.testsfailed:
        return None
    os.environ[zygote.SESSION] = f"forks{os.getpid()}"
    Forks(session, count, TOGETHER).run()
    return True


@pytest.fixture(autouse=True, scope="session")
def _main_thread_loop() -> Iterator[None]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(autouse=True, scope="session")
def _signals_as_in_a_terminal() -> None:
    """Let signals end the programs that tests start: a script's `pytest &` ignores these, and so would they."""
    for number, taken in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, taken)


@pytest.fixture(autouse=True, scope="session")
def _no_ollama_of_this_machine() -> Iterator[None]:
    """Keep a configuration that is read with variables of the test's own from the default address."""
    from orchestrator.backends.auto import ollama

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ollama, "DEFAULT_ADDRESS", f"http://{NOBODYS_PORT}")
        yield


@pytest.fixture
def listen(aiohttp_client: AiohttpClient) -> Listen:
    """Serve applications until the test ends: `client = await listen(app)`."""

    async def serve(app: web.Application, **options: Any) -> Client:
        return await aiohttp_client(ProblemServer(app, **options))

    return serve


@pytest.fixture
def ask(listen: Listen) -> Ask:
    """Serve a fresh application and ask it once: `answer = await ask(make_app, "GET", "/x")`."""

    async def ask_once(
        app: Callable[[], web.Application], method: str = "GET", path: str = "/x", **options: Any
    ) -> Answer:
        return await fetch(await listen(app()), method, path, **options)

    return ask_once


@pytest.fixture
async def serve(aiohttp_client: AiohttpClient) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Serve scripted agents until the test ends: `service = await serve({"a": words("hi")})`."""
    from tests.support.service import client_options, leave, server_of, started

    clients: list[Client] = []

    async def start(scripts: Mapping[str, Any] | None = None, **keys: Any) -> Service:
        clients.append(await aiohttp_client(server_of(scripts, **keys), **client_options()))
        return await started(clients[-1])

    yield start
    for client in clients:
        await leave(client)
