"""`ordinaut doctor` names what is wrong with an installation that is really made so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from redis import Redis

from migrations import migrations
from runtime.core.diagnosis.server import _UNSAFE
from runtime.errors import EXIT_ERROR, EXIT_LOCKED
from runtime.store.migrate import migrate
from schemas.doctor import Examination, Finding
from tests.support.cli import Cli, Invoked
from tests.support.factories import (
    NOON,
    insert_due_work,
    insert_event,
    insert_run,
    insert_schedule,
    insert_task,
)

# The servers of the tests are not durable, and say so.
_OF_THE_TESTS = {"fsync is off", "full_page_writes is off", "synchronous_commit is off"}


def found(answer: Invoked, check: str) -> list[Finding]:
    """The findings of one check."""
    examination = Examination.model_validate(answer.json)
    assert check in examination.checks
    return [finding for finding in examination.findings if finding.check == check]


def only(answer: Invoked, check: str) -> Finding:
    """The one finding of a check."""
    [finding] = found(answer, check)
    return finding


@pytest.fixture(autouse=True)
def partitions(rows: psycopg.Connection) -> None:
    """What every runtime makes when it starts."""
    rows.execute("select ordinaut.ensure_partitions(ordinaut.now())")


@pytest.fixture
def role(database: str, rows: psycopg.Connection) -> Iterator[str]:
    """The URL of a role that may do all with the tables, and owns nothing."""
    name = f"worker_{urlsplit(database).path[-12:]}"
    identifier = sql.Identifier(name)
    for statement in (
        "create role {} login password 'secret'",
        "grant usage on schema ordinaut to {}",
        "grant select, insert, update, delete on all tables in schema ordinaut to {}",
        "grant usage on sequence ordinaut.event_sequence to {}",
        "grant select on public.ordinaut_migration to {}",
    ):
        rows.execute(sql.SQL(statement).format(identifier))
    parts = urlsplit(database)
    host = parts.netloc.rpartition("@")[2]
    yield urlunsplit(parts._replace(netloc=f"{name}:secret@{host}"))
    rows.execute(sql.SQL("drop owned by {}").format(identifier))
    rows.execute(sql.SQL("drop role {}").format(identifier))


def test_a_sound_installation_has_no_finding_but_that_of_servers_that_are_not_durable(
    cli: Cli,
) -> None:
    answer = cli("doctor", "--json")

    examination = Examination.model_validate(answer.json)
    told = {one.what for one in examination.findings if one.check not in {"horizon", "redis"}}
    assert told == _OF_THE_TESTS
    assert examination.database is not None
    assert examination.redis is not None
    assert set(examination.checks) == {
        "redis", "database", "settings", "notifications", "horizon", "bloat", "migrations", "clock",
        "privileges", "partitions", "work", "streams", "outbox", "leases", "versions",
    }  # fmt: skip


def test_the_text_says_what_why_and_what_to_do(cli: Cli) -> None:
    answer = cli("doctor")

    assert answer.status == EXIT_ERROR
    assert "error    settings: synchronous_commit is off\n" in answer.stdout
    assert "         → alter system reset synchronous_commit;" in answer.stdout
    assert "sound    " in answer.stdout
    assert "15 checks: 3 errors" in answer.stdout


def test_a_database_that_does_not_answer_is_a_finding_and_an_exit_code(alone: Cli) -> None:
    answer = alone("doctor", "--json", "--database-url", "postgresql://127.0.0.1:1/none")

    assert answer.status == EXIT_LOCKED
    assert "cannot be reached" in only(answer, "database").what
    assert only(answer, "redis").severity == "note"
    assert "database  does not answer" in alone("doctor").stdout


def test_a_session_that_keeps_a_snapshot_is_named_with_what_it_runs(
    cli: Cli, database: str
) -> None:
    with (
        psycopg.connect(database, application_name="nightly report") as reader,
        reader.transaction(),
    ):
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select count(*) from ordinaut.run")

        patient = found(cli("doctor", "--json", "--patience", "1h"), "horizon")
        hasty = found(cli("doctor", "--json", "--patience", "1ms"), "horizon")

    [named] = [one for one in hasty if "(nightly report)" in one.what]
    assert "has kept a snapshot for 0 s, idle in transaction: select count(*)" in named.what
    assert "pg_terminate_backend(" in named.remedy
    assert not any("nightly report" in one.what for one in patient)


def test_a_replication_slot_that_nobody_reads_is_named(cli: Cli, rows: psycopg.Connection) -> None:
    with _slot(rows, "forgotten"):
        findings = found(cli("doctor", "--json"), "horizon")

    assert "nobody reads the physical replication slot 'forgotten'" in {
        one.what for one in findings
    }


def test_a_prepared_transaction_is_named(cli: Cli, rows: psycopg.Connection) -> None:
    rows.execute(
        "begin; insert into ordinaut.event_log (type, subject, data) values ('a', 'b', '{}')"
    )
    rows.execute("prepare transaction 'left behind'")
    try:
        findings = found(cli("doctor", "--json", "--patience", "1ms"), "horizon")
    finally:
        rows.execute("rollback prepared 'left behind'")

    [named] = [one for one in findings if "prepared" in one.what]
    assert "the prepared transaction 'left behind' of " in named.what
    assert named.remedy.startswith("end it: rollback prepared 'left behind'")


def test_dead_rows_that_outnumber_the_living_are_counted(
    cli: Cli, database: str, rows: psycopg.Connection
) -> None:
    with psycopg.connect(database) as reader:
        # A snapshot: what is deleted now must stay for it.
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select count(*) from ordinaut.outbox")
        rows.execute(
            "insert into ordinaut.outbox (occurred_at, sequences)"
            " select ordinaut.now(), '{1}' from generate_series(1, 12000)"
        )
        rows.execute("delete from ordinaut.outbox")
        rows.execute("select pg_stat_force_next_flush()")
        rows.execute("select 1")

        assert (
            "ordinaut.outbox holds 12,000 dead rows beside 0"
            in only(cli("doctor", "--json"), "bloat").what
        )


def test_a_schema_that_lags_behind_is_told_and_what_stands_on_it_is_not_asked(
    cli: Cli, database: str
) -> None:
    newest = migrations()[-1].number
    migrate(database, to=newest - 1)

    answer = cli("doctor", "--json")

    assert only(answer, "migrations").what == (
        f"the database is at schema version {newest - 1}, this program needs {newest}"
    )
    assert "work" not in Examination.model_validate(answer.json).checks


def test_a_schema_of_a_newer_program_and_altered_migrations_are_told(
    cli: Cli, rows: psycopg.Connection
) -> None:
    rows.execute("insert into public.ordinaut_migration values (9999, 'future', 'x')")
    rows.execute("update public.ordinaut_migration set checksum = 'y' where number = 2")

    altered, newer = found(cli("doctor", "--json"), "migrations")
    rows.execute("update public.ordinaut_migration set breaking = true where number = 9999")
    breaking, _ = found(cli("doctor", "--json"), "migrations")

    known = migrations()[-1].number
    assert newer.what == f"the database is at schema version 9999, this program knows {known}"
    assert (newer.severity, breaking.severity) == ("warning", "error")
    assert altered.what == f"applied migrations differ from their files: {migrations()[1].name}"


@pytest.mark.parametrize(("shift", "direction"), [("+", "ahead of"), ("-", "behind")])
def test_a_clock_that_differs_is_told(
    cli: Cli, rows: psycopg.Connection, shift: str, direction: str
) -> None:
    rows.execute(
        "create or replace function ordinaut.now() returns timestamptz language sql stable as"
        f" $$select statement_timestamp() {shift} interval '1 hour'$$"
    )

    told = only(cli("doctor", "--json"), "clock").what

    assert f"{direction} this machine's" in told
    assert "59 min" in told or "1 h" in told


def test_a_role_that_lacks_privileges_is_told_which(
    cli: Cli, role: str, rows: psycopg.Connection
) -> None:
    name = sql.Identifier(urlsplit(role).username or "")
    rows.execute(sql.SQL("revoke insert, delete on ordinaut.outbox from {}").format(name))
    rows.execute(sql.SQL("revoke usage on sequence ordinaut.event_sequence from {}").format(name))

    refused, foreign, shut = found(cli("doctor", "--json", "--database-url", role), "privileges")

    assert refused.what.endswith("lacks usage on event_sequence; insert, delete on outbox")
    assert refused.remedy.startswith("grant usage on ordinaut.event_sequence to worker_")
    assert "grant insert, delete on ordinaut.outbox to worker_" in refused.remedy
    assert foreign.what.endswith(
        "does not own call_usage, event_log, run, step_attempt, step_intent, step_result"
    )
    assert shut.what.endswith("may not call ordinaut.run_statement")


def test_a_door_for_statements_that_is_shut_or_too_wide_is_told(
    cli: Cli, rows: psycopg.Connection
) -> None:
    rows.execute("grant usage on schema ordinaut to ordinaut_sql")
    wide = only(cli("doctor", "--json"), "privileges")
    rows.execute("revoke usage on schema ordinaut from ordinaut_sql")
    rows.execute("alter function ordinaut.run_statement owner to current_user")
    shut = only(cli("doctor", "--json"), "privileges")

    assert (wide.severity, wide.what) == ("error", "the role ordinaut_sql is a superuser, or may use the schema ordinaut")  # fmt: skip
    assert (shut.severity, shut.what) == ("note", "ordinaut.run_statement does not belong to the role ordinaut_sql")  # fmt: skip


def test_a_role_that_may_not_look_at_others_is_told_so(cli: Cli, role: str) -> None:
    notes = found(cli("doctor", "--json", "--database-url", role), "horizon")

    assert any("cannot see what sessions of other roles hold" in note.what for note in notes)


def test_a_role_that_may_not_even_look_is_told_what_to_grant(
    cli: Cli, role: str, rows: psycopg.Connection
) -> None:
    name = sql.Identifier(urlsplit(role).username or "")
    rows.execute(sql.SQL("revoke select on ordinaut.due_work from {}").format(name))
    rows.execute(sql.SQL("revoke usage on schema ordinaut from {}").format(name))

    answer = cli("doctor", "--json", "--database-url", role)

    assert "may not even look: permission denied for schema ordinaut" in only(answer, "work").what


def test_partitions_that_are_missing_are_named(cli: Cli, rows: psycopg.Connection) -> None:
    task = insert_task(rows)
    [(this, upcoming)] = rows.execute(
        "select to_char(now() at time zone 'UTC', 'YYYYMM'), to_char(now() at time zone 'UTC' + interval '1 month', 'YYYYMM')"
    ).fetchall()
    for month in (this, upcoming):
        rows.execute(sql.SQL("drop table ordinaut.{}").format(sql.Identifier(f"run_{month}")))
    [(now,)] = rows.execute("select now()").fetchall()
    insert_run(rows, task, occurrence_for=now)

    gap, strays = found(cli("doctor", "--json"), "partitions")

    months = f"{this[:4]}-{this[4:]}, {upcoming[:4]}-{upcoming[4:]}"
    assert gap.what == f"ordinaut.run has no partition for {months}"
    assert strays.what == "ordinaut.run_default holds 1 row of this month or later"


def test_history_that_nobody_drops_is_told(cli: Cli, rows: psycopg.Connection) -> None:
    for month in ("202401", "202402"):
        rows.execute("select ordinaut.make_partition('event_log', %s)", [month])

    kept = only(cli("doctor", "--json"), "partitions")

    assert kept.what == "2 partitions are kept past their time, the oldest event_log_202401"


def test_due_work_that_nobody_takes_is_an_error_where_there_is_no_runtime(
    cli: Cli, rows: psycopg.Connection
) -> None:
    task = insert_task(rows, schedule={"cron": "0 8 * * *", "timezone": "Etc/UTC"})
    insert_schedule(rows, task, next_for=NOON)
    insert_due_work(rows, task, insert_run(rows, task, state="queued"), ready_at=NOON)
    insert_event(rows, occurred_at=NOON)

    alone = cli("doctor", "--json")
    rows.execute("insert into ordinaut.runtime (host, pid, version) values ('lab', 42, '1.0')")
    beside = cli("doctor", "--json")

    run, schedule = found(alone, "work")
    assert run.what.startswith("1 run ready and not taken, the oldest for ")
    assert schedule.what.startswith("1 schedule due and not decided, the oldest for ")
    assert {run.severity, schedule.severity} == {"error"}
    assert {one.severity for one in found(beside, "work")} == {"warning"}
    assert only(beside, "outbox").what.startswith("1 event not yet published")
    assert only(beside, "versions").what.startswith(
        "runtime 1 (process 42 on lab) is of version 1.0"
    )


def test_a_runtime_that_died_with_leases_is_named(cli: Cli, rows: psycopg.Connection) -> None:
    task = insert_task(rows)
    run = insert_run(rows, task, state="running")
    rows.execute(
        "insert into ordinaut.runtime (host, pid, version, heartbeat_at)"
        " values ('lab', 42, '1.0', now() - interval '10 minutes')"
    )
    [(later,)] = rows.execute("select now() + interval '1 hour'").fetchall()
    insert_due_work(rows, task, run, lease_until=later, runtime_id=1, lease_epoch=1)

    died = only(cli("doctor", "--json"), "leases")

    assert died.what == "runtime 1 (process 42 on lab) has been silent for 10 min, and holds 1 run"
    assert "its leases end in 59 min" in died.why


def test_a_redis_that_does_not_answer_is_an_error_and_the_database_is_looked_at(cli: Cli) -> None:
    answer = cli("doctor", "--json", "--redis-url", "redis://127.0.0.1:1/0")

    assert "cannot be used" in only(answer, "redis").what
    assert "work" in Examination.model_validate(answer.json).checks


def test_a_redis_that_would_lose_the_stream_is_told(cli: Cli, redis_url: str) -> None:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        client.set("ordinaut:events", "something else")
        before = client.config_get("maxmemory-policy", "save", "appendonly", "maxmemory")
        try:
            client.config_set("maxmemory-policy", "allkeys-lru")
            client.config_set("appendonly", "no")
            client.config_set("save", "")
            told = {one.what for one in found(cli("doctor", "--json"), "redis")}
        finally:
            for name, value in before.items():
                client.config_set(name, value)
            client.delete("ordinaut:events")

    assert {
        "the key ordinaut:events holds a string",
        "maxmemory-policy is allkeys-lru",
        "it keeps nothing on disk: appendonly is no, and save is empty",
    } <= told


def test_warnings_fail_where_they_are_asked_to(
    cli: Cli, rows: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        # What the servers of the tests lack is seen in the session's own settings.
        monkeypatch.setitem(_UNSAFE, name, ("never", "error", ""))
    insert_event(rows, occurred_at=NOON)

    assert cli("doctor").status == 0
    assert cli("doctor", "--fail-on", "warning").status == EXIT_ERROR


def test_a_patience_that_is_no_span_is_refused(alone: Cli) -> None:
    answer = alone("doctor", "--patience", "soon")

    assert answer.status == EXIT_ERROR
    assert "soon" in answer.stderr


@contextmanager
def _slot(rows: psycopg.Connection, name: str) -> Iterator[None]:
    rows.execute("select pg_create_physical_replication_slot(%s)", [name])
    try:
        yield
    finally:
        rows.execute("select pg_drop_replication_slot(%s)", [name])


def test_what_was_set_aside_of_streams_is_told(cli: Cli, rows: psycopg.Connection) -> None:
    rows.execute(
        "insert into ordinaut.poison (source, entry_id, fields, error) values ('home/orders', '1-0', '{}', 'no JSON')"
    )

    finding = only(cli("doctor", "--json"), "streams")

    assert finding.what == "1 entry of streams set aside in the last 7 days"
    assert "home/orders" in finding.why
