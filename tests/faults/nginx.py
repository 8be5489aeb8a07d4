"""A real nginx that is set up against us: it buffers, compresses and gives up idle connections. Owns the process."""

from __future__ import annotations

import asyncio
import getpass
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.listening import free_port
from tests.support.parts import require
from tests.support.patience import PATIENCE_SECONDS

CONFIG = """
pid nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any; gzip_http_version 1.0;
    proxy_buffering on;
    proxy_buffers 16 64k;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_set_header Accept-Encoding "";    # so that it is nginx that compresses
    proxy_read_timeout {read_timeout}s;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    server {{
        listen 127.0.0.1:{plain};
        location / {{ proxy_pass http://127.0.0.1:{server}; }}
    }}
    server {{
        listen 127.0.0.1:{tls} ssl http2;
        location / {{ proxy_pass http://127.0.0.1:{server}; }}
    }}
}}
"""


@dataclass(frozen=True)
class Addresses:
    """Where nginx listens: HTTP/1.1, and HTTP/2 over TLS with a certificate that nobody signed."""

    plain: str
    tls: str


@asynccontextmanager
async def nginx(server: int, folder: Path, *, read_timeout: float) -> AsyncIterator[Addresses]:
    """Run nginx before the port *server*."""
    program = require("nginx")
    plain, tls = free_port(), free_port()
    _make_certificate(folder)
    values = {"plain": plain, "tls": tls, "server": server, "folder": folder}
    (folder / "nginx.conf").write_text(CONFIG.format(read_timeout=int(read_timeout), **values))
    # A worker of another user, as root's nginx has one by default, could not write into this folder.
    more = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf"),
        "-g", f"daemon off; {more}",
    )  # fmt: skip
    try:
        for port in (plain, tls):
            await _until_open(port, process)
        yield Addresses(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}")
        assert process.returncode is None
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)


def _make_certificate(folder: Path) -> None:
    subprocess.run(
        [
            require("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "1", "-subj", "/CN=localhost",
            "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"),
        ],
        check=True, capture_output=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip


async def _until_open(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            assert process.returncode is None, "nginx has ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
