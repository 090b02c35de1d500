"""A specs folder on disk to the files in it, in one order on every machine.

Read are `*.yaml` and `*.yml` that no part of the path hides with a leading dot. A link that leads out of the folder
is refused. Nothing in the folder is executed, and every file is read to at most one byte more than a file of specs
may have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.compile import SourceFile
from reconciler.core.documents import MAX_FILE_BYTES
from runtime.errors import NotFound
from schemas.problem import Problem

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Source:
    """What a specs folder holds.

    Attributes:
        root: the folder, resolved.
        files: the readable files, by name; names are relative to the folder's parent.
        problems: what could not be read.
    """

    root: Path
    files: tuple[SourceFile, ...]
    problems: tuple[Problem, ...]


def read_source(folder: Path) -> Source:
    """Read every file of a specs folder.

    Raises:
        NotFound: there is no such folder.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise NotFound(
            f"there is no folder {folder}",
            hint="name the folder of your specs; `ordinaut init` makes one",
        )
    files: list[SourceFile] = []
    problems: list[Problem] = []
    for path in sorted(_spec_files(root, problems)):
        read = _read(root, path)
        if isinstance(read, Problem):
            problems.append(read)
        else:
            files.append(read)
    return Source(root, tuple(files), tuple(problems))


def _spec_files(root: Path, problems: list[Problem]) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        problems.append(_problem(root, Path(error.filename), "ORD001", str(error.strerror)))

    for folder, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and name.endswith(SUFFIXES):
                yield Path(folder, name)


def _read(root: Path, path: Path) -> SourceFile | Problem:
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        return _problem(root, path, "ORD010", f"the link leads out of {root.name}/")
    try:
        with path.open("rb") as file:
            return SourceFile(shown_name(root, path), file.read(MAX_FILE_BYTES + 1))
    except OSError as error:
        return _problem(root, path, "ORD001", f"cannot be read: {error.strerror}")


def shown_name(root: Path, path: Path) -> str:
    """How a file is called in messages: relative to the parent of the specs folder."""
    return path.relative_to(root.parent).as_posix()


def _problem(root: Path, path: Path, code: str, message: str) -> Problem:
    return Problem(code=code, message=message, file=shown_name(root, path), line=1, column=1)
