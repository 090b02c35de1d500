"""Fixtures of the MCP server's tests: a web side, a command line and rows, all over one database."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.cli import Cli
from tests.support.web import Web, serving


@pytest.fixture
def web(database: str) -> Iterator[Web]:
    """The web side over `database`, which has one token."""
    with serving(database) as web:
        yield web


@pytest.fixture
def rows(database: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to `database`."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def cli(database: str, redis_url: str) -> Cli:
    """A command line with the same database."""
    return Cli({"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url})
