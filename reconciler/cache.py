"""What earlier commands found out, in the state folder: read only if we wrote it here ourselves.

Everything in it can be found out again, so nothing here fails: what cannot be read is not there, and what cannot be
written is not kept. Entries are JSON, never anything that runs when it is read.

A repository or an archive may bring a whole state folder along, in which a plan would say whatever its author liked. So
every entry is sealed with a secret and with what no file can bring along: the number and the time of change that the file
system of this machine gave to the file of the secret. A copy, a checkout or a restored backup of the folder is no cache.

    .ordinaut/cache/     0700
        secret           0600, made at random on first use
        NAME.json        0600: its seal, the digest of the rest, the head, the rest; a line each

An entry has a head, which is read at once, and a rest, which is read when it is asked for.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final

from runtime.errors import EmbeddedError
from runtime.files import write_private
from runtime.logs import get_logger

MOST_ENTRIES: Final = 8
"""The latest that are kept: the checkouts and environments that one folder is used for, before and after an edit."""
MOST_BYTES: Final = 67_108_864
"""The largest content that is kept, so that the whole cache stays below half a gigabyte."""

_log = get_logger("cache")
_SECRET_BYTES: Final = 32
_LINES_BEFORE_REST: Final = 3
_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class Entry:
    """What was kept under a name.

    Attributes:
        head: the part that is read at once.
    """

    head: bytes
    _path: Path
    _rest_digest: bytes

    def rest(self) -> bytes | None:
        """The other part; None if it is not there any more, or not as we wrote it."""
        with suppress(OSError), _open_ours(self._path) as file:
            if file is None:
                return None
            _, digest, _ = (file.readline().rstrip(b"\n") for _ in range(_LINES_BEFORE_REST))
            rest = file.read()
            if digest != self._rest_digest:
                # Another command has put another entry in its place meanwhile.
                return None
            if hmac.compare_digest(_digest(rest), digest):
                return rest
            _log.debug("%s is damaged: dropped", self._path)
            self._path.unlink(missing_ok=True)
        return None


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache of one state folder; nothing is made before something is kept.

    Attributes:
        state_dir: the state folder.
    """

    state_dir: Path

    def find(self, name: str) -> Entry | None:
        """What was kept under a name, if it is all there and we wrote it."""
        path = self._folder / f"{name}{_SUFFIX}"
        with suppress(OSError):
            if (key := self._key()) is None:
                return None
            with _open_ours(path) as file:
                if file is None:
                    _log.debug("others may write to %s: not read", path)
                    return None
                seal, rest_digest, head = (
                    file.readline().rstrip(b"\n") for _ in range(_LINES_BEFORE_REST)
                )
            if not hmac.compare_digest(seal, _seal(key, name, rest_digest, head)):
                _log.debug("%s is damaged, or not of this folder: not read", path)
                return None
            # What was used last goes last.
            os.utime(path)
            return Entry(head, path, rest_digest)
        return None

    def keep(self, name: str, head: bytes, rest: bytes = b"") -> None:
        """Keep something under a name, and drop what has not been used for longest.

        Args:
            head: the part that is read at once; a single line.
            rest: the other part.
        """
        if len(head) + len(rest) > MOST_BYTES:
            return
        with suppress(OSError, EmbeddedError):
            self._prepare()
            if (key := self._key()) is not None:
                digest = _digest(rest)
                entry = b"\n".join((_seal(key, name, digest, head), digest, head, rest))
                write_private(self._folder / f"{name}{_SUFFIX}", entry)
                self._drop_oldest()

    @property
    def _folder(self) -> Path:
        return self.state_dir / "cache"

    def _prepare(self) -> None:
        from runtime.embedded.state import StateFolder  # noqa: PLC0415 - with the servers, and finding does without

        StateFolder(self.state_dir).prepare()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if _is_ours_alone(self._folder.lstat()) and self._key() is None:
            write_private(self._folder / "secret", secrets.token_bytes(_SECRET_BYTES))

    def _key(self) -> bytes | None:
        if not _is_ours_alone(self._folder.lstat()):
            return None
        path = self._folder / "secret"
        try:
            found = path.lstat()
            with _open_ours(path) as file:
                secret = b"" if file is None else file.read(_SECRET_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(secret) != _SECRET_BYTES:
            return None
        return blake2b(f"{found.st_ino} {found.st_ctime_ns}".encode(), key=secret).digest()

    def _drop_oldest(self) -> None:
        entries = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: path.lstat().st_mtime)
        for path in entries[:-MOST_ENTRIES]:
            path.unlink(missing_ok=True)


@contextmanager
def _open_ours(path: Path) -> Iterator[BinaryIO | None]:
    """A file that only we can have written since it was made; None for anything else, a link above all."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(number, "rb") as file:
        found = os.fstat(number)
        is_ours = stat.S_ISREG(found.st_mode) and _is_ours_alone(found)
        yield file if is_ours and found.st_size <= 2 * MOST_BYTES else None


def _is_ours_alone(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def _seal(key: bytes, name: str, rest_digest: bytes, head: bytes) -> bytes:
    seal = blake2b(b"\n".join((name.encode(), rest_digest, b"")), key=key)
    seal.update(head)
    return seal.hexdigest().encode()


def _digest(rest: bytes) -> bytes:
    return blake2b(rest).hexdigest().encode()
