"""The state folder of the embedded servers: what lies where, whose it is, and who uses it.

    .ordinaut/           0700; 0710 with the servers' group where root runs them as another user
        .gitignore       everything: the folder never enters a repository
        lock             flock of the process that runs the servers, and its number and purpose
        password         0600, made at random on first use; the same for PostgreSQL and Valkey
        servers.json     0600, exists while the servers answer: their URLs
        web.json         0600, exists while `ordinaut up` runs: where its web side is (see `web`)
        databases/       0700: a URL for each database that specs ask for, with the password of its role
        processes/       which processes of specs run
        postgres/        data, 0700, owned by the user PostgreSQL runs as
        valkey/          data, likewise
        run/             sockets, likewise; a folder under the system's temporary one where this path is too long
        sockets_at       where the sockets are
        *.log, *.pid     what the servers say, and which processes they are

Only folders that were made here are ever given another mode or owner.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runtime.embedded.processes import Account, ProcessRecord
from runtime.errors import EmbeddedError
from runtime.files import write_private

# A socket's path holds 103 bytes on macOS and 107 on Linux; the longest name in the folder is PostgreSQL's.
_SOCKET_PATH_BYTES = 103
_LONGEST_SOCKET = ".s.PGSQL.65535"
_TEMPORARY_PREFIX = "ordinaut-"


@dataclass(frozen=True, slots=True)
class Urls:
    """How to reach the servers. Both hold the password, so neither is ever shown.

    Attributes:
        database: a libpq URL.
        redis: a redis-py URL; None where only PostgreSQL was started.
    """

    database: str = field(repr=False)
    redis: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock.

    Attributes:
        pid: its number; None in the moment before it has written it.
        is_temporary: whether it lets go by itself within moments.
    """

    pid: int | None
    is_temporary: bool


class StateFolder:
    """Paths and small files of one state folder; makes nothing before `prepare`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.postgres = self.root / "postgres"
        self.valkey = self.root / "valkey"
        self._lock: int | None = None

    @property
    def account(self) -> Account | None:
        """Who the servers run as; None: as ourselves. A folder that has data keeps the owner it has.

        Raises:
            EmbeddedError: ORD307, we are root and there is no other user.
        """
        if os.geteuid() != 0:
            return None
        if self.postgres.is_dir() and (owner := self.postgres.stat()).st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
        for name in ("postgres", "nobody"):
            try:
                found = pwd.getpwnam(name)
            except KeyError:
                continue
            return Account(found.pw_uid, found.pw_gid)
        raise EmbeddedError(
            "PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody",
            hint="add one of them, or run Ordinaut as an ordinary user",
        )

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            EmbeddedError: ORD307, it cannot be made or written, or belongs to somebody else.
        """
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            # Several commands may come at once; whoever makes it makes it theirs and the servers'.
            with suppress(FileExistsError):
                self.root.mkdir(mode=0o700)
                if account := self.account:
                    os.chown(self.root, -1, account.gid)
                    self.root.chmod(0o710)
            self._refuse_foreign()
            self.write(".gitignore", "*\n")
        except OSError as error:
            raise EmbeddedError(
                f"the state directory {self.root} cannot be used: {error.strerror}",
                hint="set ORDINAUT_STATE_DIR to a folder on a local disk that has space and that you may write",
            ) from error

    def file(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, text: str, account: Account | None = None) -> Path:
        """Write a private file and give it to `account`."""
        path = self.file(name)
        write_private(path, text)
        if account:
            os.chown(path, account.uid, account.gid)
        return path

    def make_folder(self, path: Path) -> None:
        """Make an empty private folder for the servers, in the place of whatever was there."""
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        if account := self.account:
            os.chown(path, account.uid, account.gid)

    def password(self) -> str:
        """The password of both servers, made on first use."""
        path = self.file("password")
        if not path.exists():
            self.write("password", secrets.token_urlsafe(24))
        return path.read_text().strip()

    def make_socket_folder(self) -> Path:
        """A fresh folder for the sockets, short enough for their paths; forgets the one before."""
        self.remove_socket_folder()
        folder = self.root / "run"
        if _fits_sockets(folder):
            self.make_folder(folder)
        else:
            folder = self._temporary_folder()
        self.write("sockets_at", str(folder))
        return folder

    def remove_socket_folder(self) -> None:
        recorded = self.file("sockets_at")
        if not recorded.exists():
            return
        folder = Path(recorded.read_text())
        # What lies under a shared temporary folder may be gone, or somebody else's, since.
        with suppress(FileNotFoundError):
            if folder.lstat().st_uid in {os.geteuid(), self.account and self.account.uid}:
                shutil.rmtree(folder, ignore_errors=True)
        recorded.unlink()

    def save_urls(self, urls: Urls) -> None:
        """Tell other processes that the servers answer."""
        self.write("servers.json", json.dumps(asdict(urls)))

    def forget_urls(self) -> None:
        self.file("servers.json").unlink(missing_ok=True)

    def load_urls(self) -> Urls | None:
        """What `save_urls` wrote last; the servers may be gone since."""
        try:
            return Urls(**json.loads(self.file("servers.json").read_text()))
        except OSError:
            # Not there, or not ours to read: either way nothing that we could use.
            return None

    def lock(self, *, is_temporary: bool) -> Holder | None:
        """Take the lock; None if we hold it now, else who does. The kernel frees it when its holder dies."""
        lock = os.open(self.file("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(lock)
            os.close(lock)
            return holder
        us = ProcessRecord.of(os.getpid())
        os.truncate(lock, 0)
        os.write(lock, json.dumps([us and asdict(us), is_temporary]).encode())
        self._lock = lock
        return None

    @property
    def is_locked(self) -> bool:
        """Whether we hold the lock."""
        return self._lock is not None

    def unlock(self) -> None:
        """Let go of the lock; does nothing if we do not hold it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _refuse_foreign(self) -> None:
        found = self.root.stat()
        if found.st_uid != os.geteuid():
            raise EmbeddedError(
                f"the state directory {self.root} belongs to user {found.st_uid}, and we are {os.geteuid()}",
                hint="run as that user, or set ORDINAUT_STATE_DIR to a folder of your own",
            )
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise EmbeddedError(
                f"others may write to the state directory {self.root}",
                hint=f"run `chmod go-w {self.root}`, or set ORDINAUT_STATE_DIR to another folder",
            )

    def _temporary_folder(self) -> Path:
        name = f"{_TEMPORARY_PREFIX}12345678"
        parents = (tempfile.gettempdir(), "/tmp")  # noqa: S108 - mkdtemp makes a private folder in it
        parent = next(parent for parent in parents if _fits_sockets(Path(parent) / name))
        folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX, dir=parent))
        if account := self.account:
            os.chown(folder, account.uid, account.gid)
        return folder


def _fits_sockets(folder: Path) -> bool:
    # A comma parts folders in PostgreSQL's settings and hosts in a connection string.
    path = os.fsencode(folder / _LONGEST_SOCKET)
    return len(path) <= _SOCKET_PATH_BYTES and b"," not in path


def _holder(lock: int) -> Holder:
    try:
        process, is_temporary = json.loads(os.pread(lock, 4096, 0))
        record = ProcessRecord(**process)
    except (ValueError, TypeError):
        return Holder(pid=None, is_temporary=True)
    if not record.is_alive():
        # A dead holder's name: the living one has not yet written its own.
        return Holder(pid=None, is_temporary=True)
    return Holder(pid=record.pid, is_temporary=bool(is_temporary))
