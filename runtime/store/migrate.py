"""Brings the schema to a version, forwards or back: one transaction, under an advisory lock, with checksums compared.

The ledger `public.ordinaut_migration` lives outside the schema `ordinaut`, so that taking everything back leaves the
ledger to say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from migrations import Migration, migrations
from runtime.actor import Actor, current_actor
from runtime.errors import SchemaMismatch
from runtime.store.audit import Deed, write_audit
from runtime.store.connect import connect
from runtime.store.rows import Connection
from runtime.store.statements import statement

# Any fixed number serves: it names the one lock under which schemas change.
LOCK_ID = 0x6F726469


@dataclass(frozen=True, slots=True)
class MigrationState:
    """One migration, and when it was applied (None: not yet)."""

    number: int
    name: str
    applied_at: datetime | None


def migrate(
    conninfo: str, *, to: int | None = None, actor: Actor | None = None
) -> tuple[int, int]:
    """Bring the schema to version `to` (the newest one when None); returns the versions before and after.

    All in one transaction: interrupted anywhere, nothing has happened.

    Args:
        conninfo: the database.
        to: the version.
        actor: who asks, for the audit log; whoever runs this program when None.

    Raises:
        SchemaMismatch: ORD303 the database is newer than the program, or `to` does not exist;
            ORD304 an applied migration differs from its file.
        StoreError: the database cannot be reached or refused.
    """
    known = migrations()
    target = known[-1].number if to is None else to
    if not 0 <= target <= known[-1].number:
        raise SchemaMismatch(f"there is no migration {target}; the newest is {known[-1].number}")
    with connect(conninfo, name="ordinaut migrate") as connection, connection.transaction():
        connection.execute(statement("lock_migrations"), {"lock_id": LOCK_ID})
        connection.execute(statement("create_migration_ledger"))
        applied = _applied(connection, known)
        before = max(applied, default=0)
        for migration in known:
            if before < migration.number <= target:
                connection.execute(migration.up.encode())
                connection.execute(
                    statement("record_migration"),
                    {
                        "number": migration.number,
                        "name": migration.name,
                        "checksum": migration.checksum,
                        "breaking": migration.breaks is not None,
                    },
                )
        for migration in reversed(known):
            if target < migration.number <= before:
                connection.execute(migration.down.encode())
                connection.execute(statement("forget_migration"), {"number": migration.number})
        if before != target and target >= _audited_from(known):
            facts = {"before": before, "after": target}
            deed = Deed("schema.migrate", f"version {target}", details=facts)
            write_audit(connection, actor or current_actor(), deed)
    return before, target


def _audited_from(known: Sequence[Migration]) -> int:
    """The version from which on there is an audit log to write to."""
    return next(one.number for one in known if one.name == "audit")


def migration_states(conninfo: str) -> tuple[MigrationState, ...]:
    """Every known migration and when it was applied; writes nothing.

    Raises:
        SchemaMismatch: as `migrate`.
        StoreError: as `migrate`.
    """
    known = migrations()
    with connect(conninfo, read_only=True, name="ordinaut migrate") as connection:
        applied = _applied(connection, known) if has_ledger(connection) else {}
    return tuple(MigrationState(m.number, m.name, applied.get(m.number)) for m in known)


def has_ledger(connection: Connection) -> bool:
    """Whether any migration ever ran in this database."""
    row = connection.execute(statement("find_migration_ledger")).fetchone()
    return row is not None and row[0] is not None


def read_ledger(
    connection: Connection,
) -> tuple[dict[int, str], tuple[int, ...]]:
    """The checksum of each migration that was applied, by its number; and those that break what does not know them.

    What this program makes of them is not judged.
    """
    rows = connection.execute(statement("list_applied_migrations")).fetchall()
    checksums = {number: checksum for number, _, checksum, _, _ in rows}
    return checksums, tuple(number for number, _, _, _, is_breaking in rows if is_breaking)


def require_current(connection: Connection) -> None:
    """Refuse to work on a schema that is older or newer than this program.

    Raises:
        SchemaMismatch: ORD303 or ORD304, with the command that mends it.
    """
    known = migrations()
    _require_new_enough(_applied(connection, known) if has_ledger(connection) else {}, known)


def require_usable(connection: Connection) -> None:
    """Refuse to run on a schema that is older than this program, or newer in a way that it cannot work with.

    A runtime of the version before may go on, and start again, while its successor is being brought in.

    Raises:
        SchemaMismatch: as `require_current`.
    """
    known = migrations()
    applied = _applied(connection, known, may_be_newer=True) if has_ledger(connection) else {}
    _require_new_enough(applied, known)


def outdated() -> SchemaMismatch:
    """The error for a runtime under which the schema became one that it cannot work with."""
    return SchemaMismatch(
        "a newer program migrated the database in a way that this version cannot work with",
        hint="start the newer version of the runtime",
    )


def _require_new_enough(applied: Mapping[int, datetime], known: Sequence[Migration]) -> None:
    newest = max(applied, default=0)
    if newest < known[-1].number:
        raise SchemaMismatch(
            f"the database is at schema version {newest}, this program needs {known[-1].number}",
            hint="run `ordinaut migrate`",
        )


def _applied(
    connection: Connection,
    known: Sequence[Migration],
    *,
    may_be_newer: bool = False,
) -> dict[int, datetime]:
    rows = connection.execute(statement("list_applied_migrations")).fetchall()
    by_number = {migration.number: migration for migration in known}
    for number, name, checksum, _, is_breaking in rows:
        migration = by_number.get(number)
        if migration is None and may_be_newer and not is_breaking:
            continue
        if migration is None:
            raise SchemaMismatch(
                f"the database has migration {number} ({name}), which this program does not know",
                hint="use the newer program that made it",
            )
        if migration.checksum != checksum:
            raise SchemaMismatch(
                f"migration {number} ({name}) differs from the one that was applied",
                hint="restore the released file: applied migrations never change",
                code="ORD304",
            )
    return {number: applied_at for number, _, _, applied_at, _ in rows}
