"""When a process started: with its number, what no other process ever shares with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": os.defpath}


def started(pid: int) -> str | None:
    """The start of the process that has this number now, in a form that only equality is asked of; None if none has, or
    only a zombie.
    """
    return _on_linux(pid) if sys.platform == "linux" else _elsewhere(pid)


def _on_linux(pid: int) -> str | None:
    """Boot and tick: unlike a wall time, these do not move when the clock is set."""
    try:
        # The name, in brackets, may hold spaces and brackets; after it come the state and, 19 fields on, the start.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if state in "ZX" else f"{boot} {fields[18]}"


def _elsewhere(pid: int) -> str | None:
    answer = subprocess.run(  # noqa: S603 - a number is the only argument that varies
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env=_ENVIRONMENT,
    )
    state, _, start = answer.stdout.strip().partition(" ")
    return None if state[:1] in ("", "Z") else start.strip()
