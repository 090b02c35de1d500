"""Secrets: references in the specs, values read at the moment of need, blotted out of everything that is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from runtime.core.expressions import EVERY_SECRET
from runtime.keyring import Keyring
from runtime.tools.redact import Redactor

MASK = "[secret]"


class Secrets(Mapping[str, str]):
    """The secrets of one project by name; each is read when it is asked for.

    `known` collects the values handed out, so that they can be blotted out of what is stored beside all that the keyring read.
    """

    def __init__(self, sources: Mapping[str, Mapping[str, Any]], keyring: Keyring) -> None:
        self._sources = sources
        self._keyring = keyring
        self.known: set[str] = set()

    def __getitem__(self, name: str) -> str:
        value = self._keyring.read(name, self._sources[name])
        self.known.add(value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    async def collect(self, names: Collection[str]) -> None:
        """Have at hand what programs print of these, by name; `EVERY_SECRET` stands for all."""
        await self._keyring.collect(
            source
            for name, source in self._sources.items()
            if name in names or EVERY_SECRET in names
        )

    @property
    def redact(self) -> Redactor:
        """Blots out what was handed out."""
        return Redactor(self.known)

    def masked(self) -> dict[str, str]:
        """The same names with a mask for each value: what templates see when the result is to be shown."""
        return {name: f"{MASK[:-1]} {name}]" for name in self._sources}
