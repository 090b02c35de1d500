"""`ordinaut status` shows on one screen what is applied, who works, what is due and what is still to be told."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import psycopg
import pytest
from psycopg.types.json import Jsonb
from redis import Redis

from migrations import migrations
from runtime.core.zonedata import tzdata_version
from runtime.errors import EXIT_LOCKED
from schemas.event import Failure
from schemas.override import Pause
from schemas.status import ConditionStatus, Status
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    insert_condition,
    insert_due_work,
    insert_event,
    insert_revision,
    insert_run,
    insert_schedule,
    insert_task,
)


def test_an_empty_installation_says_what_to_do(cli: Cli) -> None:
    found = cli("status")

    assert found.status == 0
    assert "applied   nothing yet; `ordinaut apply` does it" in found.stdout
    assert "runtimes  none; `ordinaut up` or `ordinaut runtime` starts one" in found.stdout
    assert "queue     0 queued, 0 running, 0 waiting\n" in found.stdout
    assert "outbox    empty: every event is published" in found.stdout
    assert "TASK" not in found.stdout


def test_the_json_holds_everything(cli: Cli, rows: psycopg.Connection, redis_url: str) -> None:
    revision = insert_revision(rows, git_commit="1a2b3c4d", git_dirty=True, author="Ada")
    briefing = insert_task(
        rows, revision_id=revision, schedule={"cron": "0 8 * * *", "timezone": "Europe/Chisinau"}
    )
    insert_schedule(rows, briefing, next_for=NOON)
    insert_task(rows, "manual", namespace="ops", revision_id=revision)
    last = insert_run(rows, briefing, state="failed")
    waiting = insert_run(rows, briefing, occurrence_for=NOON - timedelta(hours=1), state="queued")
    insert_due_work(rows, briefing, waiting, ready_at=NOON)
    rows.execute("insert into ordinaut.runtime (host, pid, version) values ('lab', 42, '1.0')")
    insert_event(rows, occurred_at=NOON)
    with Redis.from_url(redis_url) as client:
        client.xadd("ordinaut:events", {"any": "thing"})

    status = Status.model_validate(cli("status", "--json").json)

    assert status.database.schema_version == migrations()[-1].number
    assert status.database.version.split(".")[0].isdigit()
    assert (status.bus.reachable, status.bus.events) == (True, 1)
    [applied] = status.revisions
    assert (applied.revision, applied.commit, applied.dirty, applied.actor) == (
        revision,
        "1a2b3c4d",
        True,
        "ada",
    )
    [runtime] = status.runtimes
    assert (runtime.host, runtime.pid, runtime.alive, runtime.draining) == ("lab", 42, True, False)
    queue = status.queue
    assert (queue.queued, queue.running, queue.waiting, queue.overdue) == (1, 0, 0, 1)
    assert queue.oldest_ready_at == NOON
    assert (status.outbox.events, status.outbox.oldest_at) == (1, NOON)
    assert [
        (task.task, task.next_for, task.last_run_id, task.last_state) for task in status.tasks
    ] == [
        ("briefing", NOON, last, "failed"),
        ("ops/manual", None, None, None),
    ]


def test_the_screen_shows_tasks_by_their_next_fire(cli: Cli, rows: psycopg.Connection) -> None:
    zone = {"cron": "0 8 * * *", "timezone": "Asia/Kolkata"}
    late, early, paused = (
        insert_task(rows, name, schedule=zone) for name in ("late", "early", "paused")
    )
    insert_task(rows, "manual")
    insert_schedule(rows, insert_task(rows, "past", schedule=zone), next_for=None)
    insert_task(rows, "robbed", schedule=zone)
    insert_schedule(rows, late, next_for=NOON + timedelta(days=700))
    insert_schedule(rows, early, next_for=NOON + timedelta(days=600))
    insert_schedule(rows, paused, next_for=NOON, paused_at=NOON)
    insert_run(rows, early)

    lines = cli("status").lines
    _, _, tasks, _ = ("\n".join(lines) + "\n").split("\n\n")
    tasks = {line.split()[0]: line for line in tasks.splitlines()[1:]}

    assert list(tasks) == ["early", "late", "manual", "past", "robbed", "paused"]
    screen = "\n".join(lines)
    assert "28 Aug 2027 17:30 +05:30" in screen
    assert "succeeded" in screen
    assert "not by time" in tasks["manual"]
    assert "no more" in tasks["past"]
    assert "row deleted" in tasks["robbed"]
    assert "never" in screen


ASKED = {"condition": {"uses": "meter.read", "every": "5m", "when": "result.level > `3`"}}


def test_a_task_with_a_condition_shows_when_its_tool_is_asked(
    cli: Cli, rows: psycopg.Connection
) -> None:
    insert_condition(
        rows,
        insert_task(rows, "watch", schedule=ASKED),
        next_poll_at=NOON.replace(year=2125),
        polled_at=NOON,
        met_since=NOON,
        phase="spent",
    )

    status = Status.model_validate(cli("status", "--json").json)
    lines = cli("status").lines

    [task] = status.tasks
    assert task.conditions == (
        ConditionStatus(
            condition=0,
            uses="meter.read",
            phase="spent",
            met_since=NOON,
            next_poll_at=NOON.replace(year=2125),
            polled_at=NOON,
        ),
    )
    [line] = [line for line in lines if line.startswith("watch")]
    assert re.split(r" {2,}", line)[:2] == ["watch", "asks 05 Jan 2125 12:00 +00:00"]


def test_a_condition_that_gets_no_answer_is_pointed_out(
    cli: Cli, rows: psycopg.Connection
) -> None:
    error = {"code": "ORD401", "message": "it does not start"}
    watch = insert_task(rows, "watch", schedule=[ASKED, {"manual": True}, ASKED])
    insert_condition(rows, watch)
    insert_condition(rows, watch, position=2, error=error, failing_since=NOON)

    status = Status.model_validate(cli("status", "--json").json)

    [task] = status.tasks
    assert [one.error for one in task.conditions] == [None, Failure(**error)]
    [line] = [line for line in cli("status").lines if line.startswith("watch")]
    assert re.match(r"watch +no answer +\S+ \S+ ago +never", line)


@pytest.mark.parametrize("limit", ["0", "1", "15"])
def test_how_many_tasks_are_shown_changes_nothing_of_the_answer(
    cli: Cli, rows: psycopg.Connection, limit: str
) -> None:
    insert_schedule(rows, insert_task(rows, "a"), next_for=NOON + timedelta(days=36500))
    for name in ("asks", "held"):
        watch = insert_task(rows, name, schedule=ASKED)
        insert_condition(
            rows, watch, error={"code": "ORD401", "message": "away"}, failing_since=NOON
        )
    cli("pause", "held")

    status = Status.model_validate(cli("status", "-n", limit, "--json").json)

    assert status.tasks_total == 3
    said = [one.what for one in status.verdict.findings if one.severity == "warning"]
    assert said == ["the tool of a condition of asks gives no answer"]
    hidden = 3 - min(3, int(limit))
    assert (f"and {hidden} more tasks" in cli("status", "-n", limit).stdout) == bool(hidden)


def test_tasks_beyond_the_limit_are_counted(cli: Cli, rows: psycopg.Connection) -> None:
    for name in ("a", "b", "c"):
        insert_task(rows, name)
    insert_task(rows, "retired", retired_at=NOON)

    assert "and 2 more tasks, -n shows them" in cli("status", "-n", "1").stdout
    assert cli("status", "-n", "1", "--json").json["tasks_total"] == 3


def test_work_that_nobody_takes_is_pointed_out(cli: Cli, rows: psycopg.Connection) -> None:
    task = insert_task(rows)
    insert_due_work(rows, task, insert_run(rows, task, state="queued"), ready_at=NOON)

    assert (
        "1 queued, 0 running, 0 waiting; 1 ready and not taken, the oldest since"
        in cli("status").stdout
    )


def test_work_under_lease_or_not_yet_ready_is_not_overdue(
    cli: Cli, rows: psycopg.Connection
) -> None:
    task = insert_task(rows)
    leased = insert_run(rows, task, state="running")
    asleep = insert_run(rows, task, occurrence_for=NOON + timedelta(hours=1), state="waiting")
    insert_due_work(rows, task, leased, lease_until="infinity")
    insert_due_work(rows, task, asleep, ready_at="infinity")

    assert "queue     0 queued, 1 running, 1 waiting\n" in cli("status").stdout


def test_each_runtime_says_how_it_is(cli: Cli, rows: psycopg.Connection) -> None:
    rows.execute(
        "insert into ordinaut.runtime (host, pid, version, heartbeat_at, draining, stopped_at) values"
        " ('lab', 1, 'v', ordinaut.now(), false, null),"
        " ('lab', 2, 'v', ordinaut.now(), true, null),"
        " ('lab', 3, 'v', ordinaut.now() - interval '1 min', false, null),"
        " ('lab', 4, 'v', ordinaut.now(), false, ordinaut.now()),"
        " ('lab', 5, 'v', ordinaut.now() - interval '2 days', false, null)"
    )

    screen = cli("status").stdout

    assert "runtimes  alive  number 1, process 1 on lab" in screen
    assert "\n          draining  number 2" in screen
    assert "\n          silent, last heard 1 min ago  number 3" in screen
    assert "number 4" not in screen
    assert "number 5" not in screen


def test_every_project_and_environment_shows_its_newest_revision(
    cli: Cli, rows: psycopg.Connection
) -> None:
    insert_revision(rows, git_commit="0" * 40)
    insert_revision(rows, git_commit="1a2b3c4d5e6f7081")
    insert_revision(rows, environment="staging", actor="bob")

    screen = cli("status").stdout

    assert "applied   revision 2 of demo/default, commit 1a2b3c4d5e6f, by ada, now" in screen
    assert "revision 3 of demo/staging, no commit, by bob, now" in screen
    assert "revision 1" not in screen


def test_local_changes_are_named(cli: Cli, rows: psycopg.Connection) -> None:
    insert_revision(rows, git_commit="1a2b3c4d", git_dirty=True)

    assert "commit 1a2b3c4d with local changes, by ada" in cli("status").stdout


def test_who_paused_a_task_until_when_and_why_is_shown(cli: Cli, rows: psycopg.Connection) -> None:
    by_hand, timed, lasting = (insert_task(rows, name) for name in ("by-hand", "timed", "lasting"))
    insert_schedule(rows, by_hand, next_for=NOON, paused_at=NOON)
    insert_schedule(rows, timed, next_for=NOON, paused_at=NOON)
    until = NOON.replace(year=2125)
    for task, end in ((timed, until), (lasting, None)):
        rows.execute(
            "insert into ordinaut.task_override (task_uid, kind, reason, actor, created_at, until)"
            " values (%s, 'pause', 'vendor outage', 'bob', %s, %s)",
            [task.uid, NOON, end],
        )

    status = Status.model_validate(cli("status", "--json").json)
    lines = cli("status").lines

    assert [(task.task, task.paused_at, task.pause) for task in status.tasks] == [
        ("by-hand", NOON, Pause(since=NOON)),
        ("timed", NOON, Pause(actor="bob", reason="vendor outage", since=NOON, until=until)),
        ("lasting", NOON, Pause(actor="bob", reason="vendor outage", since=NOON)),
    ]
    table = lines[len(lines) - lines[::-1].index("") :]
    assert [re.split(r" {2,}", line) for line in table] == [
        ["PAUSED", "SINCE", "UNTIL", "BY", "WHY"],
        ["by-hand", ANY, "resumed", "unknown"],
        ["timed", ANY, "05 Jan 2125 12:00 +00:00", "bob", "vendor outage"],
        ["lasting", ANY, "resumed", "bob", "vendor outage"],
    ]


def test_a_pause_that_is_over_is_not_shown(cli: Cli, rows: psycopg.Connection) -> None:
    task = insert_task(rows)
    rows.execute(
        "insert into ordinaut.task_override (task_uid, kind, reason, actor, ended_at)"
        " values (%s, 'pause', '', 'bob', ordinaut.now())",
        [task.uid],
    )

    assert "PAUSED" not in cli("status").stdout


def test_the_version_of_the_time_zone_data_is_shown_and_who_differs(
    cli: Cli, rows: psycopg.Connection
) -> None:
    ours = tzdata_version()
    for name, tzdata in (("a", ours), ("b", "2016a"), ("c", "2016a"), ("d", "2015g")):
        insert_schedule(rows, insert_task(rows, name), next_for=NOON, tzdata=tzdata)
    gone = insert_task(rows, "gone", retired_at=NOON)
    insert_schedule(rows, gone, next_for=NOON, tzdata="2014a")

    status = Status.model_validate(cli("status", "--json").json)

    assert status.tzdata.version == ours
    assert status.tzdata.schedules == {"2015g": 1, "2016a": 2, ours: 1}
    found = f"tzdata    version {ours}; next times found with another: 1 by 2015g, 2 by 2016a"
    assert found in cli("status").lines


def test_one_version_of_the_time_zone_data_is_named_alone(
    cli: Cli, rows: psycopg.Connection
) -> None:
    insert_schedule(rows, insert_task(rows), next_for=NOON, tzdata=tzdata_version())

    assert f"tzdata    version {tzdata_version()}" in cli("status").lines


def test_an_outbox_that_grows_shows_since_when(cli: Cli, rows: psycopg.Connection) -> None:
    insert_event(rows, occurred_at=NOON)
    assert "1 event not yet published, written " in cli("status").stdout

    insert_event(rows)
    assert "2 events not yet published, the oldest written " in cli("status").stdout


def test_a_redis_that_does_not_answer_is_named_and_exits_with_1(cli: Cli) -> None:
    found = cli("status", "--redis-url", "redis://:hidden@127.0.0.1:1/0")

    assert found.status == 1
    assert "redis     Redis at 127.0.0.1:1 cannot be used: " in found.stdout
    assert "hidden" not in found.stdout + found.stderr


def test_no_redis_at_all_is_no_error(cli: Cli) -> None:
    found = cli("status", ORDINAUT_REDIS_URL="")

    assert found.status == 0
    assert "redis     none is running; events wait in the outbox" in found.stdout


def test_a_database_that_does_not_answer_exits_with_5(cli: Cli) -> None:
    found = cli("status", "--database-url", "postgresql://127.0.0.1:1/none")

    assert (found.status, found.stdout) == (EXIT_LOCKED, "")


def test_an_older_schema_names_the_command_that_mends_it(
    cli: Cli, rows: psycopg.Connection
) -> None:
    rows.execute("delete from public.ordinaut_migration")

    found = cli("status")

    assert (found.status, found.stdout) == (1, "")
    assert "error ORD303" in found.stderr
    assert "run `ordinaut migrate`" in found.stderr


@pytest.mark.slow
def test_an_embedded_database_that_does_not_run_is_started_for_the_command(folder: Path) -> None:
    cli = Cli()
    cli("migrate")

    found = cli("status")

    assert found.status == 0
    assert f"embedded in {Path('.ordinaut')}" in found.stdout


def work(rows: psycopg.Connection) -> None:
    """A runtime that is alive."""
    rows.execute("insert into ordinaut.runtime (host, pid, version) values ('lab', 42, '1.0')")


def test_the_first_line_is_the_answer(cli: Cli, rows: psycopg.Connection) -> None:
    insert_run(rows, insert_task(rows))
    silent = cli("status").lines
    work(rows)
    well = cli("status").lines

    assert silent[:3] == [
        "Not all is well: 1 error",
        "error    no runtime is alive",
        "         nothing fires, and nothing that is queued begins",
    ]
    assert well[:2] == ["All is well: 1 task, 1 runtime", ""]


@pytest.mark.parametrize(
    ("state", "facts", "told"),
    [
        ("failed", {}, "briefing failed last time"),
        (
            "failed",
            {"error": {"code": "ORD507", "message": "gone"}},
            "briefing took its runtime down again and again",
        ),
        ("skipped", {"reason": "budget"}, "briefing had no budget left"),
    ],
)
def test_a_task_whose_newest_run_ended_badly_is_told(
    cli: Cli, rows: psycopg.Connection, state: str, facts: dict[str, Any], told: str
) -> None:
    work(rows)
    task = insert_task(rows)
    insert_run(rows, task, state=state, **facts)

    found = cli("status")
    insert_run(rows, task, state="succeeded", occurrence_for=NOON + timedelta(hours=1))

    assert f"warning  {told}" in found.lines
    assert cli("status").lines[0] == "All is well: 1 task, 1 runtime"


@pytest.mark.parametrize(
    ("actor", "told"),
    [
        ("ordinaut", "warning  briefing is paused after failures"),
        ("bob", "note     briefing is held back"),
    ],
)
def test_a_task_that_is_held_back_is_told_by_whom(
    cli: Cli, rows: psycopg.Connection, actor: str, told: str
) -> None:
    work(rows)
    rows.execute(
        "insert into ordinaut.task_override (task_uid, kind, reason, actor) values (%s, 'pause', '', %s)",
        [insert_task(rows).uid, actor],
    )

    assert told in cli("status").lines


def test_a_schedule_that_nobody_decides_is_told(cli: Cli, rows: psycopg.Connection) -> None:
    work(rows)
    task = insert_task(rows, schedule={"cron": "0 8 * * *", "timezone": "UTC"})
    insert_schedule(rows, task, next_for=NOON)

    found = cli("status")

    assert found.lines[0] == "Not all is well: 1 warning"
    assert found.lines[1].startswith("warning  1 schedule due and not decided, the oldest for ")
    assert found.lines[2].endswith("or cannot: briefing")


def test_scripts_are_told_by_the_exit_code(cli: Cli, rows: psycopg.Connection) -> None:
    task = insert_task(rows)
    assert (cli("status").status, cli("status", "--fail-on", "error").status) == (0, 1)
    work(rows)
    insert_run(rows, task, state="failed")

    assert cli("status", "--fail-on", "error").status == 0
    assert cli("status", "--fail-on", "warning").status == 1


def test_the_verdict_is_in_the_json(cli: Cli, rows: psycopg.Connection) -> None:
    insert_task(rows)

    verdict = cli("status", "--json").json["verdict"]

    assert (verdict["state"], verdict["headline"]) == ("trouble", "Not all is well: 1 error")
    assert verdict["findings"][0]["remedy"] == "`ordinaut up` or `ordinaut runtime` starts one"


def test_runs_that_count_show_a_bar(cli: Cli, rows: psycopg.Connection) -> None:
    count = Jsonb({"rows": {"done": 4900, "total": 10000, "failed": 100}})
    over = Jsonb({"rows": {"done": 1, "total": 1, "failed": 0}})
    insert_run(rows, insert_task(rows, "enrich"), state="waiting", progress=count)
    insert_run(rows, insert_task(rows, "done"), state="succeeded", progress=over)

    told = cli("status").stdout
    [bar] = cli("top", "--count", "1", "--json").json["progress"]

    assert "enrich       rows  [#########x..........]  50 %  4,900 of 10,000, 100 failed" in told
    assert "1 of 1" not in told
    assert (bar["task"], bar["done"], bar["total"], bar["failed"]) == ("enrich", 4900, 10000, 100)
    assert "[#########x..........]" in cli("top", "--count", "1").stdout
    assert "[#########x..........]" in cli("show", bar["run_id"]).stdout
