"""Blots known secrets out of text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

BLOT: Final = "[redacted]"
# Shorter values ("1", "true", "dev") are settings rather than secrets, and occur everywhere.
_SHORTEST: Final = 4


class Redactor:
    """Replaces each secret, wherever it stands in a text, by `[redacted]`."""

    __slots__ = ("_pattern", "longest")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        kept = sorted(
            {secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True
        )
        self.longest = len(kept[0]) if kept else 0
        # Longest first: of two secrets where one contains the other, the whole one is blotted.
        self._pattern = (
            re.compile("|".join(re.escape(secret) for secret in kept)) if kept else None
        )

    def __call__(self, text: str) -> str:
        return self._pattern.sub(BLOT, text) if self._pattern else text

    def within(self, value: Any) -> Any:
        """A JSON value, with the secrets blotted out of each of its texts."""
        match value:
            case str():
                return self(value)
            case dict():
                return {self(key): self.within(item) for key, item in value.items()}
            case list() | tuple():
                return [self.within(item) for item in value]
            case _:
                return value


NOTHING_TO_BLOT: Final = Redactor()
