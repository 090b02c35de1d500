"""Connection strings that nobody can read are a mistake in a setting, and may hold a password; and no session stays open."""

from __future__ import annotations

import pytest

from runtime.errors import ConfigError, StoreError
from runtime.store.connect import connect
from runtime.store.pool import open_pool

UNREADABLE = ["garbage", "postgre://me:hunter2@localhost/x", "host=localhost password='hunter2"]


@pytest.mark.parametrize("conninfo", UNREADABLE)
def test_a_command_says_which_setting_cannot_be_read_and_repeats_no_password(
    conninfo: str,
) -> None:
    with pytest.raises(ConfigError, match="database_url") as refusal, connect(conninfo):
        pass

    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("conninfo", UNREADABLE)
async def test_a_runtime_says_which_setting_cannot_be_read_and_repeats_no_password(
    conninfo: str,
) -> None:
    with pytest.raises(ConfigError, match="database_url") as refusal:
        await open_pool(conninfo)

    assert "hunter2" not in str(refusal.value)


REFUSED = (
    b"begin; create temporary table once (n int unique deferrable initially deferred);"
    b" insert into once values (1), (1)"
)


def test_a_session_whose_commit_is_refused_is_closed_all_the_same(database: str) -> None:
    with pytest.raises(StoreError, match="duplicate key"), connect(database) as connection:
        connection.execute(REFUSED)

    assert connection.closed
