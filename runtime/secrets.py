"""Secrets: references in the specs, values read at the moment of need, blotted out of everything that is written.

Values are read from the runtime's environment or from files; nothing is cached, so a rotated secret is in force at the
next run or server start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runtime.config import environment_variable
from runtime.errors import OrdinautError

MASK = "[secret]"


class SecretUnreadable(OrdinautError):
    """A secret is not defined, or its source does not hold it."""

    default_code = "ORD410"


class Secrets(Mapping[str, str]):
    """The secrets of one project by name; each is read when it is asked for.

    `known` collects the values handed out, so that they can be blotted out of what is stored.
    """

    def __init__(self, sources: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
        self._sources = sources
        self._folder = folder
        self.known: set[str] = set()

    def __getitem__(self, name: str) -> str:
        source = self._sources[name]
        value = _read(name, source, self._folder)
        self.known.add(value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def masked(self) -> dict[str, str]:
        """The same names with a mask for each value: what templates see when the result is to be shown."""
        return {name: f"{MASK[:-1]} {name}]" for name in self._sources}


def _read(name: str, source: Mapping[str, Any], folder: Path) -> str:
    if "env" in source:
        found = environment_variable(source["env"])
        if found is None:
            raise SecretUnreadable(
                f"secret {name} is read from the environment variable {source['env']}, which is not set"
            )
        return found
    if "file" in source:
        path = folder / str(source["file"])
        try:
            return path.read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretUnreadable(
                f"secret {name} could not be read from {source['file']}: {error}"
            ) from error
    raise SecretUnreadable(f"secret {name} has a source that this version cannot read")
