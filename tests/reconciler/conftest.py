"""Fixtures of the tests that plan and apply against a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.store.connect import connect
from tests.support.applying import Bench


@pytest.fixture
def bench(database: str) -> Iterator[Bench]:
    """A database of this test's own, to plan against and apply to."""
    with connect(database, name="ordinaut apply by test@desk") as connection:
        yield Bench(database, connection)
