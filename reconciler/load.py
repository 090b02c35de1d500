"""A specs folder to desired state: read, then compiled, as far as it is not remembered from an earlier time."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import Final

import orjson

from reconciler.beside import beside, has_company
from reconciler.cache import Cache
from reconciler.core.desired import DEFAULT_ENVIRONMENT, Specs
from reconciler.core.digest import NORMALISER_VERSION
from reconciler.core.files import SourceFile
from reconciler.core.remembering import (
    FORMAT,
    Difference,
    Memory,
    difference,
    file_digests,
    recalled,
    remembered,
    updated,
)
from reconciler.core.renaming import circle_problems
from reconciler.core.through import Through, silently
from reconciler.source import Source, read_source
from runtime.core.zonedata import tzdata_version
from runtime.garbage import collecting_nothing

WORTH_REMEMBERING: Final = 65_536
"""Bytes of specs from which on remembering them is worth a file: fewer are compiled in less than a tenth of a second."""

MOST_FRESH: Final = 64
"""So many files may have changed since specs were remembered: compiling them again costs less than remembering anew."""

WORTH_COMPANY: Final = 1_048_576
"""Bytes of specs from which on two processes are worth their start: a second's work for one."""

# A guess that costs time where it is wrong, and nothing else: nothing depends on a file of tasks.
_KIND: Final = re.compile(rb"^kind: *(\w+)", re.MULTILINE)

# Everything beside the files that what is compiled depends on.
_PACKAGES: Final = ("ordinaut", "icalendar", "jmespath", "jsonschema", "orjson", "pydantic", "pydantic-core", "python-dateutil", "pyyaml")  # fmt: skip
_PROGRAM: Final = ("reconciler", "runtime", "schemas")


def load_specs(folder: Path, environment: str = DEFAULT_ENVIRONMENT) -> Specs:
    """Read and compile a specs folder; what is wrong is in `problems`.

    Raises:
        NotFound: there is no such folder.
    """
    return compile_source(read_source(folder), environment)


def compile_source(
    source: Source,
    environment: str = DEFAULT_ENVIRONMENT,
    cache: Cache | None = None,
    through: Through = silently,
) -> Specs:
    """Compile what was read of a specs folder.

    Args:
        source: what was read.
        environment: which environment of the Project is meant.
        cache: where sound specs are remembered, so that files which did not change need not be compiled again.
        through: goes through many, and may tell how far it is.
    """
    specs = _known_or_compiled(source, environment, cache, through)
    # A circle may lie in files of which each is remembered, or compiled, apart from the others.
    circles = circle_problems(specs.documents)
    if not circles:
        return specs
    problems = sorted((*specs.problems, *circles), key=attrgetter("reading_order"))
    return replace(specs, problems=tuple(problems))


def _known_or_compiled(
    source: Source, environment: str, cache: Cache | None, through: Through
) -> Specs:
    if cache is None or source.problems:
        return _compiled(source, environment, through)
    digests = file_digests((file.name, file.data) for file in source.files)
    size = sum(len(file.data) for file in source.files)
    # Names that are no UTF-8 may be shown alike.
    if size < WORTH_REMEMBERING or len(digests) < len(source.files):
        return _compiled(source, environment, through)
    name = ground(source, environment)

    def some(names: frozenset[str] | None) -> Specs:
        files = tuple(file for file in source.files if names is None or file.name in names)
        return _compiled(replace(source, files=files), environment, through)

    with collecting_nothing():
        if (entry := cache.find(name)) is not None:
            memory = recalled(entry.head, entry.rest, some)
            found = difference(memory, digests)
            # Most of them anew is all of them, and no slower.
            few = 2 * len(found.fresh) <= len(source.files)
            specs = updated(memory, found, some) if few else None
            if specs is not None and len(found.fresh) + len(found.gone) <= MOST_FRESH:
                return specs
        else:
            specs = None
        specs = specs or _compiled(source, environment, through)
        if not specs.errors:
            cache.keep(name, *remembered(Memory(specs, digests)))
    return specs


def ground(source: Source, environment: str) -> str:
    """sha256 (hex) of everything that compiling depends on beside the files, and of which folder they are in."""
    return sha256(
        orjson.dumps(
            [
                FORMAT,
                NORMALISER_VERSION,
                sys.version,
                tzdata_version(),
                [version(package) for package in _PACKAGES],
                _program(),
                str(source.root),
                source.name,
                environment,
            ]
        )
    ).hexdigest()


def _program() -> list[tuple[str, int, int]]:
    """The program's own modules as they are on disk: whoever works on it changes them without a new version."""
    root = Path(__file__).parents[1]
    return sorted(module for package in _PROGRAM for module in _modules(str(root / package)))


def _modules(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                about = entry.stat()
                yield entry.path, about.st_size, about.st_mtime_ns
            elif entry.name != "__pycache__" and entry.is_dir(follow_symlinks=False):
                yield from _modules(entry.path)


def _compiled(source: Source, environment: str, through: Through) -> Specs:
    from reconciler.core.compile import compile_specs  # noqa: PLC0415 - heavy, and rarely needed where specs are remembered

    def compiled(files: Sequence[SourceFile], through: Through = silently) -> Specs:
        return compile_specs(files, source.name, environment, source.problems, through)

    files = source.files
    with collecting_nothing():
        is_worth_it = sum(len(file.data) for file in files) >= WORTH_COMPANY and has_company()
        both = _compiled_in_two(files, compiled, through) if is_worth_it else None
        return compiled(files, through) if both is None else both


def _compiled_in_two(
    files: Sequence[SourceFile], compiled: Callable[..., Specs], through: Through
) -> Specs | None:
    """The specs, half of the tasks compiled in a process beside this one; None if that found anything to tell about.

    What both halves hold must come out alike, and no task of one may stand in the other, or the halves do not fit together.
    """
    tasks = [set(_KIND.findall(file.data)) == {b"Task"} for file in files]
    halves = [
        [file for number, file in enumerate(files) if not tasks[number] or number % 2 == half]
        for half in (0, 1)
    ]

    def work() -> bytes:
        specs = compiled(halves[1])
        return b"" if specs.errors else b"\n".join(remembered(Memory(specs, {})))

    with beside(work) as answer:
        specs = compiled(halves[0], through)
        index, _, bodies = (answer() or b"").partition(b"\n")
    if not index:
        return None

    def some(names: frozenset[str] | None) -> Specs:
        return compiled([file for file in files if names is None or file.name in names])

    fresh = frozenset(file.name for file in halves[0]) - specs.shared
    memory = recalled(index, lambda: bodies, some)
    return updated(memory, Difference(fresh, frozenset(), shared=False), lambda _: specs)
