"""Killed between any two statements of an apply, the database is what it was before it, or what it is after it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg.rows import TupleRow

from reconciler.apply import Request, apply_plan
from reconciler.core.desired import Key
from reconciler.core.guards import Allowed
from reconciler.core.holding import under_hold
from reconciler.drifting import plan_drift
from reconciler.past import resolve_revision
from reconciler.planning import plan_against
from reconciler.rollback import plan_rollback
from runtime.actor import Actor
from runtime.errors import SourceUnavailable
from runtime.store.holds import find_hold
from runtime.store.rows import Connection
from runtime.store.statements import statement
from schemas.hold import PlanHold
from schemas.plan import Plan, PlanSource
from tests.support.applying import Bench, specs, task
from tests.support.specs import PROJECT, compiled

CALENDAR = "kind: Calendar\nname: days\ntimezone: UTC\ndates: [2026-12-25]"
ASKED = 'condition: {uses: fs.list, every: 5m, when: "result.count > `3`"}'
DAILY = "cron: '@daily', timezone: UTC"
BEFORE = specs(
    task("kept", "every: 1m"), task("moved", "every: 1h"), task("gone", "every: 1m"), task("steps"),
    task("strayed", "every: 1h"), task("watch", ASKED), task("brief", f"{DAILY}, exclude: [days]"), CALENDAR,
)  # fmt: skip
AFTER = specs(
    task("kept", "every: 2m"),
    task("renamed", "every: 1h", "renamed_from: moved\n"),
    task("new", DAILY),
    task("steps").replace("id: look", "id: gaze"),
    task("strayed", "every: 1h"),
    task("watch", ASKED.replace("5m", "7m"), "params: {city: Rome}\n"),
    task("brief", f"{DAILY}, exclude: [days]"),
    CALENDAR.replace("-25", "-26"),
)
HEALED = f"{PROJECT}\nheal: heal"
REQUEST = Request(actor=Actor("ada@desk"))
BY_HAND = "update ordinaut.spec set body = jsonb_set(body, '{priority}', '9') where name = %s"
Doing = tuple[Plan, Request]


def everything_at_once(bench: Bench) -> Doing:
    """Creates, updates, renames, retires and restores; schedules that owe runs, a condition and a calendar among them."""
    bench.apply(BEFORE)
    (now,) = bench.row("select now() + interval '150 seconds'")
    bench.stop_the_clock(now)
    bench.run(BY_HAND, "strayed")
    plan = bench.plan(AFTER)
    actions = {(one.action, one.reason) for one in plan.changes}
    assert actions >= {("create", "git"), ("rename", "git"), ("retire", "git"), ("update", "drift")}  # fmt: skip
    return plan, REQUEST


def a_rollback(bench: Bench) -> Doing:
    """Which sets a hold."""
    bench.apply(BEFORE)
    bench.apply(AFTER)
    to = resolve_revision(bench.connection, "r1")
    return plan_rollback(bench.connection, to), Request(actor=Actor("ada@desk"), restores=to)


def what_ends_a_hold(bench: Bench) -> Doing:
    """An apply of what comes after that which was rolled back."""
    plan, request = a_rollback(bench)
    apply_plan(bench.connection, plan, request)
    hold = find_hold(bench.connection, "platform", "default")
    assert hold is not None
    ends = PlanHold(**hold.model_dump(), ends=True)
    return under_hold(bench.plan(AFTER.replace("every: 2m", "every: 3m")), ends), REQUEST


def an_adoption(bench: Bench) -> Doing:
    """Of another project's task."""
    theirs = task("theirs", "every: 1h").replace("fs.list", "llm.plan")
    bench.apply(BEFORE)
    bench.apply(theirs, "kind: Project\nname: away")
    wanted = compiled(BEFORE + "\n---\n" + theirs.replace("1h", "2h"))
    source = PlanSource(project="platform")
    taking = [Key("Task", "default", "theirs")]
    allowed = Allowed(adopt=1)
    plan = plan_against(bench.connection, wanted, source, allowed, taking=taking)
    assert [one.action for one in plan.changes] == ["adopt"]
    return plan, Request(actor=Actor("ada@desk"), allowed=allowed, kind="adopt")


def healing(bench: Bench) -> Doing:
    """Of what was written by hand."""
    bench.apply(BEFORE, HEALED)
    bench.run(BY_HAND, "strayed")
    bench.run(BY_HAND, "kept")
    plan = plan_drift(bench.connection, "platform", "default")
    assert len(plan.changes) == 2
    return plan, Request(actor=Actor("ordinaut"), kind="heal")


class Mortal(psycopg.Cursor[TupleRow]):
    """A cursor whose session is ended right before its n-th statement.

    Which is right after the one before: between two statements nothing happens on the server.
    """

    calls: ClassVar[int]
    fatal: ClassVar[int]
    killer: ClassVar[Connection]

    def execute(self, *arguments: Any, **more: Any) -> Any:
        self._die_in_time()
        return super().execute(*arguments, **more)

    def copy(self, *arguments: Any, **more: Any) -> Any:
        self._die_in_time()
        return super().copy(*arguments, **more)

    def _die_in_time(self) -> None:
        type(self).calls += 1
        if self.calls == self.fatal:
            end_session(self.killer, self.connection.info.backend_pid)


def end_session(killer: Connection, pid: int) -> None:
    """End another session, and look until it is gone: the server itself would look every tenth of a second only."""
    killer.execute("select pg_terminate_backend(%s)", (pid,))
    for _ in range(10_000):
        if not killer.execute("select from pg_stat_activity where pid = %s", (pid,)).fetchall():
            return
    raise AssertionError(f"session {pid} does not end")


# The server is shared with other tests, and pg_locks shows all of it.
LOCKS_OF_THIS_DATABASE = (
    "select 1 from pg_locks l join pg_database d on d.oid = l.database"
    " where l.locktype = 'advisory' and d.datname = current_database()"
)


def survives(bench: Bench, plan: Plan, fatal: int, request: Request) -> bool:
    """Whether an apply comes to its end although its session dies before this statement."""
    facts = {"calls": 0, "fatal": fatal, "killer": bench.connection}
    cursors = type("Cursors", (Mortal,), facts)
    try:
        with psycopg.connect(bench.url, autocommit=True, cursor_factory=cursors) as session:
            apply_plan(session, plan, request)
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize(
    "doing", [everything_at_once, a_rollback, what_ends_a_hold, an_adoption, healing]
)
def test_a_kill_between_any_two_statements_leaves_old_or_new_and_no_lock(
    bench: Bench, doing: Callable[[Bench], Doing]
) -> None:
    plan, request = doing(bench)
    old = bench.everything()

    deaths, seen = 0, [old]
    while not survives(bench, plan, deaths + 1, request):
        deaths += 1
        assert bench.rows(LOCKS_OF_THIS_DATABASE) == []
        seen.append(bench.everything())

    # What dies after the commit are only hints, which runtimes can do without: that is no failure of the apply.
    assert deaths > 20
    assert seen == [old] * (deaths + 1)
    assert bench.everything() != old
    applied = [row for row in bench.everything()["revision"] if row not in old["revision"]]
    assert len(applied) == 1
    assert apply_plan(bench.connection, plan, request).already_applied
    for key in plan.changes:
        assert bench.row(
            "select count(*) from ordinaut.spec_revision r join ordinaut.spec s using (uid, revision_id)"
            " where (s.kind, s.namespace, s.name) = (%s, %s, %s) and revision_id = (select max(revision_id) from ordinaut.revision)",
            key.kind, key.namespace, key.name,
        ) == (1,), key.label  # fmt: skip


def test_a_kill_at_the_commit_leaves_the_old_state(bench: Bench) -> None:
    plan, request = everything_at_once(bench)
    bench.run(
        "create function public.die() returns trigger language plpgsql as"
        " $$begin perform pg_terminate_backend(pg_backend_pid()); return null; end$$"
    )
    bench.run(
        "create constraint trigger dies after insert on ordinaut.revision deferrable initially deferred"
        " for each row execute function public.die()"
    )
    old = bench.everything()

    assert not survives(bench, plan, 0, request)

    assert bench.everything() == old
    bench.run("drop trigger dies on ordinaut.revision")
    assert survives(bench, plan, 0, request)
    assert bench.everything() != old


def test_a_stop_undoes_everything_that_was_written(bench: Bench) -> None:
    plan, request = everything_at_once(bench)
    old = bench.everything()

    def stopped() -> None:
        raise SourceUnavailable("stopped")

    with pytest.raises(SourceUnavailable):
        apply_plan(bench.connection, plan, replace(request, require_going=stopped))

    assert bench.everything() == old


def test_an_error_at_any_statement_leaves_the_old_state_and_the_session_usable(
    bench: Bench,
) -> None:
    bench.apply(BEFORE)
    plan = bench.plan(AFTER)
    old = bench.everything()
    bench.run(
        "alter table ordinaut.event_log add constraint no_news check (type <> 'revision.applied') not valid"
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

    asked_at: list[int] = []
    request = replace(REQUEST, require_going=lambda: asked_at.append(len(seen)))
    with psycopg.connect(bench.url, autocommit=True, cursor_factory=Watched) as session:
        apply_plan(session, plan, request)

    # Whether to stop is asked last before the commit; after that come only hints.
    (asked,) = asked_at
    assert seen == [True] * asked + [False] * (len(seen) - asked)
    assert asked < len(seen)


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
