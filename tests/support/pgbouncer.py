"""PgBouncer itself, where it is installed: in the path, or unpacked by `make pgbouncer`."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from tests.support.probes import eventually
from tests.support.processes import ROOT
from tests.support.proxy import Proxy

_UNPACKED = ROOT / ".servers" / "pgbouncer" / "root"

_CONFIG = """
[databases]
* = host=127.0.0.1 port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
# Consecutive transactions meet different sessions.
server_round_robin = 1
ignore_startup_parameters = extra_float_digits{options}
"""


_ENV = {"LD_LIBRARY_PATH": str(_UNPACKED / "usr/lib/x86_64-linux-gnu")}


def program() -> str | None:
    """Where it is; none where it is not, or cannot be run."""
    unpacked = _UNPACKED / "usr/sbin/pgbouncer"
    found = str(unpacked) if unpacked.exists() else shutil.which("pgbouncer")
    if found is None:
        return None
    asked = subprocess.run([found, "-V"], env=_ENV, capture_output=True, check=False)
    return found if asked.returncode == 0 else None


@asynccontextmanager
async def pgbouncer(url: str, folder: Path, *, drops_options: bool = True) -> AsyncIterator[str]:
    """The URL of the same database through a PgBouncer in transaction mode, for the block."""
    parts = urlsplit(url)
    # It may not be root, and nobody else reaches the server's socket.
    async with Proxy(url) as proxy:
        port = _free_port()
        config = folder / "pgbouncer.ini"
        config.write_text(
            _CONFIG.format(
                port=urlsplit(proxy.url).port,
                user=parts.username,
                password=unquote(parts.password or ""),
                listen_port=port,
                options=",options" if drops_options else "",
            )
        )
        process = _start(config)
        try:
            await eventually(lambda: _answers(port), "PgBouncer answers")
            address = f"{parts.username}:any@127.0.0.1:{port}"
            query = "sslmode=disable&gssencmode=disable"
            yield urlunsplit(parts._replace(netloc=address, query=query))
        finally:
            process.kill()
            await asyncio.to_thread(process.wait)


def _start(config: Path) -> subprocess.Popen[bytes]:
    executable = program()
    assert executable is not None
    return subprocess.Popen(
        [executable, *(["-u", "nobody"] if os.geteuid() == 0 else []), config],
        env=_ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        found: int = listener.getsockname()[1]
        return found
