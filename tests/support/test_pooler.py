"""The stand-in for a pooler leaves nothing behind."""

from __future__ import annotations

import gc

import psycopg
import pytest

from runtime.clock import SYSTEM_CLOCK
from tests.support.pooler import Pooler


@pytest.mark.parametrize("turns", range(8))
async def test_a_session_that_it_opens_anew_as_it_ends_is_closed(
    database: str, turns: int
) -> None:
    """A client that leaves within a transaction costs a session; pytest makes an error of one that is collected while open."""
    async with Pooler(database) as pooler:
        client = await psycopg.AsyncConnection.connect(pooler.url)
        await client.execute("select 1")
        await client.close()
        for _ in range(turns):
            await SYSTEM_CLOCK.sleep(0)

    gc.collect()
