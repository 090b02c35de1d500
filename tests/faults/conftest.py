"""Fixtures of the tests of failure: a place where real runtime processes work."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.faults.site import Site


@pytest.fixture
def site(
    database: str, redis_url: str, connection: psycopg.AsyncConnection, tmp_path: Path
) -> Site:
    """A project folder with this test's database and Redis."""
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}
    return Site(tmp_path, connection, env)
