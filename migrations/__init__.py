"""Database migrations in order, each with its rollback and a checksum.

A migration is two files: `NNNN_name.sql` and `NNNN_name.down.sql`. Once released, neither ever changes: the checksum of
what was applied is kept in the database and compared.

Migrations expand first and contract later, so that two versions of the program can run side by side: a runtime works on
while a newer version migrates the database under it. One that it could not work on with begins with a line
`-- breaking: reason`; runtimes that do not know it drain and end.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

_BREAKING = re.compile(r"-- breaking: (?P<reason>.+)\n")
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

    @property
    def breaks(self) -> str | None:
        """Why programs that do not know it cannot go on; None where they can."""
        match = _BREAKING.match(self.up)
        return match["reason"] if match else None


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


@cache
def newest_migration() -> int:
    """The number of the newest one."""
    return migrations()[-1].number
