"""Fixtures of the commands' tests: a command line, with or without servers, and rows to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.cli import Cli
from tests.support.clock import stop_the_clock
from tests.support.factories import NOON


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def alone(folder: Path) -> Cli:
    """A command line that knows no server."""
    return Cli()


@pytest.fixture
def cli(folder: Path, database: str, redis_url: str) -> Cli:
    """A command line with this test's database and Redis."""
    return Cli({"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url})


@pytest.fixture
def rows(database: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to `database`, for rows made by hand."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def _it_is_noon(rows: psycopg.Connection) -> None:
    """The database's clock stands still."""
    stop_the_clock(rows, NOON)
