"""Files of specs as they are read: what they are called, what they hold, and how large they may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

ICS_SUFFIX: Final = ".ics"
MAX_FILE_BYTES: Final = 1_048_576
MAX_ICS_BYTES: Final = 5_242_880
LOCK_NAME: Final = "tools.lock.json"
"""The tool lock; it lies directly in the specs folder."""
MAX_LOCK_BYTES: Final = 8_388_608

_NAMES: Final = re.compile(r"\bname: *[\"']?([a-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of specs: the name that people are shown, and its bytes."""

    name: str
    data: bytes


def is_lock(name: str) -> bool:
    """Whether a file of specs is the tool lock."""
    return name.rpartition("/")[2] == LOCK_NAME


def names_in(data: bytes) -> set[str]:
    """The names that the text of a file seems to give to documents, however broken it is."""
    return set(_NAMES.findall(data.decode(errors="replace")))
