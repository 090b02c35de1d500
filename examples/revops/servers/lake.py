"""What the servers of the warehouse stand on: a bounded pool, and statements that live in `sql/`, each under its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

SQL: Final = Path(__file__).parent / "sql"
FEWEST, MOST = 10, 20
"""Between these is the bound of a server's pool: below, calls queue; above, one server starves the others."""


def read_statements(folder: Path = SQL) -> dict[str, str]:
    """Every statement of the folder, by its name."""
    texts = (
        file.read_text(encoding="utf-8")
        for file in sorted(folder.glob("*.sql"))
        if file.name != "schema.sql"
    )
    return {
        name: statement.strip()
        for text in texts
        for name, statement in re.findall(
            r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", text, flags=re.DOTALL | re.MULTILINE
        )
    }


class Lake:
    """The database of the warehouse.

    Attributes:
        pool: its connections, never more than its bound.
    """

    def __init__(self, url: str, *, bound: int = FEWEST) -> None:
        """Open the pool, and make what the database lacks.

        Raises:
            ValueError: the bound is not between 10 and 20.
        """
        if not FEWEST <= bound <= MOST:
            raise ValueError(
                f"the pool is bounded at {FEWEST} to {MOST} connections, and {bound} is not between them"
            )
        self._statements = read_statements()
        self.pool: ConnectionPool[Connection[DictRow]] = ConnectionPool(
            url,
            min_size=1,
            max_size=bound,
            timeout=60,
            # What has no offset is UTC, wherever the server is.
            kwargs={
                "row_factory": dict_row,
                "application_name": "revops",
                "options": "-c timezone=UTC",
            },
            # After a restart of PostgreSQL the first call finds a new connection, and not an old one that is dead.
            check=ConnectionPool.check_connection,
            connection_class=Connection[DictRow],
            open=True,
        )
        with self.transaction() as connection:
            # Servers that start together would else make the same thing at once.
            connection.execute("select pg_advisory_xact_lock(hashtext('revops schema'))")
            connection.execute((SQL / "schema.sql").read_bytes())

    @classmethod
    def from_environment(cls) -> Lake:
        """The database that the environment names, as the spec of the server fills it."""
        return cls(
            os.environ["WAREHOUSE_URL"], bound=int(os.environ.get("WAREHOUSE_POOL", FEWEST))
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection[DictRow]]:
        """A connection, and a transaction that is kept if nothing fails."""
        with self.pool.connection() as connection, connection.transaction():
            yield connection

    def rows(
        self, connection: Connection[DictRow], name: str, /, **values: Any
    ) -> list[dict[str, Any]]:
        """Execute a statement by its name, and give its rows; none where it gives none."""
        cursor = connection.execute(self._statements[name].encode(), values)
        return cursor.fetchall() if cursor.description else []

    def row(self, connection: Connection[DictRow], name: str, /, **values: Any) -> dict[str, Any]:
        """The only row of a statement."""
        (found,) = self.rows(connection, name, **values)
        return found

    def text(self, name: str) -> str:
        """A statement, for whoever has to fill in more than values."""
        return self._statements[name]

    def begin(
        self, connection: Connection[DictRow], layer: str, source: str, run: str
    ) -> dict[str, Any]:
        """Open the load of a run, or find it again."""
        return self.row(connection, "begin_load", layer=layer, source=source, run=run)

    def once(self, load: int, number: int, work: str, **values: Any) -> dict[str, int]:
        """Do a batch of a load in one statement, unless it is done: it and its record are one transaction."""
        with self.transaction() as connection:
            if done := self.rows(connection, "batch_done", load=load, number=number):
                return done[0]
            counts = self.row(connection, work, load=load, **values)
            self.rows(connection, "note_batch", load=load, number=number, **counts)
            return counts

    def conclude(
        self,
        connection: Connection[DictRow],
        load: int,
        checks: Iterable[tuple[str, bool, str, str]],
    ) -> dict[str, Any]:
        """Write down what was checked; only a load that passes moves its watermark."""
        results = [
            {"name": name, "passed": passed, "found": found, "expected": expected}
            for name, passed, found, expected in checks
        ]
        for result in results:
            self.rows(connection, "note_check", load=load, **result)
        passed = all(result["passed"] for result in results)
        ended = self.row(connection, "end_load", load=load, state="passed" if passed else "failed")
        if passed:
            self.rows(connection, "move_watermark", load=load)
        totals = self.row(connection, "totals", load=load)
        failed = [
            f"{one['name']}: {one['found']}, not {one['expected']}"
            for one in results
            if not one["passed"]
        ]
        return {
            "load": load,
            "source": ended["source"],
            "passed": passed,
            "failed": failed,
            **totals,
        }


def as_json(value: Mapping[str, Any] | list[Any]) -> Jsonb:
    """A value for a column, or a parameter, of JSON."""
    return Jsonb(value)
