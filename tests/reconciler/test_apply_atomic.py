"""Killed between any two statements of an apply, the database is what it was before it, or what it is after it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg.rows import TupleRow

from reconciler.apply import Request, apply_plan
from reconciler.past import resolve_revision
from reconciler.rollback import plan_rollback
from runtime.store.statements import statement
from schemas.plan import Plan
from tests.support.applying import Bench, specs, task

BEFORE = specs(
    task("kept", "every: 1m"), task("moved", "every: 1h"), task("gone", "every: 1m"), task("steps")
)
AFTER = specs(
    task("kept", "every: 2m"),
    task("renamed", "every: 1h", "renamed_from: moved\n"),
    task("new", "cron: '@daily', timezone: UTC"),
    task("steps").replace("id: look", "id: gaze"),
)
REQUEST = Request(actor="ada@desk")


class Mortal(psycopg.Cursor[TupleRow]):
    """A cursor whose session is ended right before or right after its n-th statement."""

    calls: ClassVar[int]
    fatal: ClassVar[int]
    moment: ClassVar[str]
    killer: ClassVar[psycopg.Connection[TupleRow]]

    def execute(self, *arguments: Any, **more: Any) -> Any:
        type(self).calls += 1
        self._die("before")
        answer = super().execute(*arguments, **more)
        self._die("after")
        return answer

    def _die(self, moment: str) -> None:
        if (self.calls, self.moment) == (self.fatal, moment):
            self.killer.execute(
                "select pg_terminate_backend(%s, 5000)", (self.connection.info.backend_pid,)
            )


# The server is shared with other tests, and pg_locks shows all of it.
LOCKS_OF_THIS_DATABASE = (
    "select 1 from pg_locks l join pg_database d on d.oid = l.database"
    " where l.locktype = 'advisory' and d.datname = current_database()"
)


def survives(
    bench: Bench, plan: Plan, fatal: int, moment: str, request: Request = REQUEST
) -> bool:
    """Whether an apply comes to its end although its session dies at this statement."""
    facts = {"calls": 0, "fatal": fatal, "moment": moment, "killer": bench.connection}
    cursors = type("Cursors", (Mortal,), facts)
    try:
        with psycopg.connect(bench.url, autocommit=True, cursor_factory=cursors) as session:
            apply_plan(session, plan, request)
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_statement_leaves_old_or_new(bench: Bench, moment: str) -> None:
    bench.apply(BEFORE)
    (now,) = bench.row("select now() + interval '150 seconds'")
    bench.stop_the_clock(now)
    plan = bench.plan(AFTER)
    old = bench.everything()

    deaths = 0
    while not survives(bench, plan, deaths + 1, moment):
        deaths += 1
        assert bench.rows(LOCKS_OF_THIS_DATABASE) == []
        if bench.everything() != old:
            break

    # What dies after the commit is only the wake-up, which runtimes can do without.
    assert deaths > 20
    assert bench.plan(AFTER).changes == ()
    assert bench.rows("select count(*) from ordinaut.revision") == [(2,)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_rollback_that_is_killed_leaves_the_hold_with_its_revision_or_neither(
    bench: Bench, moment: str
) -> None:
    bench.apply(BEFORE)
    bench.apply(AFTER)
    to = resolve_revision(bench.connection, "r1")
    plan = plan_rollback(bench.connection, to)
    request = Request(actor="ada@desk", restores=to)
    old = bench.everything()

    deaths = 0
    while not survives(bench, plan, deaths + 1, moment, request):
        deaths += 1
        if bench.everything() != old:
            break

    assert deaths > 20
    assert bench.plan(BEFORE).changes == ()
    assert bench.rows("select kind from ordinaut.revision where revision_id > 2") == [
        ("rollback",)
    ]
    assert bench.rows(
        "select s.condition, v.kind from ordinaut.source_status s"
        " join ordinaut.revision v on v.revision_id = s.held_by"
    ) == [("Held", "rollback")]


def test_an_error_at_any_statement_leaves_the_old_state_and_the_session_usable(
    bench: Bench,
) -> None:
    bench.apply(BEFORE)
    plan = bench.plan(AFTER)
    old = bench.everything()
    bench.run(
        "alter table ordinaut.outbox add constraint no_news check (type <> 'revision.applied') not valid"
    )

    with pytest.raises(psycopg.errors.CheckViolation):
        bench.carry_out(plan)

    assert bench.everything() == old
    assert bench.plan(AFTER).digest == plan.digest


def test_a_reader_sees_old_or_new_and_never_both(bench: Bench) -> None:
    bench.apply(BEFORE)
    plan = bench.plan(AFTER)
    old = bench.everything()
    seen = []

    class Watched(psycopg.Cursor[TupleRow]):
        def execute(self, *arguments: Any, **more: Any) -> Any:
            seen.append(bench.everything() == old)
            return super().execute(*arguments, **more)

    with psycopg.connect(bench.url, autocommit=True, cursor_factory=Watched) as session:
        apply_plan(session, plan, REQUEST)

    # The last statement is the wake-up, after the commit.
    assert seen == [True] * (len(seen) - 1) + [False]


def test_the_lock_of_a_killed_apply_is_free_at_once(bench: Bench) -> None:
    bench.apply(BEFORE)
    plan = bench.plan(AFTER)
    with suppress(psycopg.OperationalError), bench.other() as victim:
        victim.execute("begin")
        victim.execute(
            statement("lock_project"), {"project": "platform", "environment": "default"}
        )
        bench.run("select pg_terminate_backend(%s, 5000)", victim.info.backend_pid)

    assert bench.carry_out(plan).revision == 2
