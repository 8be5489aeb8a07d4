"""The sockets that the service listens on: bound before anything starts, handed on when it reloads."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, ConfigProblem

BACKLOG = 1024
SOCKET_MODE = 0o660
"""Of a Unix socket: its owner and its group may connect, as a proxy that is in the group."""

INHERITED, INHERITED_ADMIN = "ORCHESTRATOR_LISTENER_FD", "ORCHESTRATOR_ADMIN_LISTENER_FD"
"""Name, for a process that replaces itself, the sockets that it listens on already."""


@dataclass(frozen=True, slots=True)
class ServeSockets:
    """The socket for everybody, and the operators' own if there is one."""

    public: socket.socket
    admin: socket.socket | None = None

    @classmethod
    def bind(
        cls, host: str, port: int, *, uds: Path | None = None, admin_port: int | None = None
    ) -> ServeSockets:
        """Bind both; the public one to *uds* if there is one. Raises as `listen`."""
        public = listen(host, port, uds)
        if admin_port is None:
            return cls(public)
        try:
            return cls(public, listen(host, admin_port, option="--admin-port", inherited_as=INHERITED_ADMIN))
        except ConfigError:
            public.close()
            raise

    @property
    def all(self) -> tuple[socket.socket, ...]:
        return (self.public,) if self.admin is None else (self.public, self.admin)

    @property
    def admin_port(self) -> int | None:
        return None if self.admin is None else int(self.admin.getsockname()[1])

    def copy(self) -> ServeSockets:
        """Return the same sockets under other descriptors, so that closing these leaves those open."""
        return ServeSockets(self.public.dup(), None if self.admin is None else self.admin.dup())

    def close(self) -> None:
        for listener in self.all:
            listener.close()

    def hand_on(self) -> None:
        """Let the program that replaces this one listen on: clients that connect meanwhile wait in the backlog."""
        for name, listener in zip((INHERITED, INHERITED_ADMIN), self.all, strict=False):
            listener.set_inheritable(True)
            os.environ[name] = str(listener.fileno())

    def announce(self, workers: int = 1) -> None:
        """Print where clients, and operators, find the service."""
        many = f" with {workers} workers" if workers > 1 else ""
        print(f"Listening on {address_of(self.public)}{many}", flush=True)
        if self.admin is not None:
            print(f"Operators' pages on {address_of(self.admin)}", flush=True)


def listen(
    host: str,
    port: int,
    uds: Path | None = None,
    *,
    option: str = "--port",
    inherited_as: str = INHERITED,
) -> socket.socket:
    """Bind, so that a wrong address or a taken port is said before anything starts; or take over our own.

    Args:
        uds: A Unix socket in place of both.

    Raises:
        ConfigError: The address cannot be bound.
    """
    inherited = os.environ.pop(inherited_as, None)
    if inherited is not None:
        listener = socket.socket(fileno=int(inherited))
        listener.set_inheritable(False)
        return listener
    if uds is not None:
        return _listen_on_path(uds)
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return _bind(*found[0], dual=not host)
    except OSError as exc:
        if isinstance(exc, socket.gaierror) or exc.errno == errno.EADDRNOTAVAIL:
            key, message = "--host", f"{host!r} is no address of this machine ({exc.strerror})"
        else:
            advice = f"choose another {option}, 0 picks a free one"
            key, message = option, f"cannot listen on {host}:{port} ({exc.strerror}); {advice}"
        raise ConfigError([ConfigProblem("orchestrator serve", None, key, message)]) from exc


def _bind(family: int, kind: int, protocol: int, _name: str, address: Any, *, dual: bool) -> socket.socket:
    """Return a socket that is bound to *address*; *dual* takes IPv4 on an address of IPv6, too."""
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and dual:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _listen_on_path(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_left_over(path):
            path.unlink()
        # Nobody may connect before the mode is set: only whom it lets.
        before = os.umask(0o777 & ~SOCKET_MODE)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
    except OSError as exc:
        listener.close()
        message = f"cannot listen on {path} ({exc.strerror or exc})"
        raise ConfigError([ConfigProblem("orchestrator serve", None, "--uds", message)]) from exc
    return listener


def remove_left_over(path: Path) -> None:
    """Remove the file of a Unix socket on which nobody listens any more."""
    with suppress(OSError):
        if _is_left_over(path):
            path.unlink()


def _is_left_over(path: Path) -> bool:
    """Whether a socket is there on which nobody answers, as a process leaves it that was killed."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


def address_of(listener: socket.socket) -> str:
    """Return the address as a URL; of a Unix socket as ``unix:/path``."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
