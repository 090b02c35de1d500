"""Commands find their database: the one of the settings, the running embedded one, or one for their own short while."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from runtime.config import Config
from runtime.database import database, open_database, redis_url
from runtime.embedded import EmbeddedServers
from runtime.errors import DatabaseUnavailable, SchemaMismatch
from runtime.store.migrate import migrate


def test_a_database_of_the_settings_is_taken_as_it_is(tmp_path: Path) -> None:
    config = Config(database_url="postgresql://anywhere/any", state_dir=tmp_path)

    with database(config, create=False) as conninfo:
        assert conninfo == "postgresql://anywhere/any"
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_none_it_is_made_only_if_asked_for(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path / "state")

    with (
        pytest.raises(DatabaseUnavailable, match="no database yet"),
        database(config, create=False),
    ):
        pass

    assert not (tmp_path / "state").exists()


@pytest.mark.slow
def test_an_embedded_database_is_started_for_the_block_and_keeps_its_data(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path / "state")

    with database(config, create=True) as conninfo:
        migrate(conninfo)
    with open_database(config, read_only=True) as connection:
        assert connection.execute("select count(*) from ordinaut.run").fetchone() == (0,)

    with pytest.raises(psycopg.OperationalError), psycopg.connect(conninfo):
        pass


@pytest.mark.slow
async def test_running_servers_are_shared(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path / "state")

    def look() -> tuple[str, str | None]:
        with database(config, create=False) as conninfo:
            return conninfo, redis_url(config)

    async with EmbeddedServers(config.state_dir) as urls:
        assert await asyncio.to_thread(look) == (urls.database, urls.redis)
    assert redis_url(config) is None


def test_a_redis_of_the_settings_comes_first(tmp_path: Path) -> None:
    assert redis_url(Config(redis_url="redis://one", state_dir=tmp_path)) == "redis://one"


def test_a_schema_that_is_not_current_is_refused(database: str, tmp_path: Path) -> None:
    migrate(database, to=0)

    with (
        pytest.raises(SchemaMismatch, match="at schema version 0"),
        open_database(Config(database_url=database, state_dir=tmp_path)),
    ):
        pass


def test_a_read_only_session_cannot_write(database: str) -> None:
    with open_database(Config(database_url=database), read_only=True, name="me") as connection:
        assert connection.info.parameter_status("application_name") == "me"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("delete from ordinaut.run")
