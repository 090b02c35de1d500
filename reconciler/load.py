"""A specs folder to desired state: read, then compile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.core.compile import compile_specs
from reconciler.core.desired import Specs
from reconciler.core.project import DEFAULT_ENVIRONMENT
from reconciler.source import Source, read_source


def load_specs(folder: Path, environment: str = DEFAULT_ENVIRONMENT) -> Specs:
    """Read and compile a specs folder; what is wrong is in `problems`.

    Raises:
        NotFound: there is no such folder.
    """
    return compile_source(read_source(folder), environment)


def compile_source(source: Source, environment: str = DEFAULT_ENVIRONMENT) -> Specs:
    """Compile what was read of a specs folder."""
    with _collecting_nothing():
        return compile_specs(source.files, source.name, environment, source.problems)


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Hold garbage collection off: nearly all that loading makes is kept, and looking through it takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
