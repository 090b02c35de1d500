"""Fixtures of the runtime's tests: a pool, and parts of a runtime that are driven step by step."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from runtime.store.pool import Pool, open_pool


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool on this test's database."""
    pool = await open_pool(database)
    yield pool
    await pool.close()
