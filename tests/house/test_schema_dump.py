"""The database has the shape that was reviewed, every migration can be taken back, and none is ever altered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

import psycopg
import pytest

from migrations import migrations
from runtime.core.states import RunState
from runtime.embedded import Urls
from runtime.errors import SchemaMismatch, StoreError
from runtime.store.migrate import migrate, migration_states
from schemas.event import Trigger
from tests.house.schema_dump import GOLDEN, dump
from tests.support.databases import fresh_database

NEWEST = migrations()[-1].number


@pytest.fixture
def empty(servers: Urls) -> Iterator[str]:
    """The URL of a database without anything in it."""
    with fresh_database(servers.database, template="template1") as url:
        yield url


def test_the_migrated_database_has_the_shape_that_was_reviewed(database: str) -> None:
    assert dump(database) == GOLDEN.read_text(encoding="utf-8"), "run `make generated`"


@pytest.mark.parametrize("number", range(1, NEWEST + 1))
def test_a_migration_that_is_taken_back_leaves_no_trace(empty: str, number: int) -> None:
    migrate(empty, to=number - 1)
    before = dump(empty)
    assert migrate(empty, to=number) == (number - 1, number)
    after = dump(empty)

    assert migrate(empty, to=number - 1) == (number, number - 1)

    assert after != before
    assert dump(empty) == before


def test_going_up_again_gives_the_same_shape(database: str) -> None:
    migrate(database, to=0)
    assert "ordinaut.run" not in dump(database)

    migrate(database)

    assert dump(database) == GOLDEN.read_text(encoding="utf-8")


def test_migrating_twice_changes_nothing(database: str) -> None:
    assert migrate(database) == (NEWEST, NEWEST)
    assert all(state.applied_at for state in migration_states(database))


def test_an_altered_migration_is_refused(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("update public.ordinaut_migration set checksum = 'x' where number = 1")

    with pytest.raises(SchemaMismatch) as refusal:
        migrate(database)

    assert refusal.value.code == "ORD304"


def test_a_migration_of_a_newer_program_is_refused(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into public.ordinaut_migration values (9999, 'later', 'x')")

    with pytest.raises(SchemaMismatch, match="9999") as refusal:
        migrate(database)

    assert refusal.value.code == "ORD303"


@pytest.mark.parametrize("number", [-1, NEWEST + 1])
def test_a_version_that_does_not_exist_is_refused(empty: str, number: int) -> None:
    with pytest.raises(SchemaMismatch):
        migrate(empty, to=number)


def test_a_migration_that_fails_leaves_nothing_behind(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        # Half of what the first migration makes is there already, so that it fails on its way.
        connection.execute("create schema ordinaut; create table ordinaut.outbox (a integer)")
    before = dump(empty)

    with pytest.raises(StoreError, match="already exists"):
        migrate(empty)

    assert dump(empty) == before


def test_numbers_run_from_one_without_a_gap_and_both_ways_are_written() -> None:
    known = migrations()

    assert [migration.number for migration in known] == list(range(1, NEWEST + 1))
    assert all(migration.up.startswith("--") for migration in known), "the first line says why"
    assert all(migration.down.strip() for migration in known)


@pytest.mark.parametrize(
    ("constraint", "words"),
    [("run_state", get_args(RunState)), ("run_trigger", get_args(Trigger))],
)
def test_the_database_knows_the_same_words_as_the_program(
    constraint: str, words: tuple[str, ...]
) -> None:
    check = re.search(
        rf"CONSTRAINT {constraint} CHECK (.+?)(,?\n|$)", GOLDEN.read_text(encoding="utf-8")
    )

    assert check is not None
    assert set(re.findall(r"'(\w+)'", check[1])) == set(words)
