"""Whoever follows the event log gets every committed event once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from runtime.store.connect import connect
from runtime.store.event_log import LogReader, Position
from runtime.store.rows import Connection
from tests.support.clock import FakeClock

TELL = "insert into ordinaut.event_log (type, subject, data) values ('task.created', %s, '{}')"


@pytest.fixture
def session(database: str) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


def tell(connection: Connection, *subjects: str) -> None:
    for subject in subjects:
        connection.execute(TELL.encode(), [subject])


def read(reader: LogReader, connection: Connection) -> list[str]:
    told = [event.subject for event in reader.read(connection)]
    while reader.is_behind:
        told += [event.subject for event in reader.read(connection)]
    return told


async def test_a_reader_gets_what_is_told_from_now_on_once(
    session: Connection, clock: FakeClock
) -> None:
    tell(session, "before")
    reader = LogReader.from_now(session, clock)

    assert read(reader, session) == []
    tell(session, "a", "b")
    assert read(reader, session) == ["a", "b"]
    assert read(reader, session) == []
    tell(session, "c")
    assert read(reader, session) == ["c"]


async def test_what_is_committed_late_is_found_when_it_is(
    session: Connection, database: str, clock: FakeClock
) -> None:
    reader = LogReader.from_now(session, clock)
    with connect(database) as late, late.transaction():
        tell(late, "late")
        tell(session, "early")
        assert read(reader, session) == ["early"]
        await clock.advance(1)
        assert read(reader, session) == []
    await clock.advance(1)
    assert read(reader, session) == ["late"]
    assert reader.position.missing == ()


async def test_what_is_late_is_found_though_nothing_follows(
    session: Connection, database: str, clock: FakeClock
) -> None:
    reader = LogReader.from_now(session, clock)
    with connect(database) as late, late.transaction():
        tell(late, "late")
        assert read(reader, session) == []
    await clock.advance(1)
    assert read(reader, session) == ["late"]


async def test_an_event_whose_statement_began_long_before_is_found(
    session: Connection, clock: FakeClock
) -> None:
    reader = LogReader.from_now(session, clock)
    tell(session, "a")
    session.execute(
        b"insert into ordinaut.event_log (type, subject, data, occurred_at)"
        b" values ('task.created', 'slow', '{}', ordinaut.now() - interval '50 seconds')"
    )
    assert read(reader, session) == ["a"]
    for seconds in (1, 2, 4, 8, 16):
        await clock.advance(seconds)
        told = read(reader, session)
    assert told == ["slow"]


async def test_what_was_rolled_back_is_given_up(
    session: Connection, database: str, clock: FakeClock
) -> None:
    reader = LogReader.from_now(session, clock)
    with connect(database) as other, other.transaction(force_rollback=True):
        tell(other, "never")
    tell(session, "a")
    assert read(reader, session) == ["a"]
    assert len(reader.position.missing) == 1
    await clock.advance(360)
    assert read(reader, session) == []
    assert reader.position.missing == ()


async def test_another_reader_goes_on_where_one_was(
    session: Connection, database: str, clock: FakeClock
) -> None:
    reader = LogReader.from_now(session, clock)
    with connect(database) as late, late.transaction():
        tell(late, "late")
        tell(session, "a")
        assert read(reader, session) == ["a"]
    tell(session, "b")
    follower = LogReader(reader.position, clock)
    assert read(follower, session) == ["b"]
    await clock.advance(1)
    assert read(follower, session) == ["late"]


async def test_a_backlog_is_read_a_page_at_a_time(session: Connection, clock: FakeClock) -> None:
    reader = LogReader.from_now(session, clock, limit=3)
    names = [f"n{number}" for number in range(8)]
    tell(session, *names)

    pages = [[event.subject for event in reader.read(session)] for _ in range(3)]

    assert pages == [names[:3], names[3:6], names[6:]]
    assert not reader.is_behind


async def test_a_broken_connection_loses_nothing(
    session: Connection, database: str, clock: FakeClock
) -> None:
    reader = LogReader.from_now(session, clock)
    tell(session, "a")
    with psycopg.connect(database) as broken:
        broken.close()
        with pytest.raises(psycopg.OperationalError):
            reader.read(broken)
    assert read(reader, session) == ["a"]


async def test_an_older_state_of_the_database_is_followed_from_there(
    session: Connection, clock: FakeClock
) -> None:
    reader = LogReader(Position(1_000, clock.now()), clock)
    assert read(reader, session) == []
    tell(session, "a")
    assert read(reader, session) == ["a"]


@pytest.mark.slow
async def test_many_writers_at_once_and_every_event_is_seen_once(
    session: Connection, database: str, clock: FakeClock
) -> None:
    reader, told = LogReader.from_now(session, clock, limit=50), []
    at_once, each = 4, 100

    def write(name: int) -> None:
        with connect(database) as own:
            for number in range(each):
                with own.transaction(force_rollback=number % 10 == 9):
                    tell(own, f"{name}.{number}.a", f"{name}.{number}.b")

    writers = [threading.Thread(target=write, args=(name,)) for name in range(at_once)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        told += read(reader, session)
    # Gaps are looked for again once time has passed, and here it passes only so.
    told += read(reader, session)
    later = LogReader(reader.position, _Later(clock))
    told += read(later, session)
    told += read(later, session)

    wanted = {
        f"{name}.{number}.{which}"
        for name in range(at_once)
        for number in range(each)
        if number % 10 != 9
        for which in "ab"
    }
    assert len(told) == len(set(told))
    assert set(told) == wanted


class _Later:
    """A clock on which a second passes between any two looks."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._looks = 0

    def monotonic(self) -> float:
        self._looks += 1
        return float(self._looks)
