"""A database of its own for every test: a copy of a template that is migrated once a session."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from runtime.store.migrate import migrate

TEMPLATE = "ordinaut_template"
_over: list[str] = []


def on_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def make_template(url: str) -> None:
    """Make the migrated database that the others are copies of."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
        migrate(on_database(url, TEMPLATE))
        # A copy needs a template without sessions: now none can come.
        admin.execute(
            sql.SQL("alter database {} allow_connections false").format(sql.Identifier(TEMPLATE))
        )


@contextmanager
def fresh_database(url: str, template: str = TEMPLATE) -> Iterator[str]:
    """The URL of a new copy of `template`, for the block.

    It is dropped when the next one is made, with whatever session still uses it: sessions need a moment to end, and one
    that PostgreSQL finds ending makes it wait for a tenth of a second. The last ones go with the server.
    """
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        while _over:
            drop = sql.SQL("drop database {} with (force)")
            admin.execute(drop.format(sql.Identifier(_over.pop())))
    try:
        yield on_database(url, name)
    finally:
        _over.append(name)
