"""An iCalendar file on disk: written whole or not at all, and never over something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_BEGINNING: Final = b"BEGIN:VCALENDAR"


class NotACalendar(Exception):
    """What stands there is no iCalendar file, and is left alone."""


def require_replaceable(path: Path) -> None:
    """Make sure that nothing but an iCalendar file would be overwritten.

    Raises:
        NotACalendar: something else is there.
        OSError: it cannot be read.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise NotACalendar(f"{path} is not a file")
    with path.open("rb") as file:
        if file.read(len(_BEGINNING)).upper() != _BEGINNING:
            raise NotACalendar(f"{path} is there already and is no iCalendar file")


def write_ics(content: bytes, path: Path) -> None:
    """Write a file; a reader sees the old one or the new one.

    Raises:
        NotACalendar: something else is there.
        OSError: it cannot be written.
    """
    require_replaceable(path)
    # A link stays one: what it leads to is replaced.
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
