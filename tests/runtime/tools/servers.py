"""Definitions of the stand-in servers, and a look at the processes behind them."""

from __future__ import annotations

import os
import signal
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

from runtime.tools.definition import HttpTransport, ServerDefinition, StdioTransport

SUPPORT = Path(__file__).parents[2] / "support"
SECOND = timedelta(seconds=1)


def raw(
    *faults: str, key: str = "raw", env: dict[str, str] | None = None, **fields: Any
) -> ServerDefinition:
    """The server that misbehaves; starts in milliseconds."""
    transport = StdioTransport("python", (str(SUPPORT / "raw_server.py"), *faults), env=env or {})
    return ServerDefinition(key=key, transport=transport, **{"protocol": "legacy", **fields})


def good(key: str = "good", **fields: Any) -> ServerDefinition:
    """The server on the official SDK; takes about a second to start."""
    transport = StdioTransport("python", (str(SUPPORT / "mcp_server.py"), "stdio"))
    return ServerDefinition(key=key, transport=transport, **fields)


def http(url: str, key: str = "web", **fields: Any) -> ServerDefinition:
    """A server at a URL."""
    headers = fields.pop("headers", {})
    return ServerDefinition(key=key, transport=HttpTransport(url, headers), **fields)


def group_of(pid: int) -> list[int]:
    """The living processes of a process group, zombies left out."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _group_if_alive(entry) == pid
    ]


def is_alive(pid: int) -> bool:
    """Whether a process runs and is not a zombie."""
    return _group_if_alive(Path("/proc") / str(pid)) is not None


def kill(pid: int | None, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a server."""
    assert pid is not None, "the server is not running"
    os.kill(pid, number)


def kill_and_wait(pid: int | None) -> None:
    """Kill a server, and go on when it is dead, without giving anybody else a turn to notice."""
    kill(pid)
    assert pid is not None
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_files() -> int:
    """How many file descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def _group_if_alive(entry: Path) -> int | None:
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[2])
