"""What earlier commands found out, in the state folder: read only if we wrote it here ourselves.

Everything in it can be found out again, so nothing here fails: what cannot be read is not there, and what cannot be
written is not kept. Entries are JSON, never anything that runs when it is read.

A repository or an archive may bring a whole state folder along, in which a plan would say whatever its author liked. So
every entry is sealed with a secret and with what no file can bring along: the number and the time of change that the file
system of this machine gave to the file of the secret. A copy, a checkout or a restored backup of the folder is no cache.

    .ordinaut/cache/     0700
        secret           0600, made at random on first use
        NAME.json        0600: its seal, a newline, the content
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from runtime.embedded.files import write_private
from runtime.embedded.state import StateFolder
from runtime.errors import EmbeddedError

MOST_ENTRIES: Final = 8
"""The latest that are kept: the checkouts and environments that one folder is used for, before and after an edit."""
MOST_BYTES: Final = 67_108_864
"""The largest content that is kept, so that the whole cache stays below half a gigabyte."""

_SECRET_BYTES: Final = 32
_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache of one state folder; nothing is made before something is kept.

    Attributes:
        state_dir: the state folder.
    """

    state_dir: Path

    def find(self, name: str) -> bytes | None:
        """What was kept under a name, if it is all there and we wrote it."""
        with suppress(OSError):
            path = self._folder / f"{name}{_SUFFIX}"
            if (key := self._key()) is None or (entry := _read_ours(path)) is None:
                return None
            seal, _, content = entry.partition(b"\n")
            if hmac.compare_digest(seal, _seal(key, name, content)):
                # What was used last goes last.
                os.utime(path)
                return content
        return None

    def keep(self, name: str, content: bytes) -> None:
        """Keep something under a name, and drop what has not been used for longest."""
        if len(content) > MOST_BYTES:
            return
        with suppress(OSError, EmbeddedError):
            self._prepare()
            if (key := self._key()) is not None:
                entry = b"\n".join((_seal(key, name, content), content))
                write_private(self._folder / f"{name}{_SUFFIX}", entry)
                self._drop_oldest()

    @property
    def _folder(self) -> Path:
        return self.state_dir / "cache"

    def _prepare(self) -> None:
        StateFolder(self.state_dir).prepare()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if _is_ours_alone(self._folder.lstat()) and self._key() is None:
            write_private(self._folder / "secret", secrets.token_bytes(_SECRET_BYTES))

    def _key(self) -> bytes | None:
        if not _is_ours_alone(self._folder.lstat()):
            return None
        path = self._folder / "secret"
        try:
            found, secret = path.lstat(), _read_ours(path)
        except FileNotFoundError:
            return None
        if secret is None or len(secret) != _SECRET_BYTES:
            return None
        return blake2b(f"{found.st_ino} {found.st_ctime_ns}".encode(), key=secret).digest()

    def _drop_oldest(self) -> None:
        entries = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: path.lstat().st_mtime)
        for path in entries[:-MOST_ENTRIES]:
            path.unlink(missing_ok=True)


def _read_ours(path: Path) -> bytes | None:
    """A file that only we can have written since it was made; None for anything else, a link above all."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(number, "rb") as file:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode) or not _is_ours_alone(found):
            return None
        return file.read() if found.st_size <= 2 * MOST_BYTES else None


def _is_ours_alone(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def _seal(key: bytes, name: str, content: bytes) -> bytes:
    seal = blake2b(name.encode() + b"\n", key=key)
    seal.update(content)
    return seal.hexdigest().encode()
