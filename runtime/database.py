"""Finds the database that a command works on: the one the settings name, else the embedded one.

A command beside `ordinaut up` uses the servers that it runs; where none runs, PostgreSQL is started for as long as the
command takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runtime.config import Config
from runtime.errors import DatabaseUnavailable
from runtime.store.connect import connect
from runtime.store.migrate import require_current
from runtime.store.rows import Connection


def has_database(config: Config) -> bool:
    """Whether there is a database, or the settings name one; it need not run."""
    if config.database_url is not None:
        return True
    from runtime.embedded.state import StateFolder  # noqa: PLC0415 - only for a database of our own

    return StateFolder(config.state_dir).postgres.is_dir()


@contextmanager
def database(config: Config, *, create: bool) -> Iterator[str]:
    """The connection string of the database itself, which answers for as long as the block lasts.

    Not inside a running event loop.

    Args:
        config: the settings.
        create: make an embedded database where there is none; it is empty, without even a schema.

    Raises:
        DatabaseUnavailable: ORD301, there is none and `create` is false.
        EmbeddedError: ORD307 or ORD308, the embedded one could not be started.
    """
    if config.database_url is not None:
        yield config.direct_url or config.database_url
        return
    if not create and not has_database(config):
        raise DatabaseUnavailable(
            f"there is no database yet: database_url is not set, and {config.state_dir} holds none",
            hint="`ordinaut up` makes one, beside the specs folder; where that is another, name it in ORDINAUT_SPECS;"
            " or set ORDINAUT_DATABASE_URL to a PostgreSQL of your own",
        )
    from runtime.embedded import temporarily  # noqa: PLC0415 - as above

    with temporarily(config.state_dir) as urls:
        yield urls.database


@contextmanager
def open_database(
    config: Config, *, read_only: bool = False, name: str = "ordinaut"
) -> Iterator[Connection]:
    """A connection to an existing database whose schema this program knows.

    Args:
        config: the settings.
        read_only: as `connect`.
        name: as `connect`.

    Raises:
        DatabaseUnavailable: as `database` and `connect`.
        SchemaMismatch: the schema is older or newer than the program.
    """
    with (
        database(config, create=False) as conninfo,
        connect(conninfo, read_only=read_only, name=name) as connection,
    ):
        require_current(connection)
        yield connection


@contextmanager
def join_database(config: Config, *, name: str) -> Iterator[Connection]:
    """A connection that cannot write, for a command that stays: to a server that runs already.

    One of its own would keep the state folder from an `ordinaut up` for as long as somebody looks on.

    Args:
        config: the settings.
        name: as `connect`.

    Raises:
        DatabaseUnavailable: as `connect`; also ORD301 where no server runs over the state folder.
        SchemaMismatch: the schema is older or newer than the program.
    """
    conninfo = config.direct_url or config.database_url
    if conninfo is None:
        from runtime.embedded import running  # noqa: PLC0415 - only for a database of our own

        urls = running(config.state_dir)
        if urls is None:
            raise DatabaseUnavailable(
                f"no `ordinaut up` runs over {config.state_dir}",
                hint="start it; `ordinaut status` and `ordinaut logs` show what there is without it",
            )
        conninfo = urls.database
    with connect(conninfo, read_only=True, name=name) as connection:
        require_current(connection)
        yield connection


def redis_url(config: Config) -> str | None:
    """The address of Redis: the one the settings name, else the embedded one if it runs; None if there is none now."""
    if config.redis_url is not None:
        return config.redis_url
    from runtime.embedded import running  # noqa: PLC0415 - as above

    urls = running(config.state_dir)
    return urls.redis if urls else None
