"""Records of running server processes, and the end of those whose runtime died.

A record is a file `<pid>.json`. It names the process by number *and* start time, because numbers are used again, and the
runtime that owns it in the same way, because several runtimes may share one state folder. A group is killed only if its
leader is provably the recorded one and its owner is provably gone.

Limit: a background process that outlived its server *and* the runtime is not found again; while the runtime lives, it
kills the whole group as soon as the server ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.started import started


class ServerRecords:
    """The records of the servers that this process runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, pid: int, command: Sequence[str]) -> None:
        """Record a process that leads a group of its own."""
        owner = {"pid": os.getpid(), "started": started(os.getpid())}
        record = {
            "pid": pid,
            "pgid": pid,
            "started": started(pid),
            "owner": owner,
            "command": list(command),
        }
        self._path(pid).write_text(json.dumps(record))

    def remove(self, pid: int) -> None:
        """Forget a process that has ended."""
        self._path(pid).unlink(missing_ok=True)

    def _path(self, pid: int) -> Path:
        return self._folder / f"{pid}.json"


def reap_orphans(folder: Path) -> list[int]:
    """Kill the groups that a dead runtime left behind, and drop the records of what is gone.

    Returns:
        The process numbers of the killed leaders.
    """
    killed = []
    for path in sorted(folder.glob("*.json")):
        record = _read(path)
        if record is not None and _is(record["owner"]):
            continue
        if record is not None and _is(record):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(record["pgid"], signal.SIGKILL)
                killed.append(int(record["pid"]))
        path.unlink(missing_ok=True)
    return killed


def _is(process: dict[str, Any]) -> bool:
    """Whether this very process still runs."""
    return process["started"] is not None and started(process["pid"]) == process["started"]


def _read(path: Path) -> dict[str, Any] | None:
    """A record, or None if the file is not one (the runtime died while writing it)."""
    try:
        record = json.loads(path.read_text())
        complete = {"pid", "pgid", "started", "owner"} <= set(record)
    except (OSError, ValueError, TypeError):
        return None
    return record if complete else None
