"""Waiting for sessions that wait for each other."""

from __future__ import annotations

import psycopg

from tests.support.probes import eventually


async def somebody_is_blocked(database: str, *, sessions: int = 1) -> None:
    """Wait until so many sessions of this database wait for a lock."""
    # A connection of its own in autocommit: inside a transaction the activity view does not change.
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as watcher:

        async def blocked() -> bool:
            cursor = await watcher.execute(
                "select count(*) >= %s from pg_stat_activity"
                " where wait_event_type = 'Lock' and datname = current_database()",
                [sessions],
            )
            return await cursor.fetchone() == (True,)

        await eventually(blocked, f"{sessions} sessions wait for a lock")


_HOLD_COMMITS = """
select pg_advisory_lock(42);
create table public.held (run_id uuid);
create function public.hold() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock(42); return null; end $$;
create constraint trigger hold after insert on public.held deferrable for each row execute function public.hold();
create function public.hold_later() returns trigger language plpgsql as
    $$ begin set constraints all deferred; insert into public.held values (new.run_id); return null; end $$;
create trigger hold after insert on ordinaut.step_result for each row execute function public.hold_later();
"""


async def hold_commits(connection: psycopg.AsyncConnection) -> None:
    """Let every commit of a step's result wait until this session gives up advisory lock 42."""
    await connection.execute(_HOLD_COMMITS.encode())


_HOLD_STATEMENTS = """
select pg_advisory_lock(42);
create function public.hold_statement() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock_shared(42); return null; end $$;
create trigger hold before {what} on ordinaut.{table} for each statement execute function public.hold_statement();
"""


async def hold_statements(connection: psycopg.AsyncConnection, what: str, table: str) -> None:
    """Let every statement that does something (`insert`, `update`) to a table wait in its midst until `let_go`.

    A lock on the table would hold it up before it is executed, when it is only planned.
    """
    await connection.execute(_HOLD_STATEMENTS.format(what=what, table=table).encode())


async def let_go(connection: psycopg.AsyncConnection) -> None:
    """Give up advisory lock 42."""
    await connection.execute("select pg_advisory_unlock(42)")


async def somebody_waits_for_the_lock(connection: psycopg.AsyncConnection) -> None:
    """Wait until a session of this database waits for advisory lock 42, and for no other."""

    async def waits() -> bool:
        cursor = await connection.execute(
            "select count(*) > 0 from pg_locks where locktype = 'advisory' and objid = 42 and not granted"
            " and database = (select oid from pg_database where datname = current_database())"
        )
        return await cursor.fetchone() == (True,)

    await eventually(waits, "a session waits for advisory lock 42", seconds=20)
