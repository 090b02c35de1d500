"""The tool lock on disk, brought up to what servers offer: read, compared, and replaced as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.contract_words import lock_changes
from reconciler.core.files import LOCK_NAME, MAX_LOCK_BYTES
from reconciler.core.tool_lock import (
    NoToolLock,
    lock_text,
    locked_server,
    read_lock,
)
from runtime.errors import NotFound, ToolLockError
from schemas.tool_lock import LockChange, LockedServer, ToolLock
from schemas.tools import ServerReport


@dataclass(frozen=True, slots=True)
class Renewal:
    """A tool lock as it is and as it would be.

    Attributes:
        path: the file.
        lock: what it would hold.
        changes: how that differs from what it holds.
        before: its bytes; None if there is none.
    """

    path: Path
    lock: ToolLock
    changes: tuple[LockChange, ...]
    before: bytes | None

    @property
    def is_pending(self) -> bool:
        """Whether the file says something else."""
        return self.before is None or bool(self.changes)


def renewal(
    folder: Path, reports: Iterable[ServerReport], stays: Callable[[str], bool] | None
) -> Renewal:
    """What the tool lock of a specs folder would become.

    Args:
        folder: the specs.
        reports: of the servers that are locked anew; each answered.
        stays: whether a server that is not reported stays as it is locked; None for a tool lock of the reported servers
            alone, for which a file that cannot be read is none.

    Raises:
        ToolLockError: the file is of a later version, cannot be read and is needed, or would be too large.
    """
    path = folder / LOCK_NAME
    before = _bytes(path)
    former = _former(path, before, needed=stays is not None)
    servers: Mapping[str, LockedServer] = former.servers if former is not None else {}
    stay = {name: one for name, one in servers.items() if stays is not None and stays(name)}
    lock = ToolLock(servers=stay | {one.server: locked_server(one) for one in reports})
    lock_text(lock)
    return Renewal(path, lock, lock_changes(former, lock), before if former is not None else None)


def locked_in(folder: Path) -> ToolLock:
    """The tool lock of a specs folder.

    Raises:
        NotFound: there is none.
        ToolLockError: it cannot be read.
    """
    path = folder / LOCK_NAME
    lock = _former(path, _bytes(path), needed=True)
    if lock is None:
        raise NotFound(f"there is no {path}", hint="`ordinaut tools lock` writes it")
    return lock


def write(renewal: Renewal) -> None:
    """Replace the file; a reader sees the old one or the new one.

    Raises:
        ToolLockError: it cannot be written.
    """
    # A link stays one: what it leads to is replaced.
    target = renewal.path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            beside.write_bytes(lock_text(renewal.lock))
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise ToolLockError(f"{renewal.path} cannot be written: {error.strerror}") from error


def _bytes(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_LOCK_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ToolLockError(f"{path} cannot be read: {error.strerror}") from error


def _former(path: Path, data: bytes | None, *, needed: bool) -> ToolLock | None:
    if data is None:
        return None
    try:
        return read_lock(data)
    except NoToolLock as error:
        if needed or error.later:
            place = f"{path}:{error.line}:{error.column}"
            raise ToolLockError(f"{place}: {error.message}", hint=error.hint) from error
        return None
