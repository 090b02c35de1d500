"""Database migrations in order, each with its rollback and a checksum.

A migration is two files: `NNNN_name.sql` and `NNNN_name.down.sql`. Once released, neither ever changes: the checksum of
what was applied is kept in the database and compared. Migrations expand first and contract later, so that two versions
of the program can run side by side.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

_FILE_NAME = re.compile(r"^(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: the SQL that makes it and the SQL that takes it back."""

    number: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        """sha256 (hex) of the SQL that makes it."""
        return hashlib.sha256(self.up.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """Every migration, in order; numbers run from 1 without a gap."""
    folder = resources.files(__name__)
    found = []
    for entry in folder.iterdir():
        match = _FILE_NAME.match(entry.name)
        if match is None:
            continue
        down = folder / f"{entry.name.removesuffix('.sql')}.down.sql"
        found.append(
            Migration(
                number=int(match["number"]),
                name=match["name"],
                up=entry.read_text(encoding="utf-8"),
                down=down.read_text(encoding="utf-8"),
            )
        )
    return tuple(sorted(found, key=lambda migration: migration.number))
