"""A database that held events before they were written into the log keeps all of them, there and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from runtime.embedded import Urls
from runtime.store.migrate import migrate
from tests.support.databases import fresh_database

_BEFORE, _AFTER = 23, 24
_WINTER = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
_SPRING = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def database(servers: Urls) -> Iterator[str]:
    with fresh_database(servers.database, template="template1") as url:
        migrate(url, to=_BEFORE)
        with psycopg.connect(url, autocommit=True) as rows:
            rows.execute(
                "insert into ordinaut.event_log (event_id, sequence, type, subject, data, occurred_at)"
                " values (gen_random_uuid(), 6, 'told', 'a', '{}', %s), (gen_random_uuid(), 7, 'told', 'a', '{}', %s)",
                [_WINTER, _SPRING],
            )
            rows.execute(
                "insert into ordinaut.outbox (outbox_id, type, subject, data, occurred_at) overriding system value"
                " values (8, 'waits', 'a', '{}', %s), (9, 'waits', 'a', '{}', %s)",
                [_SPRING, _WINTER],
            )
        yield url


def test_every_event_is_in_the_log_and_those_not_published_in_the_outbox(database: str) -> None:
    migrate(database, to=_AFTER)

    with psycopg.connect(database, autocommit=True) as rows:
        log = "select sequence, type, occurred_at from ordinaut.event_log order by sequence"
        outbox = "select occurred_at, sequences from ordinaut.outbox order by outbox_id"
        assert rows.execute(log).fetchall() == [
            (6, "told", _WINTER),
            (7, "told", _SPRING),
            (8, "waits", _SPRING),
            (9, "waits", _WINTER),
        ]
        assert rows.execute(outbox).fetchall() == [(_SPRING, [8]), (_WINTER, [9])]

        rows.execute(
            "insert into ordinaut.event_log (type, subject, data) values ('new', 'a', '{}')"
        )

        assert rows.execute("select max(sequence) from ordinaut.event_log").fetchone() == (10,)


def test_going_back_puts_every_event_where_it_was(database: str) -> None:
    log = "select event_id, sequence, type, occurred_at from ordinaut.event_log order by sequence"
    outbox = (
        "select outbox_id, event_id, type, occurred_at from ordinaut.outbox order by outbox_id"
    )
    with psycopg.connect(database, autocommit=True) as rows:
        before = rows.execute(log).fetchall(), rows.execute(outbox).fetchall()
    migrate(database, to=_AFTER)

    migrate(database, to=_BEFORE)

    with psycopg.connect(database, autocommit=True) as rows:
        assert (rows.execute(log).fetchall(), rows.execute(outbox).fetchall()) == before
        rows.execute("insert into ordinaut.outbox (type, subject, data) values ('new', 'a', '{}')")
        assert rows.execute("select max(outbox_id) from ordinaut.outbox").fetchone() == (10,)
