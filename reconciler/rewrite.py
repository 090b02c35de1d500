"""Spec files on disk to their one form, each replaced as a whole or not at all.

A link is never followed: what it leads to is formatted where it stands, if it stands in the folder. A file that is in its
form already is not touched, and so is one that somebody saves in the meantime.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from reconciler.core.files import MAX_FILE_BYTES
from reconciler.core.formatting import format_file
from reconciler.source import read_source
from runtime.errors import NotFound
from schemas.problem import Problem

_SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Rewriting:
    """One file.

    Attributes:
        name: what it is called in messages.
        path: where it is.
        before: what it holds.
        after: what it should hold.
        problems: why it cannot be formatted.
    """

    name: str
    path: Path
    before: bytes = b""
    after: bytes = b""
    problems: tuple[Problem, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether the file is not in its one form."""
        return self.before != self.after


def rewritings_of(paths: Iterable[Path]) -> list[Rewriting]:
    """What formatting would do to files, and to every file of folders.

    Raises:
        NotFound: there is no such file or folder.
    """
    found: dict[Path, Rewriting] = {}
    for path in paths:
        if not path.exists():
            raise NotFound(f"there is no file or folder {path}")
        for one in _folder(path) if path.is_dir() else (_file(path),):
            found.setdefault(one.path.resolve(), one)
    return list(found.values())


def write_anew(rewriting: Rewriting) -> Problem | None:
    """Replace a file by its one form, unless it is no longer what was read; tells why if it cannot."""
    path = rewriting.path
    try:
        if path.read_bytes() != rewriting.before:
            return _problem(rewriting.name, "the file was changed while it was being formatted")
        _replace(path, rewriting.after)
    except OSError as error:
        return _problem(rewriting.name, f"cannot be written: {error.strerror}")
    return None


def _folder(folder: Path) -> Iterator[Rewriting]:
    here = Path.cwd()
    base = here if folder.resolve().is_relative_to(here) else folder.resolve().parent
    source = read_source(folder, base)
    for problem in source.problems:
        yield Rewriting(problem.file, base / problem.file, problems=(problem,))
    for file in source.files:
        path = base / file.name
        if path.suffix in _SUFFIXES and not path.is_symlink():
            yield _rewriting(file.name, path, file.data)


def _file(path: Path) -> Rewriting:
    name = path.as_posix()
    if path.is_symlink() or not path.is_file():
        what = "a link: name the file it leads to" if path.is_symlink() else "no regular file"
        return Rewriting(name, path, problems=(_problem(name, f"this is {what}"),))
    try:
        with path.open("rb") as file:
            return _rewriting(name, path, file.read(MAX_FILE_BYTES + 1))
    except OSError as error:
        problem = _problem(name, f"cannot be read: {error.strerror}", "ORD001")
        return Rewriting(name, path, problems=(problem,))


def _rewriting(name: str, path: Path, data: bytes) -> Rewriting:
    formatted = format_file(name, data)
    return Rewriting(name, path, data, formatted.data, formatted.problems)


def _replace(path: Path, data: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            shutil.copymode(path, file.name)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink()
            raise


def _problem(name: str, message: str, code: str = "ORD015") -> Problem:
    return Problem(code=code, message=message, file=name, line=1, column=1)
