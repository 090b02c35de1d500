"""Plans and applies of YAML against a real database, and what is in it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from reconciler.apply import Request, apply_plan
from reconciler.core.guards import Allowed
from reconciler.planning import plan_against
from runtime.actor import Actor
from runtime.store.rows import Connection
from schemas.apply import ApplyReport
from schemas.plan import Plan, PlanSource
from tests.support.clock import stop_the_clock
from tests.support.specs import PROJECT, compiled

SERVER = "kind: ToolServer\nname: fs\nstdio: {command: mcp-fs}\n---\n"


def task(name: str, schedule: str = "manual: true", more: str = "") -> str:
    """A task in YAML that calls `fs.list`."""
    return (
        f"kind: Task\nname: {name}\nschedule: {{{schedule}}}\n"
        f"pipeline: [{{id: look, uses: fs.list}}]\n{more}"
    )


def specs(*tasks: str) -> str:
    """Tasks and the server they call."""
    return SERVER + "\n---\n".join(tasks)


@dataclass(frozen=True)
class Bench:
    """A database, and a session to it in autocommit mode."""

    url: str
    connection: Connection

    def plan(self, text: str, project: str = PROJECT, **source: Any) -> Plan:
        """The plan for these documents."""
        wanted = compiled(text, project)
        given = PlanSource(project=wanted.project, **source)
        return plan_against(self.connection, wanted, given)

    def apply(self, text: str, project: str = PROJECT, **allowed: Any) -> ApplyReport:
        """Plan these documents and apply the plan."""
        return self.carry_out(self.plan(text, project), **allowed)

    def carry_out(self, plan: Plan, **allowed: Any) -> ApplyReport:
        """Apply a plan."""
        request = Request(actor=Actor("ada@desk"), allowed=Allowed(**allowed))
        return apply_plan(self.connection, plan, request)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a query gives."""
        return self.connection.execute(query.encode(), parameters).fetchall()

    def row(self, query: str, *parameters: Any) -> tuple[Any, ...]:
        """The one row that a query gives."""
        (found,) = self.rows(query, *parameters)
        return found

    def run(self, statement: str, *parameters: Any) -> None:
        """Change something behind the reconciler's back."""
        self.connection.execute(statement.encode(), parameters)

    def uid(self, name: str) -> int:
        """The uid of a task."""
        found: int = self.row(
            "select uid from ordinaut.spec where kind = 'Task' and name = %s", name
        )[0]
        return found

    def other(self) -> Connection:
        """Another session, in autocommit mode; a context manager."""
        return psycopg.connect(self.url, autocommit=True)

    def stop_the_clock(self, at: datetime) -> None:
        """From now on it is always this instant in the database."""
        stop_the_clock(self.connection, at)

    def everything(self) -> dict[str, Sequence[tuple[Any, ...]]]:
        """Every row of every table."""
        return everything(self.connection)


def everything(connection: Connection) -> dict[str, Sequence[tuple[Any, ...]]]:
    """Every row of every table of the schema, partitions by their parent."""
    tables = connection.execute(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = 'ordinaut' and c.relkind in ('r', 'p') and not c.relispartition"
        " order by 1"
    ).fetchall()
    return {
        name: connection.execute(
            sql.SQL("select t::text from ordinaut.{} t order by 1").format(sql.Identifier(name))
        ).fetchall()
        for (name,) in tables
    }
