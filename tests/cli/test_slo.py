"""`ordinaut slo` tells how what is promised of tasks stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from runtime.cli.slo import share_words
from runtime.clock import SYSTEM_CLOCK
from tests.support.cli import Cli
from tests.support.clock import stop_the_clock
from tests.support.factories import TaskRow, insert_run, insert_task

NOW = SYSTEM_CLOCK.now()
SLO = {"success": "90%", "lateness": {"within": "30s", "target": "95%"}, "window": "7d"}


@pytest.fixture
def promised(rows: psycopg.Connection) -> TaskRow:
    """A task with promises, and one without; and from now on it is always this instant."""
    stop_the_clock(rows, NOW)
    insert_task(rows, "other")
    return insert_task(rows, slo=SLO)


def ran(rows: psycopg.Connection, task: TaskRow, ago: timedelta, **columns: Any) -> None:
    insert_run(rows, task, occurrence_for=NOW - ago, **columns)


def started(ago: timedelta, late: float) -> datetime:
    return NOW - ago + timedelta(seconds=late)


def objectives(cli: Cli) -> dict[str, Any]:
    report = cli("slo", "--json").json
    assert [one["task"] for one in report["tasks"]] == ["briefing"]
    return {one["promise"]: one for one in report["tasks"][0]["objectives"]}


def test_runs_of_the_window_are_counted(
    cli: Cli, rows: psycopg.Connection, promised: TaskRow
) -> None:
    day = timedelta(days=1)
    for number in range(18):
        ran(rows, promised, day + timedelta(minutes=number))
    ran(rows, promised, 2 * day, state="failed", error={"code": "ORD404", "message": "no"})
    ran(rows, promised, 8 * day, state="failed", error={"code": "ORD404", "message": "no"})

    success = objectives(cli)["success"]

    assert (success["good"], success["total"]) == (18, 19)
    assert success["budget_left"] == pytest.approx(1 - (1 / 19) / 0.1)
    rates = {burn["over"]: burn["rate"] for burn in success["burn_rates"]}
    assert rates["6h"] == 0
    assert rates["3d"] == pytest.approx((1 / 19) / 0.1)


def test_cancelled_runs_and_skips_by_policy_do_not_count(
    cli: Cli, rows: psycopg.Connection, promised: TaskRow
) -> None:
    ran(rows, promised, timedelta(hours=1))
    ran(rows, promised, timedelta(hours=2), state="cancelled")
    ran(rows, promised, timedelta(hours=3), state="skipped", reason="overlap")
    ran(rows, promised, timedelta(hours=4), state="skipped", reason="calendar")

    found = objectives(cli)

    assert (found["success"]["good"], found["success"]["total"]) == (1, 1)
    # The cancelled run began in time.
    assert (found["lateness"]["good"], found["lateness"]["total"]) == (2, 2)


def test_late_runs_and_those_that_nobody_begins_break_the_other_promise(
    cli: Cli, rows: psycopg.Connection, promised: TaskRow
) -> None:
    hour = timedelta(hours=1)
    ran(rows, promised, hour, started_at=started(hour, 29))
    ran(rows, promised, 2 * hour, started_at=started(2 * hour, 31))
    ran(rows, promised, 3 * hour, state="skipped", reason="start_deadline")
    ran(rows, promised, 4 * hour, state="queued")
    # Not late yet, so nobody knows.
    ran(rows, promised, timedelta(seconds=5), state="queued")

    lateness = objectives(cli)["lateness"]

    assert (lateness["good"], lateness["total"]) == (1, 4)
    assert lateness["within"] == "30s"


def test_it_burns_when_much_fails_at_once(
    cli: Cli, rows: psycopg.Connection, promised: TaskRow
) -> None:
    other = insert_task(rows, "burning", slo={"success": "99%"})
    error = {"code": "ORD404", "message": "no"}
    for number in range(3):
        ran(rows, other, timedelta(minutes=number + 1), state="failed", error=error)

    report = cli("slo", "default/burning", "--json").json

    [objective] = report["tasks"][0]["objectives"]
    assert objective["burning"] is True
    assert objective["budget_left"] < 0


def test_people_see_a_line_for_each_promise(
    cli: Cli, rows: psycopg.Connection, promised: TaskRow
) -> None:
    ran(rows, promised, timedelta(hours=1))

    shown = cli("slo").stdout

    assert "begins in 30s" in shown
    assert shown.count("briefing") == 2
    assert "100%" in shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(1.0, "100%"), (0.999999, "99.999%"), (0.9995, "99.95%"), (0.29, "29%"), (2 / 3, "66.666%"), (0.0, "0%")],
)  # fmt: skip
def test_a_share_is_never_shown_larger_than_it_is(ratio: float, shown: str) -> None:
    assert share_words(ratio) == shown


def test_without_promises_nothing_is_told(cli: Cli, rows: psycopg.Connection) -> None:
    insert_task(rows)

    told = cli("slo")
    assert "nothing is promised of any task" in told.stderr
    assert "ORD310" in cli("slo", "briefing").stderr


def test_status_tells_of_promises_that_are_broken_or_soon_will_be(
    cli: Cli, rows: psycopg.Connection, promised: TaskRow
) -> None:
    soon = insert_task(rows, "soon", slo={"success": "99%", "window": "7d"})
    for number in range(200):
        ran(rows, soon, timedelta(days=1, minutes=number))
    ran(rows, soon, timedelta(minutes=2), state="failed", error={"code": "ORD404", "message": ""})

    def told() -> dict[str, list[str]]:
        found = cli("status", "--json").json["troubles"]
        return {one["kind"]: one["names"] for one in found if one["kind"].startswith("promise")}

    assert told() == {"promise_burning": ["soon"]}
    ran(rows, promised, timedelta(hours=7), state="failed", error={"code": "O", "message": ""})
    ran(rows, promised, timedelta(hours=6))
    assert told() == {"promise_burning": ["soon"], "promise_broken": ["briefing"]}
    assert "→ `ordinaut slo briefing`" in cli("status").stdout
