"""A specs folder to desired state: read, then compile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.core.compile import DEFAULT_ENVIRONMENT, compile_specs
from reconciler.core.desired import Specs
from reconciler.source import read_source


def load_specs(folder: Path, environment: str = DEFAULT_ENVIRONMENT) -> Specs:
    """Read and compile a specs folder; what is wrong is in `problems`.

    Raises:
        NotFound: there is no such folder.
    """
    source = read_source(folder)
    specs = compile_specs(source.files, source.root.name, environment)
    return replace(specs, problems=source.problems + specs.problems)
