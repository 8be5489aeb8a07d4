"""Starts `python -m orchestrator`, or another program, quickly: forks it from a process that has loaded the SDK.

A fresh interpreter takes 3.5 s of a core to import the Agents SDK, and the tests start such commands many dozen
times. `command` returns what to start instead: a small process with the same output, signals and exit code, in whose
name the zygote forks the real one; if the small one is killed, so is the other. `TEST_ZYGOTE=0` does without. Who stops
or watches the real one asks for its number: `real_pid`.

One zygote serves all processes of a test session; it ends when the last of them has.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SESSION = "TEST_SESSION"
"""The variable that names a session to all the processes that run its tests."""

PRELOADED = (
    "agents", "openai", "mcp", "mcp.server", "uvicorn", "orchestrator.cli", "orchestrator.server.serve",
    "orchestrator.local", "orchestrator.config", "rich.console", "rich.live", "ruamel.yaml",
    "orchestrator.cli.commands", "orchestrator.cli.handles", "orchestrator.terminal.session",
    "orchestrator.backends.openai.backend", "orchestrator.backends.offline.backend",
    "orchestrator.panels.methods.moderator", "orchestrator.panels.methods.race", "orchestrator.telemetry.tracing",
    "h11", "httpcore2", "truststore", "anyio.streams.tls", "uvloop", "encodings.idna", "encodings.utf_8_sig",
)  # fmt: skip
"""Modules of libraries, and of the package what most commands load; what else there is comes in after the fork."""

BUILT = (
    "Response", "ResponseCompletedEvent", "ResponseFunctionToolCall", "ResponseOutputMessage", "ResponseOutputText",
    "ResponseReasoningItem", "ResponseReasoningSummaryTextDeltaEvent", "ResponseTextDeltaEvent", "ResponseUsage",
)  # fmt: skip
"""Models in `openai.types.responses` whose schemas wait until they are used first: most of what a short run costs."""

_leases: dict[str, socket.socket] = {}

_ASKS = 1 << 31
"""Beside a process's number: which process runs in its name? No command is as long."""


def command(*arguments: str) -> list[str]:
    """Return the command that runs `python -m orchestrator` with *arguments*."""
    return module_command("orchestrator", *arguments)


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `python -m` *module* with *arguments*."""
    return _stand_in_command(module, *arguments) or [sys.executable, "-m", module, *arguments]


def program_command(program: str | Path, *arguments: str) -> list[str]:
    """Return the command that runs `python` *program*, a file, with *arguments*."""
    return _stand_in_command(str(program), *arguments) or [sys.executable, str(program), *arguments]


def _stand_in_command(*argv: str) -> list[str] | None:
    if os.environ.get("TEST_ZYGOTE") == "0" or not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
        return None
    return [sys.executable, "-I", "-S", __file__, _address(), *argv]


def real_pid(pid: int) -> int:
    """Return the process in whose name *pid* runs: the one to be signalled and looked at.

    Raises:
        ProcessLookupError: It has ended.
    """
    if not _leases:  # without a zygote each is itself
        return pid
    for address in _leases:
        with socket.socket(socket.AF_UNIX) as zygote:
            zygote.connect(address)
            _exactly(zygote, 1)
            zygote.sendall((_ASKS | pid).to_bytes(4, "big"))
            if found := int.from_bytes(_exactly(zygote, 4), "big"):
                return found
    raise ProcessLookupError(pid)


# ── for the tests ─────────────────────────────────────────────────────────────────────────────


def _address() -> str:
    """Return the zygote's address; the first one that asks starts it."""
    session = os.environ.get(SESSION, f"pid{os.getpid()}")
    address = f"{tempfile.gettempdir()}/zygote-{session[:20]}"
    if address not in _leases:
        with open(f"{address}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _leases[address] = _lease(address)
    return address


def _lease(address: str) -> socket.socket:
    lease = socket.socket(socket.AF_UNIX)
    try:
        lease.connect(address)
    except OSError:
        Path(address).unlink(missing_ok=True)
        _start(address)
        lease.connect(address)
    # Once it has loaded all, so that no limit on a program's start is spent on that.
    _exactly(lease, 1)
    return lease


def _start(address: str) -> None:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ORCHESTRATOR_", "OPENAI_"))
    }
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(256)
    subprocess.Popen(
        [sys.executable, __file__, "--serve", str(server.fileno())],
        pass_fds=[server.fileno()], env={**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}, cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
    ).returncode = 0  # it outlives this process, which need not wait for it  # fmt: skip
    server.close()


# ── the small process ─────────────────────────────────────────────────────────────────────────


def _stand_in(address: str, arguments: Sequence[str]) -> int:
    """Have the zygote run the command with our files, pass signals on, and return its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.pthread_sigmask(signal.SIG_BLOCK, (number,))
    zygote = socket.socket(socket.AF_UNIX)
    zygote.connect(address)
    _exactly(zygote, 1)
    asked = {"argv": list(arguments), "cwd": os.getcwd(), "env": dict(os.environ)}
    body = json.dumps(asked).encode()
    socket.send_fds(zygote, [len(body).to_bytes(4, "big")], [0, 1, 2])
    zygote.sendall(body)
    pid = int.from_bytes(_exactly(zygote, 4), "big")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: os.kill(pid, number))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
    code = int.from_bytes(_exactly(zygote, 4), "big", signed=True)
    if code < 0:
        with suppress(OSError):  # nobody handles SIGKILL
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _exactly(sock: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = sock.recv(size - len(found))
        if not piece:
            raise SystemExit("the zygote has gone")
        found += piece
    return found


# ── the zygote ────────────────────────────────────────────────────────────────────────────────


class Zygote:
    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ)
        self._children: dict[int, socket.socket] = {}
        self._clients: dict[socket.socket, int | None] = {}
        self._stand_ins: dict[int, int] = {}
        self._ended, self._wake = socket.socketpair()
        for end in (self._ended, self._wake):
            end.setblocking(False)
        self._selector.register(self._ended, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Fork for whoever asks, until the last lease has ended."""
        leased = False
        while self._clients or not leased:
            for key, _ in self._selector.select():
                if key.fileobj is self._server:
                    client, _ = self._server.accept()
                    with suppress(OSError):  # it was killed already, as its end says
                        client.sendall(b".")
                    self._clients[client] = None
                    self._selector.register(client, selectors.EVENT_READ)
                    leased = True
                elif key.fileobj is self._ended:
                    self._ended.recv(4096)
                    self._bury()
                else:
                    self._hear(key.fileobj)  # type: ignore[arg-type]

    def _hear(self, client: Any) -> None:
        pid = self._clients[client]
        try:
            head, files, _, _ = socket.recv_fds(client, 4, 3)
        except OSError:
            head, files = b"", []
        if pid is not None or len(head) < 4:
            # A lease that has ended, or a stand-in that was killed.
            self._selector.unregister(client)
            del self._clients[client]
            self._stand_ins.pop(_peer(client), None)
            client.close()
            if pid in self._children:
                del self._children[pid]
                os.kill(pid, signal.SIGKILL)
            return
        if (asks := int.from_bytes(head, "big")) & _ASKS:
            with suppress(OSError):  # who asked was killed
                client.sendall(self._stand_ins.get(asks ^ _ASKS, 0).to_bytes(4, "big"))
            return
        try:
            asked = json.loads(_exactly(client, asks))
        except (OSError, SystemExit):  # a stand-in that was killed while it asked: its end is next to be read
            for file in files:
                os.close(file)
            return
        pid = os.fork()
        if pid == 0:
            self._become(asked, files)
        for file in files:
            os.close(file)
        self._clients[client], self._children[pid] = pid, client
        self._stand_ins[_peer(client)] = pid
        with suppress(OSError):  # likewise
            client.sendall(pid.to_bytes(4, "big"))

    def _become(self, asked: dict[str, Any], files: list[int]) -> None:
        """Be a fresh Python that runs the module, or the file, that was asked for from here on."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for own in (self._server, self._ended, self._wake, *self._clients):
            own.close()
        self._selector.close()
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        for name, target, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
            buffered = -1 if name != "stderr" else 1
            opened = open(target, mode, buffered, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays
            setattr(sys, name, opened)
            setattr(sys, f"__{name}__", opened)
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["cwd"])
        sys.argv[:] = asked["argv"]
        program = sys.argv[0]
        of_file = program.endswith(".py")
        sys.path[0] = str(Path(program).resolve().parent) if of_file else asked["cwd"]
        sys.orig_argv[:] = [sys.executable, *([] if of_file else ["-m"]), *sys.argv]
        code = 1
        try:
            if of_file:
                runpy.run_path(program, run_name="__main__")
            else:
                runpy.run_module(program, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        except BaseException:  # as an interpreter does
            sys.excepthook(*sys.exc_info())
        finally:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except OSError:
                    code = 120
            os._exit(code)

    def _bury(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            client = self._children.pop(pid, None)
            if client is not None:
                self._stand_ins.pop(_peer(client), None)
                with suppress(OSError):  # the stand-in was killed at the same moment
                    client.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _peer(client: socket.socket) -> int:
    """Return the number of the process at the other end, also once it has ended."""
    return int(struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def _serve(file: int) -> None:
    sys.path[0] = ""  # not this file's folder: a command's own goes there
    for name in PRELOADED:
        try:
            __import__(name)
        except ImportError:
            continue  # an extra that is not installed
    responses = sys.modules.get("openai.types.responses")
    for name in BUILT if responses else ():
        getattr(responses, name).model_rebuild()
    gc.collect()
    gc.freeze()
    Zygote(socket.socket(fileno=file)).serve()


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        _serve(int(sys.argv[2]))
    else:
        sys.exit(_stand_in(sys.argv[1], sys.argv[2:]))
