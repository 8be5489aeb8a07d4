"""Which model answers for agents with `backend: auto`: what is looked for, in which order, and for how long."""

from __future__ import annotations

import signal
import socket
import threading
from typing import Any

import pytest

from orchestrator.backends.auto import ollama as client
from orchestrator.backends.auto import search
from orchestrator.backends.auto.search import ModelSearch, environ_for, shown
from orchestrator.config.auto_notice import describe_models

from ...support.ollama import ollama

TOOLS = {"capabilities": ["completion", "tools"]}
TEXT_ONLY = {"capabilities": ["completion"]}
KEY = {"OPENAI_API_KEY": "sk-1"}
COMPATIBLE = {"OPENAI_COMPATIBLE_BASE_URL": "http://user:pw@127.0.0.1:8000/v1?key=3"}
AT_COMPATIBLE = {"base_url": COMPATIBLE["OPENAI_COMPATIBLE_BASE_URL"]}


@pytest.mark.parametrize(
    ("environ", "name", "place", "keys"),
    [
        (KEY, "gpt-5-mini", "OpenAI", {"api_key": "sk-1"}),
        (KEY | {"OPENAI_MODEL": "m"}, "m", "OpenAI", {"api_key": "sk-1"}),
        (KEY | {"OPENAI_BASE_URL": "http://gateway/v1"}, "gpt-5-mini", "http://gateway", {"api_key": "sk-1"}),
        (COMPATIBLE, "llama3.2", "http://127.0.0.1:8000", AT_COMPATIBLE | {"api_key": "none"}),
        (
            COMPATIBLE | KEY | {"OPENAI_COMPATIBLE_MODEL": "m", "OPENAI_COMPATIBLE_API_KEY": "k"},
            "m",
            "http://127.0.0.1:8000",
            AT_COMPATIBLE | {"api_key": "k"},
        ),
    ],
    ids=["key", "model", "gateway", "compatible", "both"],
)
def test_a_variable_names_the_model(
    environ: dict[str, str], name: str, place: str, keys: dict[str, Any]
) -> None:
    """An address that is meant for this program goes before a key, which goes to nobody else."""
    found = ModelSearch(environ).found
    assert found is not None
    assert (found.name, found.place, found.keys) == (name, place, keys)
    assert "sk-1" not in repr(found)


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_MODEL": "m"}])
def test_without_any_there_is_none(environ: dict[str, str]) -> None:
    assert ModelSearch(environ).found is None


@pytest.mark.parametrize(("value", "off"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_offline_means_that_nothing_is_looked_for(value: str, off: bool) -> None:
    with ollama({"a": TOOLS}) as here:
        found = ModelSearch({"ORCHESTRATOR_OFFLINE": value, "OLLAMA_HOST": here.host}).found
        assert (found is None) is off
        assert bool(here.asked) is not off
    assert ModelSearch(environ_for(KEY, offline=True)).found is None


def test_ollamas_newest_model_with_tools_answers_and_is_looked_for_once() -> None:
    with ollama({"embed": {"capabilities": ["embedding"]}, "old:7b": TEXT_ONLY, "new:8b": TOOLS}) as here:
        models = ModelSearch({"OLLAMA_HOST": here.host})
        models.begin()
        found = models.found
        assert models.found is found is not None
        models.begin()
        assert here.asked == ["/api/tags", *(f"/api/show {name}" for name in here.models)]
    assert (found.name, found.place) == ("new:8b", f"Ollama at http://{here.host}")
    assert found.keys == {"base_url": f"http://{here.host}/v1", "api_key": "none"}


def test_a_key_keeps_it_from_being_asked() -> None:
    with ollama({"a": TOOLS}) as here:
        assert ModelSearch(KEY | {"OLLAMA_HOST": here.host}).found is not None
        assert here.asked == []


@pytest.mark.parametrize(
    ("models", "wanted", "name"),
    [
        ({"a": TEXT_ONLY}, "a", "a"),
        ({"a:latest": TOOLS}, "a", "a:latest"),
        ({"a": {"template": "{{ .Prompt }}"}, "b": {"template": "{{ if .Tools }}"}}, None, "b"),
        ({"a": {"odd": True}, "b": TOOLS}, None, "b"),
        ({"a\x1b[2J": TOOLS, "x" * 201: TOOLS, "b": TOOLS}, None, "b"),
    ],
)
def test_which_model_of_an_ollama(models: dict[str, dict[str, Any]], wanted: str | None, name: str) -> None:
    with ollama(models) as here:
        assert client.find_model(f"http://{here.host}", wanted) == name


@pytest.mark.parametrize(
    ("models", "wanted", "lack"),
    [
        ({}, "", "has no model that calls tools"),
        ({"a": TEXT_ONLY}, "", "has no model that calls tools"),
        ({"a": {"odd": True}}, "", "has no model that calls tools"),
        ({"a": TOOLS}, "b", "has no model 'b'"),
    ],
)
def test_an_ollama_without_such_a_model_is_named_where_it_is_said_who_answers(
    models: dict[str, dict[str, Any]], wanted: str, lack: str
) -> None:
    """Else who has pulled a model that calls no tools, or misspelt one, looks for the fault elsewhere."""
    with ollama(models) as here:
        models_here = ModelSearch({"OLLAMA_HOST": here.host, "OLLAMA_MODEL": wanted})
        line = describe_models(["a"], models_here)
    assert models_here.found is None
    assert f"not language models: the Ollama at http://{here.host} {lack}. For real answers" in line


DEEP = b'{"models":' + b"[" * 100_000


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{"models":[{"name": null}]}',
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(DEEP), DEEP),
    ],
    ids=["nothing", "ssh", "list", "500", "redirect", "null", "deep"],
)
def test_somebody_else_at_the_port_is_no_ollama(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        assert client.find_model(f"http://127.0.0.1:{listener.getsockname()[1]}") is None
        thread.join()


def test_a_silent_one_is_waited_for_no_longer_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers only once the search has given up, so what is found shows that it did."""
    monkeypatch.setattr(search, "SEARCH_SECONDS", 0.05)
    monkeypatch.setattr(client, "REPLY_SECONDS", 30)
    hold = threading.Event()
    with ollama({"a": TOOLS}, hold=hold) as here:
        assert ModelSearch({"OLLAMA_HOST": here.host}).found is None
        assert not hold.is_set()
        hold.set()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("localhost", "http://localhost:11434"),
        ("10.0.0.7:4000", "http://10.0.0.7:4000"),
        (":4000", "http://127.0.0.1:4000"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://[::]:4000", "http://[::1]:4000"),
        ("https://models.example/ollama/", "https://models.example:443/ollama"),
        ("http://models.example", "http://models.example:80"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host: str, address: str) -> None:
    assert client.address_of(host) == address


@pytest.mark.parametrize("host", ["ftp://x", "a:b:c", "x:99999999"])
def test_an_ollama_host_that_is_no_address_is_passed_over(host: str) -> None:
    assert client.address_of(host) == client.DEFAULT_ADDRESS


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("http://u:p@h:1/v1?k=s", "http://h:1"),
        ("http://h:x", "an address that is none"),
        ("https://h/v1", "https://h"),
    ],
)
def test_an_address_is_shown_without_what_it_keeps(address: str, line: str) -> None:
    assert shown(address) == line


def test_a_name_that_does_not_resolve_in_time_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(search, "SEARCH_SECONDS", 0.01)
    monkeypatch.setattr(client, "find_model", lambda *_: release.wait() and "late")
    models = ModelSearch({})
    assert models.found is None
    release.set()
    assert models.found is None, "who was told that there is none is not told otherwise later"


def test_no_signal_reaches_the_thread_that_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service's parent blocks its signals and waits for them: a thread beside it took a worker's end away."""
    blocked: set[int] = set()

    def find_model(address: str, wanted: str | None) -> None:
        blocked.update(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    monkeypatch.setattr(client, "find_model", find_model)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert ModelSearch({}).found is None
    assert blocked >= {signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
