"""The audit log: written with its effect or not at all, never changed, and chained so that what was changed is found."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from runtime.actor import Actor
from runtime.auditing import verify_audit
from runtime.core.chain import START, chained
from runtime.store.audit import Deed, Sought, list_audit, read_audit, write_audit
from runtime.store.connect import connect
from runtime.store.rows import Connection
from schemas.audit import AuditVerification
from tests.support.locks import somebody_is_blocked

ADA = Actor("ada@desk", "api", token="phone", address="127.0.0.1", reason="because")

# As whoever owns the tables may do, past every trigger.
_PAST_TRIGGERS = "set session_replication_role = replica"


@pytest.fixture
def log(database: str) -> Iterator[Connection]:
    """A log with ten entries of ours after that of the migration."""
    with connect(database) as connection:
        for number in range(10):
            write_audit(connection, ADA, Deed("task.run", f"task-{number}", details={"é": number}))
        yield connection


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """Somebody who may do anything in the database."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_PAST_TRIGGERS)
        yield connection


def broken(found: AuditVerification) -> tuple[int, str]:
    assert found.broken is not None
    return found.broken.entry, found.broken.what.partition(":")[0]


def newest(connection: Connection) -> tuple[int, str]:
    entry = list_audit(connection, Sought(limit=1))[0]
    return entry.entry, entry.hash


def test_an_entry_says_who_did_what_from_where_and_why(log: Connection) -> None:
    entry = list_audit(log, Sought(limit=1))[0]

    assert entry.model_dump(exclude={"at", "hash"}) == {
        "entry": 11,
        "actor": "ada@desk",
        "origin": "api",
        "token": "phone",
        "address": "127.0.0.1",
        "action": "task.run",
        "subject": "task-9",
        "reason": "because",
        "details": {"é": 9},
    }


def test_the_chain_of_an_untouched_log_holds(log: Connection) -> None:
    found = verify_audit(log)

    assert (found.verified, found.first, found.last, found.broken) == (11, 1, 11, None)
    assert found.hash == newest(log)[1]


def test_the_hash_is_what_anybody_can_compute(log: Connection) -> None:
    with log.transaction():
        links = list(read_audit(log, 1))

    before = START
    for link in links:
        assert link.hash == chained(before, link.columns)
        before = link.hash
    assert links[-1].columns[2:] == [
        "ada@desk", "api", "phone", "127.0.0.1", "task.run", "task-9", "because", '{"é": 9}',
    ]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "update ordinaut.audit set actor = 'eve' where entry = 4",
        "delete from ordinaut.audit where entry = 4",
        "truncate ordinaut.audit",
        "update ordinaut.audit_head set entry = 3",
        "delete from ordinaut.audit_head",
        "insert into ordinaut.audit_head (only_one, entry, hash) values (false, 1, '')",
        "truncate ordinaut.audit_head",
    ],
)
def test_nothing_of_it_is_changed_or_deleted(log: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        log.execute(statement.encode())

    assert verify_audit(log).verified == 11


def test_whatever_a_writer_says_its_number_time_and_hash_are_the_database_s(
    log: Connection,
) -> None:
    log.execute(
        "insert into ordinaut.audit (entry, at, actor, origin, action, subject, hash)"
        " values (3, '2001-01-01', 'eve', 'cli', 'task.run', 'x', 'forged')"
    )

    entry = list_audit(log, Sought(limit=1))[0]
    assert (entry.entry, entry.actor) == (12, "eve")
    assert entry.at.year > 2001
    assert verify_audit(log).broken is None


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (
            "update ordinaut.audit set actor = 'eve' where entry = 4",
            (4, "it is not what was written, or what came before it is not"),
        ),
        (
            "update ordinaut.audit set details = '{}' where entry = 7",
            (7, "it is not what was written, or what came before it is not"),
        ),
        ("delete from ordinaut.audit where entry = 5", (5, "it is missing")),
        ("delete from ordinaut.audit where entry = 1", (1, "it is missing")),
        ("delete from ordinaut.audit where entry > 8", (9, "it is missing")),
        ("truncate ordinaut.audit", (1, "it is missing")),
        (
            "update ordinaut.audit set entry = case entry when 4 then 5 else 4 end where entry in (4, 5)",
            (4, "it is not what was written, or what came before it is not"),
        ),
        (
            "insert into ordinaut.audit select 12, at, actor, origin, token, address, action, subject, reason, details, hash"
            " from ordinaut.audit where entry = 11",
            (12, "it is not what was written, or what came before it is not"),
        ),
        (
            "insert into ordinaut.audit select -3, at, 'eve', origin, token, address, action, subject, reason, details, hash"
            " from ordinaut.audit where entry = 11",
            (-3, "it was added"),
        ),
        ("delete from ordinaut.audit_head", (11, "the head of the chain, which says that it was written last, is missing")),
    ],
)  # fmt: skip
def test_what_somebody_did_past_the_triggers_is_found(
    log: Connection, owner: psycopg.Connection, tampering: str, found: tuple[int, str]
) -> None:
    if "entry when 4" in tampering:
        owner.execute("alter table ordinaut.audit drop constraint audit_pkey")
    owner.execute(tampering.encode())

    assert broken(verify_audit(log)) == found


def test_an_end_that_was_written_anew_is_found_by_a_hash_that_was_noted(
    log: Connection, owner: psycopg.Connection
) -> None:
    entry, noted = newest(log)
    # All that the database alone can tell by agrees again.
    owner.execute("delete from ordinaut.audit where entry > 6")
    owner.execute(
        "update ordinaut.audit_head set entry = 6, hash = (select hash from ordinaut.audit where entry = 6)"
    )
    assert verify_audit(log).broken is None
    assert broken(verify_audit(log, (entry, bytes.fromhex(noted)))) == (7, "it is missing")
    for number in range(5, 10):
        write_audit(log, ADA, Deed("task.run", f"forged-{number}"))

    assert verify_audit(log).broken is None
    found = broken(verify_audit(log, (entry, bytes.fromhex(noted))))
    assert found == (11, "its hash is not the one that was noted")


def test_a_hash_that_was_noted_is_where_the_check_begins(log: Connection) -> None:
    entry, noted = newest(log)
    write_audit(log, ADA, Deed("task.run", "later"))

    found = verify_audit(log, (entry, bytes.fromhex(noted)))

    assert (found.verified, found.first, found.last, found.broken) == (2, 11, 12, None)


def test_what_is_undone_leaves_no_entry_and_no_gap(log: Connection) -> None:
    with log.transaction(force_rollback=True):
        write_audit(log, ADA, Deed("task.run", "undone"))
    write_audit(log, ADA, Deed("task.run", "done"))

    assert [one.subject for one in list_audit(log, Sought(limit=2))] == ["done", "task-9"]
    assert verify_audit(log).verified == 12


def test_writers_at_once_fork_nothing(log: Connection, database: str) -> None:
    together = threading.Barrier(8)

    def write(writer: int) -> None:
        with connect(database) as connection:
            together.wait(10)
            for number in range(20):
                write_audit(connection, ADA, Deed("task.run", f"{writer}-{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    found = verify_audit(log)
    assert (found.verified, found.broken) == (11 + 160, None)


def test_an_entry_waits_for_the_one_before_it_to_be_committed(
    log: Connection, database: str
) -> None:
    with connect(database) as other, ThreadPoolExecutor(1) as pool:
        with log.transaction():
            write_audit(log, ADA, Deed("task.run", "first"))
            second = pool.submit(write_audit, other, ADA, Deed("task.run", "second"))
            asyncio.run(somebody_is_blocked(database))
        second.result(10)

    assert [one.subject for one in list_audit(log, Sought(limit=2))] == ["second", "first"]


def test_entries_are_found_by_who_what_and_whereto(log: Connection) -> None:
    write_audit(log, Actor("bob@home"), Deed("run.cancel", "0-0", details={"task": "task-3"}))

    def subjects(sought: Sought) -> list[str]:
        return [one.subject for one in list_audit(log, sought)]

    assert subjects(Sought(actor="bob")) == ["0-0"]
    assert subjects(Sought(actor="bob@home")) == ["0-0"]
    assert subjects(Sought(subject="task-3")) == ["0-0", "task-3"]
    assert subjects(Sought(action="run.*")) == ["0-0"]
    assert subjects(Sought(action="task_run")) == []
    assert subjects(Sought(before=4, limit=2)) == ["task-1", "task-0"]


def test_a_role_that_may_only_insert_chains_and_cannot_touch_the_head(
    log: Connection, database: str
) -> None:
    log.execute("create role audit_writer")
    try:
        log.execute("grant usage on schema ordinaut to audit_writer")
        log.execute("grant insert on ordinaut.audit to audit_writer")
        with connect(database) as connection:
            connection.execute("set role audit_writer")
            write_audit(connection, ADA, Deed("task.run", "theirs"))
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="audit_head"):
                connection.execute("update ordinaut.audit_head set entry = 1")

        assert list_audit(log, Sought(limit=1))[0].subject == "theirs"
        assert verify_audit(log).broken is None
    finally:
        log.execute("drop owned by audit_writer")
        log.execute("drop role audit_writer")
