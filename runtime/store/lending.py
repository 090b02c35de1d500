"""Connections lent to requests of the web side, one for as long as a request needs it: some to read with, some to write with.

What reads cannot write: its sessions are read only, so that no view changes anything, whatever is asked of it. A server
that says nothing is given up by the kernel; whoever finds no connection free is refused, and waits for nobody.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, Self

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from runtime.errors import StoreError, Unstorable
from runtime.store.connect import (
    CONNECT_TIMEOUT_SECONDS,
    SESSION_OPTIONS,
    read_numbers_as_written,
    remedy,
    unavailable,
)
from runtime.store.rows import Connection, fetch_rows

_PREPARED_AFTER: Final = 2
_READ_ONLY: Final = " -c default_transaction_read_only=on"
_Pool = ConnectionPool[psycopg.Connection[TupleRow]]


class Lender:
    """Two pools over one database; open for as long as its block lasts, whether the database answers or not.

    Args:
        conninfo: a libpq connection string or URL.
        size: how many connections of each kind there may be.
        silence: how long the server may say nothing.

    Attributes:
        conninfo: as given.
    """

    def __init__(self, conninfo: str, *, size: int = 4, silence: timedelta) -> None:
        self.conninfo = conninfo
        self._reading = _pool(conninfo, "ordinaut web", _READ_ONLY, size, silence)
        self._writing = _pool(conninfo, "ordinaut web, writing", "", size, silence)

    def __enter__(self) -> Self:
        self._reading.open()
        self._writing.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.close()
        self._writing.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that cannot write, in autocommit mode.

        Raises:
            DatabaseUnavailable: ORD301 away, or too busy; ORD302 it refused us.
            Unstorable: ORD508, it was asked about what it can neither hold nor look for.
            StoreError: any other error of the database inside the block.
        """
        with self._lent(self._reading) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection that may write, in autocommit mode; raises as `reading`."""
        with self._lent(self._writing) as connection:
            yield connection

    @contextmanager
    def _lent(self, pool: _Pool) -> Iterator[Connection]:
        try:
            with pool.connection() as connection:
                yield connection
        except (psycopg.DataError, UnicodeEncodeError) as error:
            raise Unstorable(f"the database cannot hold what was given: {_said(error)}") from error
        except psycopg.OperationalError as error:
            raise unavailable(self.conninfo, error) from error
        except psycopg.Error as error:
            raise StoreError(
                f"the database refused: {_said(error)}", hint=remedy(error)
            ) from error


def _said(error: Exception) -> str:
    """What is the matter, without the statement and the row in which it is."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return primary or str(error).partition("\n")[0]


def _pool(conninfo: str, name: str, options: str, size: int, silence: timedelta) -> _Pool:
    return ConnectionPool(
        conninfo,
        min_size=1,
        max_size=size,
        open=False,
        timeout=CONNECT_TIMEOUT_SECONDS,
        reconnect_timeout=CONNECT_TIMEOUT_SECONDS,
        configure=_configure,
        # After a restart of the server every connection is a dead one.
        check=_check,
        kwargs={
            "autocommit": True,
            "application_name": name,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "tcp_user_timeout": int(silence.total_seconds() * 1000),
            "options": f"{SESSION_OPTIONS} -c jit=off{options}",
            "prepare_threshold": None,
        },
    )


def _configure(connection: psycopg.Connection[TupleRow]) -> None:
    """Prepare what is asked again, unless a pooler is between, where the next transaction meets another session."""
    read_numbers_as_written(connection)
    [session] = fetch_rows(connection, "read_session")
    if session["backend_pid"] == connection.info.backend_pid:
        connection.prepare_threshold = _PREPARED_AFTER


def _check(connection: psycopg.Connection[TupleRow]) -> None:
    """Refuse a connection on which the server said something that nobody asked for: at rest that is its farewell."""
    unread = select.poll()
    unread.register(connection.fileno(), select.POLLIN)
    if unread.poll(0):
        raise psycopg.OperationalError("the server closed the connection")
