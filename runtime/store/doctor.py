"""What `ordinaut doctor` reads of the database: each measurement by itself, so that one that is refused hides no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from runtime.core.vitals import Door, Holder, Lags, Partitions, Rights, RuntimeSign, Server, Table
from runtime.store.rows import Connection, fetch_rows


def read_server(connection: Connection, settings: Sequence[str]) -> Server:
    """PostgreSQL itself, with the values of these settings."""
    [row] = fetch_rows(connection, "read_server", names=list(settings))
    return Server(**row)


def read_clock(connection: Connection) -> datetime:
    """The clock by which work is due."""
    [row] = fetch_rows(connection, "read_clock")
    return row["now"]  # type: ignore[no-any-return] # a timestamp, as the statement says


def list_horizon_holders(connection: Connection) -> list[Holder]:
    """Whoever keeps deleted rows from being removed, the oldest first."""
    return [Holder(**row) for row in fetch_rows(connection, "list_horizon_holders")]


def list_table_health(connection: Connection) -> list[Table]:
    """Living and dead rows of each table, by the server's own count."""
    return [Table(**row) for row in fetch_rows(connection, "list_table_health")]


def read_lags(connection: Connection) -> Lags:
    """What waits, and for how long."""
    [row] = fetch_rows(connection, "read_lags")
    return Lags(**row)


def list_runtime_signs(connection: Connection) -> list[RuntimeSign]:
    """Runtimes that did not say goodbye."""
    rows = fetch_rows(connection, "list_runtime_signs")
    return [RuntimeSign(**row | {"duties": tuple(row["duties"])}) for row in rows]


def list_rights(connection: Connection) -> list[Rights]:
    """Tables with which our role may not do all that a runtime does."""
    return [
        Rights(row["name"], tuple(row["missing"]), row["is_owned"])
        for row in fetch_rows(connection, "list_rights")
    ]


def read_door(connection: Connection) -> Door:
    """The function through which steps execute statements."""
    [row] = fetch_rows(connection, "read_door")
    return Door(**row)


def list_partition_gaps(connection: Connection) -> list[Partitions]:
    """Partitioned tables, and what they lack for this month and the next."""
    return [
        Partitions(row["name"], tuple(row["missing"]), row["strays"])
        for row in fetch_rows(connection, "list_partition_gaps")
    ]


def list_expired_months(
    connection: Connection, *, runs: timedelta, events: timedelta
) -> list[str]:
    """Partitions that hold nothing younger than this."""
    rows = fetch_rows(connection, "list_expired_partitions", keep_runs=runs, keep_events=events)
    return [f"{row['parent']}_{row['month']}" for row in rows]
