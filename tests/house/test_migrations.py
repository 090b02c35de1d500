"""What a migration takes away from programs that do not know it, it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from migrations import Migration, migrations

# The first that anybody could have had in use before it; none of those before was ever released.
_FIRST_HELD_TO_IT = 21
_TAKES_AWAY = re.compile(
    r"\bdrop\s+(table|column|view|function)\b|\brename\b|\balter\s+column\s+\w+\s+(type|set\s+not\s+null)\b",
    re.IGNORECASE,
)


def offences(migration: Migration) -> list[str]:
    """What it takes away without saying so."""
    if migration.breaks is not None:
        return []
    return [match[0] for match in _TAKES_AWAY.finditer(migration.up)]


def test_a_migration_that_takes_something_away_is_marked_as_breaking() -> None:
    held = [one for one in migrations() if one.number >= _FIRST_HELD_TO_IT]

    assert {one.name: offences(one) for one in held if offences(one)} == {}


@pytest.mark.parametrize(
    ("up", "found"),
    [
        ("alter table ordinaut.run add column cost numeric;", []),
        ("alter table ordinaut.run drop column cost;", ["drop column"]),
        ("-- breaking: costs moved\nalter table ordinaut.run drop column cost;", []),
        ("alter table ordinaut.run rename to ran;", ["rename"]),
        ("alter table ordinaut.run alter column cost set not null;", ["alter column cost set not null"]),
    ],
)  # fmt: skip
def test_the_guard_sees_what_takes_something_away(up: str, found: list[str]) -> None:
    assert offences(Migration(99, "test", up, "")) == found


def test_a_migration_that_was_handed_out_is_not_rewritten() -> None:
    """A database that had it before would be refused for ever: what is to change comes in the next one."""
    handed_out = Path(__file__).with_name("migrations.txt").read_text().splitlines()

    now = [f"{one.number:04} {one.name} {one.checksum}" for one in migrations()]

    assert now == handed_out
