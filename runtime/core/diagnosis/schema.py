"""What the database must have of Ordinaut's: migrations, privileges and partitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from runtime.core.vitals import Door, Partitions, Rights
from schemas.doctor import Finding

MOST_STRAYS: Final = 1000


def migrations_found(
    known: int, applied: Sequence[int], breaking: Sequence[int], altered: Sequence[str]
) -> Iterator[Finding]:
    """The schema against the program.

    Args:
        known: the newest migration of this program.
        applied: those that the database has.
        breaking: of these, the ones that programs must know to work on.
        altered: of these, the ones that differ from the program's.
    """
    newest = max(applied, default=0)
    if newest < known:
        yield Finding(
            check="migrations",
            severity="error",
            what=f"the database is at schema version {newest}, this program needs {known}",
            why="commands and runtimes of this version refuse to start",
            remedy="run `ordinaut migrate`",
        )
    if newest > known:
        yield Finding(
            check="migrations",
            severity="error" if max(breaking, default=0) > known else "warning",
            what=f"the database is at schema version {newest}, this program knows {known}",
            why="a newer program migrated it: commands of this version refuse to start, and so do its runtimes"
            if max(breaking, default=0) > known
            else "a newer program migrated it: runtimes of this version work on, its commands refuse to start",
            remedy="upgrade Ordinaut on this machine",
        )
    if altered:
        yield Finding(
            check="migrations",
            severity="error",
            what=f"applied migrations differ from their files: {', '.join(altered)}",
            why="nobody knows what the schema is like",
            remedy="restore the released files",
        )


def rights_found(role: str, rights: Iterable[Rights]) -> Iterator[Finding]:
    """Privileges that a runtime needs and this role does not have."""
    missing = tuple(rights)
    if refused := [each for each in missing if each.missing]:
        told = "; ".join(f"{', '.join(each.missing)} on {each.name}" for each in refused)
        grants = " ".join(
            f"grant {', '.join(each.missing)} on ordinaut.{each.name} to {role};"
            for each in refused
        )
        yield Finding(
            check="privileges",
            severity="error",
            what=f"role {role} lacks {told}",
            why="what a runtime does there fails; a role that only plans and looks needs no more than select",
            remedy=grants,
        )
    if foreign := [each.name for each in missing if not each.is_owned]:
        yield Finding(
            check="privileges",
            severity="error",
            what=f"role {role} does not own {', '.join(foreign)}",
            why="a runtime adds a partition for every month and drops old ones, which only the owner may",
            remedy=f"let runtimes use the role that migrates, or make {role} a member of it",
        )


def door_found(role: str, door: Door) -> Iterator[Finding]:
    """Whether steps can execute statements, and can do no more than they should."""
    if door.is_wide:
        yield Finding(
            check="privileges",
            severity="error",
            what="the role ordinaut_sql is a superuser, or may use the schema ordinaut",
            why="statements of steps run as that role, and could change what is Ordinaut's own",
            remedy="as a superuser: alter role ordinaut_sql nosuperuser; revoke all on schema ordinaut from ordinaut_sql, and from public;",
        )
    if not door.is_owned:
        yield Finding(
            check="privileges",
            severity="note",
            what="ordinaut.run_statement does not belong to the role ordinaut_sql",
            why="steps with `ordinaut.sql` fail",
            remedy="nothing, where no step has a statement; the operations guide says how an administrator makes the role",
        )
    elif not door.may_call:
        yield Finding(
            check="privileges",
            severity="note",
            what=f"role {role} may not call ordinaut.run_statement",
            why="steps with `ordinaut.sql` fail in a runtime with this role",
            remedy=f"as its owner: grant execute on function ordinaut.run_statement(text, jsonb, integer) to {role};",
        )


def partitions_found(tables: Iterable[Partitions]) -> Iterator[Finding]:
    """Months that have no partition, though rows of them are near."""
    for table in tables:
        # Events are written before the first runtime begins, so the first month has none: that is told below, and no more.
        is_explained = bool(table.strays) and len(table.missing) == 1
        if table.missing and not is_explained:
            yield Finding(
                check="partitions",
                severity="warning",
                what=f"ordinaut.{table.name} has no partition for {', '.join(table.missing)}",
                why="its rows go to the default partition, where they are kept and cannot be dropped as a whole",
                remedy="start a runtime: it makes them within seconds, and says in its log what hinders it",
            )
        if table.strays:
            yield Finding(
                check="partitions",
                severity="note",
                what=f"ordinaut.{table.name}_default holds {_rows(table.strays)} of this month or later",
                why="a month whose rows are there gets no partition of its own",
                remedy="nothing: they are found there, and deleted row by row when their time is over",
            )


def expired_found(months: Sequence[str]) -> Iterator[Finding]:
    """Partitions that should be gone for days."""
    if months:
        yield Finding(
            check="partitions",
            severity="warning",
            what=f"{len(months):,} {'partition is' if len(months) == 1 else 'partitions are'} kept past their time,"
            f" the oldest {months[0]}",
            why="history grows: no runtime runs, somebody always reads these tables, much of it belongs to runs that are not over,"
            " or it holds events that are not published",
            remedy="see the log of a runtime for which it is, and check horizon for who reads",
        )


def _rows(count: int) -> str:
    if count >= MOST_STRAYS:
        return f"{MOST_STRAYS:,} or more rows"
    return "1 row" if count == 1 else f"{count:,} rows"
