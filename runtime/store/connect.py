"""One short-lived, synchronous connection for commands, with timeouts on everything and errors that say what to do.

Long-lived processes use `pool` instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import orjson
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_loads

from runtime.errors import ConfigError, DatabaseUnavailable, StoreError
from runtime.store.rows import Connection

CONNECT_TIMEOUT_SECONDS = 5
# A session that hangs must not hold locks or a snapshot for ever; commands are short.
# PostgreSQL 18 crashes, as a whole, in a plan that checks a changed row again (EvalPlanQual, below a `for update` or an
# `update`) and goes on to choose partitions of another table by a value of the moment: the check replaces the state of
# that choice by its own, and frees it. Looking into every partition costs us next to nothing: they are few, and indexed.
SESSION_OPTIONS = (
    "-c statement_timeout=60s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
    " -c enable_partition_pruning=off"
)
# A connection that fails has no code of its own, only words.
_REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
)


@contextmanager
def connect(
    conninfo: str, *, read_only: bool = False, name: str = "ordinaut"
) -> Iterator[Connection]:
    """Open a connection in autocommit mode.

    Args:
        conninfo: a libpq connection string or URL.
        read_only: make every transaction of the session read only, so that previews cannot write.
        name: what `pg_stat_activity` shows.

    Raises:
        DatabaseUnavailable: ORD301 not reachable, ORD302 refused.
        ConfigError: ORD306 the connection string cannot be read.
        StoreError: any other database error inside the block.
    """
    options = SESSION_OPTIONS + (" -c default_transaction_read_only=on" if read_only else "")
    try:
        connection = psycopg.connect(
            conninfo,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=name,
            options=options,
            # Commands are short, and behind a pooler the next transaction may meet another session.
            prepare_threshold=None,
        )
    except psycopg.OperationalError as error:
        raise unavailable(conninfo, error) from error
    except psycopg.ProgrammingError:
        raise unreadable() from None
    read_numbers_as_written(connection)
    try:
        # The connection's own block leaves it open where its last word, a commit or a rollback, fails.
        with closing(connection), connection:
            yield connection
    except psycopg.OperationalError as error:
        raise unavailable(conninfo, error) from error
    except psycopg.Error as error:
        raise StoreError(f"the database refused: {error}", hint=remedy(error)) from error


def remedy(error: psycopg.Error) -> str:
    """What to do about an error that is not of the connection."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "the role that the settings name may not do this; `ordinaut doctor` tells what it lacks"
    return "`ordinaut migrate --status` shows whether its schema is current"


def read_numbers_as_written(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any],
) -> None:
    """Read numbers beyond 64 bits as the floats that were written: `jsonb` gives back 1e22 as a one with 22 zeros."""
    set_json_loads(orjson.loads, connection)


def unavailable(conninfo: str, error: psycopg.Error) -> DatabaseUnavailable:
    """Turn a connection error into ours: which server, why, and what to do. The password is never part of it."""
    where = address(conninfo)
    reason = " ".join(str(error).split())
    if "FATAL:" in reason and any(words in reason for words in _REFUSALS):
        return DatabaseUnavailable(
            f"{where} refused the connection: {reason}",
            hint="check user, password and database name in ORDINAUT_DATABASE_URL",
            code="ORD302",
        )
    if "startup parameter" in reason:
        return DatabaseUnavailable(
            f"{where} is a pooler that does not let sessions begin with settings: {reason}",
            hint="in pgbouncer.ini: ignore_startup_parameters = extra_float_digits,options;"
            " and set ORDINAUT_DIRECT_URL to PostgreSQL itself",
        )
    return DatabaseUnavailable(
        f"{where} cannot be reached: {reason}",
        hint="check ORDINAUT_DATABASE_URL and that the server runs; without it `ordinaut up` starts its own",
    )


def unreadable() -> ConfigError:
    """The error for a connection string that libpq cannot read; it may hold a password, so it is not repeated."""
    return ConfigError(
        "setting database_url: PostgreSQL's client cannot read it",
        hint="write postgresql://USER@HOST:5432/DATABASE or host=HOST dbname=DATABASE",
    )


def unset(role: str, missing: Sequence[str]) -> ConfigError:
    """The error for sessions that do not begin as we ask."""
    from runtime.core.diagnosis.server import setting_of  # noqa: PLC0415 - only this error needs it

    names = ", ".join(each.partition(" ")[0] for each in missing)
    return ConfigError(
        f"setting database_url: it leads through a pooler, where sessions begin without {names}",
        hint=setting_of(role, missing),
    )


def address(conninfo: str) -> str:
    """The server and database a connection string names, without user and password."""
    try:
        parts = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        return "the database"
    host, port = parts.get("host") or "localhost", parts.get("port") or 5432
    return f"the database {parts.get('dbname') or ''!s} at {host}:{port}"
