"""A specs folder on disk to the files in it, in one order on every machine.

Read are `*.yaml` and `*.yml`, and the `*.ics` that calendars may name, unless a part of the path hides them with a leading
dot. A link that leads out of the folder is refused. Nothing in the folder is executed, and every file is read to at most
one byte more than such a file may have.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from reconciler.core.calendars import ICS_SUFFIX
from reconciler.core.compile import SourceFile
from reconciler.core.documents import MAX_FILE_BYTES
from reconciler.core.ics import MAX_BYTES as MAX_ICS_BYTES
from runtime.errors import NotFound
from schemas.problem import Problem

SUFFIXES: Final = (".yaml", ".yml", ICS_SUFFIX)
PROJECT_FILE: Final = "ordinaut.yaml"
"""Where the Project stands by custom; it is found in any file."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a specs folder holds.

    Attributes:
        root: the folder, resolved.
        name: what the folder is called in messages.
        files: the readable files, by name.
        problems: what could not be read.
    """

    root: Path
    name: str
    files: tuple[SourceFile, ...]
    problems: tuple[Problem, ...]

    def name_of(self, path: Path) -> str:
        """What a file that lies in the folder is called in messages."""
        return (Path(self.name) / path.resolve().relative_to(self.root)).as_posix()


def read_source(folder: Path, named_from: Path | None = None) -> Source:
    """Read every file of a specs folder.

    Args:
        folder: the specs.
        named_from: where the names of files begin; the folder's parent, whatever the machine, when left out.

    Raises:
        NotFound: there is no such folder.
    """
    require_folder(folder)
    root = folder.resolve()
    reading = _Reading(root, (named_from or root.parent).resolve())
    files = [file for path in sorted(reading.paths()) if (file := reading.read(path)) is not None]
    return Source(root, reading.name(root), tuple(files), tuple(reading.problems))


def most_bytes(name: str) -> int:
    """How large a file of this name may be."""
    return MAX_ICS_BYTES if name.endswith(ICS_SUFFIX) else MAX_FILE_BYTES


def require_folder(folder: Path) -> None:
    """Make sure that there is a specs folder.

    Raises:
        NotFound: there is none.
    """
    if not folder.is_dir():
        raise NotFound(
            f"there is no folder {folder}",
            hint="name the folder of your specs with --specs, or as ORDINAUT_SPECS",
        )


def read_around(path: Path, here: Path | None = None) -> Source:
    """Read what a path means: a specs folder; or a file with the folder around it that holds the Project, or else alone.

    Args:
        path: a folder or a file.
        here: where the names of files begin, if what is read lies below it.

    Raises:
        NotFound: there is no such folder, or the file is none of specs.
    """
    if not path.is_file():
        return read_source(path, _base(path, here))
    if path.suffix not in SUFFIXES:
        raise NotFound(f"{path} is no file of specs", hint="they end in .yaml or .yml")
    for folder in path.absolute().parents:
        if (folder / PROJECT_FILE).is_file():
            return read_source(folder, _base(folder, here))
    root = path.parent.resolve()
    reading = _Reading(root, (_base(root, here) or root.parent).resolve())
    file = reading.read(root / path.name)
    return Source(
        root, reading.name(root), () if file is None else (file,), tuple(reading.problems)
    )


def _base(folder: Path, here: Path | None) -> Path | None:
    return here if here is not None and folder.resolve().is_relative_to(here) else None


def _bounded(file: BinaryIO, size: int, most: int) -> bytes:
    """A file to its end, but at most so many bytes; asking for as many as it has saves room for all that it may have."""
    data = file.read(min(size + 1, most))
    # It grew since it was looked at.
    return data + file.read(most - len(data)) if len(data) > size else data


@dataclass(frozen=True, slots=True)
class _Reading:
    """One walk through a folder."""

    root: Path
    base: Path
    problems: list[Problem] = field(default_factory=list)

    def paths(self) -> Iterator[Path]:
        """Every file of specs."""
        for folder, folders, names in os.walk(self.root, onerror=self._unlisted):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for path in (Path(folder, name) for name in folders):
                if path.is_symlink():
                    self._refuse(path, "ORD010", "links to folders are not followed")
            for name in names:
                if not name.startswith(".") and name.endswith(SUFFIXES):
                    yield Path(folder, name)

    def read(self, path: Path) -> SourceFile | None:
        """A file, or None after telling why it cannot be read."""
        try:
            about = path.lstat()
            if stat.S_ISLNK(about.st_mode):
                if not path.resolve().is_relative_to(self.root):
                    self._refuse(path, "ORD010", "the link leads out of the specs folder")
                    return None
                about = path.stat()
            if not stat.S_ISREG(about.st_mode):
                # Opening a pipe would wait for somebody to write into it.
                self._refuse(path, "ORD001", "is not a regular file")
                return None
            with path.open("rb") as file:
                data = _bounded(file, about.st_size, most_bytes(path.name) + 1)
            return SourceFile(self.name(path), data)
        except OSError as error:
            self._refuse(path, "ORD001", f"cannot be read: {error.strerror}")
            return None

    def name(self, path: Path) -> str:
        """What a file is called in messages."""
        name = path.relative_to(self.base).as_posix()
        # A name that is not UTF-8 can be opened, but not printed or stored.
        return name.encode(errors="backslashreplace").decode()

    def _unlisted(self, error: OSError) -> None:
        self._refuse(Path(error.filename), "ORD001", f"cannot be listed: {error.strerror}")

    def _refuse(self, path: Path, code: str, message: str) -> None:
        self.problems.append(
            Problem(code=code, message=message, file=self.name(path), line=1, column=1)
        )
