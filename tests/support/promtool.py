"""Prometheus' own checker of metrics and rules, where it is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_UNPACKED = (
    Path(__file__).parents[2] / ".servers" / "promtool" / "root" / "usr" / "bin" / "promtool"
)


def ask_promtool(
    *arguments: str, given: bytes = b"", folder: Path | None = None
) -> tuple[int, str]:
    """Run promtool: its exit code, and what it complains of. The test is skipped where there is none."""
    promtool = str(_UNPACKED) if _UNPACKED.exists() else shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here; `make promtool` unpacks it where apt has it")
    done = subprocess.run(
        [promtool, *arguments], input=given, capture_output=True, check=False, cwd=folder
    )
    return done.returncode, done.stderr.decode()
