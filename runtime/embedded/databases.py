"""Databases that specs ask for, beside Ordinaut's own: each with a role of its own, which owns it and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runtime.errors import EmbeddedError
from runtime.files import write_private
from runtime.store.statements import statement


def make_databases(admin: str, wanted: Mapping[str, Collection[str]], folder: Path) -> None:
    """Have databases, and the URL of each in a private file of its name in `folder`; what is there stays as it is.

    Args:
        admin: the URL of the embedded PostgreSQL, as its owner.
        wanted: the extensions of each database, by its name, which is also that of the role that owns it.
        folder: is made if it is missing.

    Raises:
        EmbeddedError: ORD307, PostgreSQL refused, or a file cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with psycopg.connect(admin, autocommit=True) as connection:
            for name, extensions in wanted.items():
                password = _password(folder / name)
                _make(connection, name, password)
                _extend(make_conninfo(admin, dbname=name), extensions)
                write_private(folder / name, _url(admin, name, password))
    except (psycopg.Error, OSError) as error:
        raise EmbeddedError(f"a database of the specs could not be made: {error}") from error


def _make(connection: psycopg.Connection, name: str, password: str) -> None:
    given = {"name": name, "password": password}
    found = connection.execute(statement("find_database_and_role"), given).fetchone()
    has_database, has_role = found or (False, False)
    verb = "alter" if has_role else "create"
    _execute_worded(connection, "word_role", {**given, "verb": verb})
    if not has_database:
        _execute_worded(connection, "word_database", given)
        _execute_worded(connection, "word_privacy", given)


def _extend(admin: str, extensions: Collection[str]) -> None:
    if extensions:
        with psycopg.connect(admin, autocommit=True) as connection:
            for one in extensions:
                _execute_worded(connection, "word_extension", {"name": one})


def _execute_worded(connection: psycopg.Connection, name: str, given: dict[str, str]) -> None:
    ((worded,),) = connection.execute(statement(name), given).fetchall()
    connection.execute(worded)


def _password(file: Path) -> str:
    """That of the file, so that who is connected stays; else a new one."""
    try:
        known = conninfo_to_dict(file.read_text()).get("password")
    except (FileNotFoundError, psycopg.Error):
        known = None
    return str(known) if known else secrets.token_urlsafe(24)


def _url(admin: str, name: str, password: str) -> str:
    parts = conninfo_to_dict(admin)
    host, port = quote(str(parts["host"]), safe=""), parts["port"]
    return f"postgresql://{name}:{password}@/{name}?host={host}&port={port}"
