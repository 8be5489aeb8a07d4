"""Covers `orchestrator/server/listener.py`: the socket that the service listens on."""

from __future__ import annotations

import os
import socket

import pytest

from orchestrator.errors import ConfigError
from orchestrator.server.listener import INHERITED, INHERITED_ADMIN, ServeSockets, address_of, listen


@pytest.fixture(autouse=True)
def _nothing_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INHERITED, raising=False)
    monkeypatch.delenv(INHERITED_ADMIN, raising=False)


def test_a_free_port_is_picked_and_named_by_the_address() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert address_of(listener) == f"http://127.0.0.1:{port}"
        assert not listener.get_inheritable()


def test_an_address_of_version_6_is_bracketed() -> None:
    with listen("::1", 0) as listener:
        assert address_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_a_taken_port_is_said_before_anything_starts() -> None:
    with listen("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}") as caught:
            listen("127.0.0.1", port)
        assert caught.value.problems[0].key == "--port"


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-name.invalid"])
def test_an_address_of_another_machine_is_said_to_be_one(host: str) -> None:
    with pytest.raises(ConfigError, match="no address of this machine") as caught:
        listen(host, 0)
    assert caught.value.problems[0].key == "--host"


def test_a_socket_is_handed_on_once_and_goes_on_listening() -> None:
    """What replaces this process inherits the descriptor; children of that one must not."""
    with listen("127.0.0.1", 0) as first:
        first.listen()
        ServeSockets(first).hand_on()
        assert first.get_inheritable()
        assert os.environ[INHERITED] == str(first.fileno())
        # What `exec` would give: the same socket under a number of its own.
        os.environ[INHERITED] = str(os.dup(first.fileno()))
        with listen("127.0.0.1", 0) as second:
            assert INHERITED not in os.environ
            assert second.getsockname() == first.getsockname()
            assert not second.get_inheritable()
            with socket.create_connection(second.getsockname()) as client:
                accepted, _ = second.accept()
                accepted.sendall(b"x")
                accepted.close()
                assert client.recv(1) == b"x"


def test_the_operators_socket_is_bound_and_handed_on_beside_the_other() -> None:
    first = ServeSockets.bind("127.0.0.1", 0, admin_port=0)
    try:
        assert first.admin is not None
        assert first.admin_port == first.admin.getsockname()[1] != first.public.getsockname()[1]
        first.hand_on()
        for name, listener in ((INHERITED, first.public), (INHERITED_ADMIN, first.admin)):
            os.environ[name] = str(os.dup(listener.fileno()))
        second = ServeSockets.bind("127.0.0.1", 0, admin_port=0)
        assert [each.getsockname() for each in second.all] == [each.getsockname() for each in first.all]
        second.close()
        first.public.listen()
        with pytest.raises(ConfigError) as caught:
            ServeSockets.bind("127.0.0.1", 0, admin_port=first.public.getsockname()[1])
        assert caught.value.problems[0].key == "--admin-port"
    finally:
        first.close()
    alone = ServeSockets.bind("127.0.0.1", 0)
    assert (alone.admin_port, len(alone.all)) == (None, 1)
    alone.close()
