"""A specs folder on disk to the files in it, in one order on every machine.

Read are `*.yaml` and `*.yml`, and the `*.ics` that calendars may name, unless a part of the path hides them with a leading
dot; and the tool lock. What stands in the folder's own `tests` is read apart from that: it is no part of the specs. A link
that leads out of the folder is refused. Nothing in the folder is executed, every file is read to at most one
byte more than such a file may have, and all of them to no more than a folder may hold.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from reconciler.core.files import (
    ICS_SUFFIX,
    LOCK_NAME,
    MAX_FILE_BYTES,
    MAX_ICS_BYTES,
    MAX_LOCK_BYTES,
    SourceFile,
)
from runtime.errors import NotFound
from schemas.problem import Problem

YAML_SUFFIXES: Final = (".yaml", ".yml")
SUFFIXES: Final = (*YAML_SUFFIXES, ICS_SUFFIX)
PROJECT_FILE: Final = "ordinaut.yaml"
"""Where the Project stands by custom; it is found in any file."""
TESTS_FOLDER: Final = "tests"
"""The folder within a specs folder whose documents test the specs."""
MAX_FILES: Final = 100_000
MAX_TOTAL_BYTES: Final = 33_554_432
"""How much a folder may hold: several times ten thousand tasks, and what the densest text makes a gigabyte of memory of."""


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

    @property
    def texts(self) -> dict[str, str]:
        """The files by name, to show their lines; what is no UTF-8 is replaced."""
        return {file.name: file.data.decode(errors="replace") for file in self.files}

    def name_of(self, path: Path) -> str:
        """What a file that lies in the folder is called in messages."""
        return shown_name((Path(self.name) / path.resolve().relative_to(self.root)).as_posix())


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
    return Source(root, reading.name(str(root)), tuple(reading.files()), tuple(reading.problems))


def read_tests(folder: Path, here: Path) -> Source:
    """Read every test of a specs folder; none where it has no such folder.

    Args:
        folder: the specs.
        here: where the names of files begin, if the folder lies below it.

    Raises:
        NotFound: there is no folder of specs.
    """
    require_folder(folder)
    root = folder.resolve() / TESTS_FOLDER
    base = _base(folder, here) or folder.resolve().parent
    reading = _Reading(root, base, apart="")
    if root.is_symlink():
        reading.refuse(str(root), "ORD010", "links to folders are not followed")
        return Source(root, reading.name(str(root)), (), tuple(reading.problems))
    read = reading.files() if root.is_dir() else ()
    files = tuple(file for file in read if file.name.endswith(YAML_SUFFIXES))
    return Source(root, reading.name(str(root)), files, tuple(reading.problems))


def shown_name(path: str) -> str:
    """What a path is called in messages: a terminal obeys some letters, and those that are not UTF-8 cannot be printed."""
    if path.isprintable():
        return path
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in path
    )


def too_much(files: int, size: int) -> str | None:
    """What is wrong with a folder of so many files and bytes, if anything is."""
    if files > MAX_FILES:
        return f"the folder has more than {MAX_FILES:,} files of specs; the rest is not read"
    if size > MAX_TOTAL_BYTES:
        return f"the folder has more than {MAX_TOTAL_BYTES:,} bytes of specs; the rest is not read"
    return None


def most_bytes(name: str) -> int:
    """How large a file of this name may be."""
    if name.endswith(LOCK_NAME):
        return MAX_LOCK_BYTES
    return MAX_ICS_BYTES if name.endswith(ICS_SUFFIX) else MAX_FILE_BYTES


def is_read(path: str) -> bool:
    """Whether a file at this path from the specs folder on, which nothing hides, is read."""
    return path.endswith(SUFFIXES) or path == LOCK_NAME


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
            if path.absolute().is_relative_to(folder / TESTS_FOLDER):
                raise NotFound(
                    f"{path} is a test, and no part of the specs", hint=f"ordinaut test {path}"
                )
            return read_source(folder, _base(folder, here))
    root = path.parent.resolve()
    reading = _Reading(root, (_base(root, here) or root.parent).resolve())
    file = reading.read(str(root / path.name))
    return Source(
        root, reading.name(str(root)), () if file is None else (file,), tuple(reading.problems)
    )


def _base(folder: Path, here: Path | None) -> Path | None:
    return here if here is not None and folder.resolve().is_relative_to(here) else None


def _bounded(file: int, size: int, most: int) -> bytes:
    """A file to its end, but at most so many bytes; asking for as many as it has saves room for all that it may have."""
    data = os.read(file, min(size + 1, most))
    if len(data) == size:
        return data
    # It grew since it was looked at, or is one of those that come in pieces.
    with os.fdopen(os.dup(file), "rb") as rest:
        return data + rest.read(most - len(data))


@dataclass(frozen=True, slots=True)
class _Reading:
    """One walk through a folder; what stands in the folder `apart` of it is left out."""

    root: Path
    base: Path
    apart: str = TESTS_FOLDER
    problems: list[Problem] = field(default_factory=list)

    def files(self) -> Iterator[SourceFile]:
        """Every file of specs, in order, as far as a folder may go."""
        size = 0
        paths = sorted(islice(self._paths(), MAX_FILES + 1))
        for count, path in enumerate(paths, 1):
            file = self.read(path)
            size += len(file.data) if file is not None else 0
            if what := too_much(count, size):
                self.refuse(path, "ORD010", what)
                return
            if file is not None:
                yield file

    # Paths are plain text here: of many thousand files, making more of each would take longer than reading it.
    def _paths(self) -> Iterator[str]:
        top = str(self.root)
        for folder, folders, names in os.walk(self.root, onerror=self._unlisted):
            folders[:] = [name for name in folders if not name.startswith(".")]
            if self.apart in folders and folder == top:
                folders.remove(self.apart)
            for name in folders:
                # A folder that cannot be looked at cannot be listed either, which is told then.
                if os.path.islink(path := os.path.join(folder, name)):  # noqa: PTH114, PTH118 - a Path raises where its own is too long
                    self.refuse(path, "ORD010", "links to folders are not followed")
            for name in names:
                is_specs = name.endswith(SUFFIXES) or (name == LOCK_NAME and folder == top)
                if is_specs and not name.startswith("."):
                    yield os.path.join(folder, name)  # noqa: PTH118 - as said above

    def read(self, path: str) -> SourceFile | None:
        """A file, or None after telling why it cannot be read."""
        try:
            about = os.lstat(path)
            if stat.S_ISLNK(about.st_mode):
                link = Path(path)
                if not link.resolve().is_relative_to(self.root):
                    self.refuse(path, "ORD010", "the link leads out of the specs folder")
                    return None
                about = link.stat()
            if not stat.S_ISREG(about.st_mode):
                # Opening a pipe would wait for somebody to write into it.
                self.refuse(path, "ORD001", "is not a regular file")
                return None
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = _bounded(file, about.st_size, most_bytes(path) + 1)
            finally:
                os.close(file)
            return SourceFile(self.name(path), data)
        except OSError as error:
            self.refuse(path, "ORD001", f"cannot be read: {error.strerror}")
            return None
        except RuntimeError:
            # How Python before 3.13 says it.
            self.refuse(path, "ORD001", "cannot be read: the link leads in a circle")
            return None

    def name(self, path: str) -> str:
        """What a file is called in messages."""
        base = f"{self.base}/".replace("//", "/")
        return shown_name(path[len(base) :] or ".")

    def _unlisted(self, error: OSError) -> None:
        self.refuse(error.filename, "ORD001", f"cannot be listed: {error.strerror}")

    def refuse(self, path: str, code: str, message: str) -> None:
        """Note why something cannot be read."""
        self.problems.append(
            Problem(code=code, message=message, file=self.name(path), line=1, column=1)
        )
