"""The database that a plan compares with, which may not exist yet, and the one that an apply writes to, which then will."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runtime.actor import Actor
from runtime.config import Config
from runtime.database import database, has_database
from runtime.store.connect import connect
from runtime.store.migrate import migrate, require_current
from runtime.store.rows import Connection


@contextmanager
def database_to_read(config: Config) -> Iterator[Connection | None]:
    """A read-only session; None if there is no database yet.

    Raises:
        DatabaseUnavailable: the database that the settings name cannot be reached.
        SchemaMismatch: its schema is older or newer than the program.
    """
    if not has_database(config):
        yield None
        return
    with (
        database(config, create=False) as conninfo,
        connect(conninfo, read_only=True, name="ordinaut plan") as connection,
    ):
        require_current(connection)
        yield connection


@contextmanager
def ready_database(config: Config) -> Iterator[str]:
    """The database that is written to for longer; the embedded one is made and migrated, one of the user's own is not.

    Raises:
        DatabaseUnavailable, SchemaMismatch: as `database_to_read`.
        EmbeddedError: the embedded database could not be started.
    """
    with database(config, create=True) as conninfo:
        if config.database_url is None:
            migrate(conninfo)
        with connect(conninfo) as connection:
            require_current(connection)
        yield conninfo


@contextmanager
def database_to_write(config: Config, actor: Actor) -> Iterator[Connection]:
    """A session that may write; the embedded database is made and migrated for it, one of the user's own is not.

    Args:
        actor: whom another apply that has to wait is told about.

    Raises:
        DatabaseUnavailable, SchemaMismatch: as `database_to_read`.
        EmbeddedError: the embedded database could not be started.
    """
    with database(config, create=True) as conninfo:
        if config.database_url is None:
            migrate(conninfo)
        with connect(conninfo, name=f"ordinaut apply by {actor}") as connection:
            require_current(connection)
            yield connection
