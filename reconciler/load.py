"""A specs folder to desired state: read, then compiled, or recalled if the very same files were compiled before."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import orjson

from reconciler.cache import Cache
from reconciler.core.compile import compile_specs
from reconciler.core.desired import Specs
from reconciler.core.digest import NORMALISER_VERSION
from reconciler.core.project import DEFAULT_ENVIRONMENT
from reconciler.core.remembering import FORMAT, recalled, remembered
from reconciler.source import Source, read_source
from runtime.core.recurrence import tzdata_version

WORTH_REMEMBERING: Final = 65_536
"""Bytes of specs from which on remembering them is worth a file: fewer are compiled in less than a tenth of a second."""

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
    source: Source, environment: str = DEFAULT_ENVIRONMENT, cache: Cache | None = None
) -> Specs:
    """Compile what was read of a specs folder.

    Args:
        source: what was read.
        environment: which environment of the Project is meant.
        cache: where sound specs are remembered, so that the same files need not be compiled again.
    """
    if cache is None or sum(len(file.data) for file in source.files) < WORTH_REMEMBERING:
        return _compiled(source, environment)
    name = fingerprint(source, environment)
    with _collecting_nothing():
        if (found := cache.find(name)) is not None:
            return recalled(found, lambda: _compiled(source, environment))
    specs = _compiled(source, environment)
    if not specs.errors:
        cache.keep(name, remembered(specs))
    return specs


def fingerprint(source: Source, environment: str) -> str:
    """sha256 (hex) of everything that compiling depends on: files, environment, and the versions of what compiles them."""
    whole = sha256(
        orjson.dumps(
            [
                FORMAT,
                NORMALISER_VERSION,
                sys.version,
                tzdata_version(),
                [version(package) for package in _PACKAGES],
                _program(),
                source.name,
                environment,
                [problem.model_dump() for problem in source.problems],
                [(file.name, len(file.data)) for file in source.files],
            ]
        )
    )
    for file in source.files:
        whole.update(file.data)
    return whole.hexdigest()


def _program() -> list[tuple[str, int, int]]:
    """The program's own modules as they are on disk: whoever works on it changes them without a new version."""
    root = Path(__file__).parents[1]
    found = []
    for package in _PROGRAM:
        for path in sorted((root / package).rglob("*.py")):
            about = path.stat()
            found.append((str(path), about.st_size, about.st_mtime_ns))
    return found


def _compiled(source: Source, environment: str) -> Specs:
    with _collecting_nothing():
        return compile_specs(source.files, source.name, environment, source.problems)


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Hold garbage collection off: nearly all that loading makes is kept, and looking through it takes a third of the time.

    Nor is it looked through afterwards, for as long as nothing else is loaded.
    """
    was_on = gc.isenabled()
    gc.disable()
    gc.unfreeze()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
