"""Whether what people are shown of an installation is what plain SQL says of its database.

The statements here are as simple as can be, and share nothing with those of the program: what counts is worked out in Python,
from whole tables.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from starlette.testclient import TestClient

from migrations import migrations
from runtime.config import Config
from runtime.store.sessions import add_session
from runtime.web.app import create_app
from runtime.web.pages.viewer import COOKIE
from tests.support.cli import Cli

_TABLES: Final = {
    "run": "run_id, task_uid, state, reason, finished_at, error",
    # A lease that nobody has ends at -infinity, which Python knows not.
    "due_work": "run_id, lane, ready_at, nullif(lease_until, '-infinity') as lease_until",
    "schedule": "task_uid, next_due_at, paused_at",
    "task_override": "task_uid, kind, until, ended_at, actor",
    "outbox": "sequences, occurred_at",
    "runtime": "runtime_id, heartbeat_at, stopped_at, draining",
    "wait": "run_id, step, iteration, kind, began_at, answered_at",
    "step_intent": "run_id, step, iteration, asked_at, answered_at",
    "step_attempt": "run_id, step, iteration, asked, finished_at, answered_at",
    "step_result": "run_id, step, iteration, finished_at",
    "spec": "uid, kind, retired_at",
}
_ALIVE: Final = timedelta(seconds=15)
_FORGOTTEN: Final = timedelta(days=1)
_LANES: Final = 100
# What is due or silent may become so between two readings, however close they are.
_READINGS: Final = 5

Rows = dict[str, list[dict[str, Any]]]


def require_status_agrees(database: str) -> None:
    """Fail where `ordinaut status --json` and plain SQL disagree about a database in which nobody works any more.

    Of one that a newer program migrated it says so, and nothing else.
    """
    if not _is_ours(database):
        refused = Cli({"ORDINAUT_DATABASE_URL": database})("status")
        assert "ORD303" in refused.stderr, refused
        return
    shown, plain = {}, {}
    for _ in range(_READINGS):
        before = _plain(database)
        shown = _shown(database)
        plain = _plain(database)
        if before == shown == plain:
            return
    assert shown == plain


def require_dashboard_agrees(database: str) -> None:
    """The same for the pages of the dashboard: every figure of the overview and of queue and health, and every runtime."""
    if not _is_ours(database):
        return
    seen: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    with psycopg.connect(database, autocommit=True) as connection:
        secret = add_session(connection, "tester", ["read"], token_id=None)
    app = create_app(Config.load({"database_url": database}, environ={}), database)
    client = TestClient(app, base_url="http://localhost", cookies={COOKIE: secret})
    with app.state.site.lender:
        for _ in range(_READINGS):
            before, seen, plain = _figures(_plain(database)), _seen(client), _figures(_plain(database))  # fmt: skip
            if before == seen == plain:
                return
    assert seen == plain


def _figures(plain: dict[str, Any]) -> dict[str, Any]:
    states = plain["states"]
    return {
        "now": [states["running"], states["waiting"], states["queued"], plain["overdue"]],
        "people": [plain["approvals"], plain["unsettled"]],
        "queue": [states["queued"], plain["gated"], states["running"], states["waiting"], plain["overdue"]],
        "outbox": [plain["outbox"]],
        "runtimes": len(plain["runtimes"]),
    }  # fmt: skip


def _seen(client: TestClient) -> dict[str, Any]:
    overview, health = client.get("/").text, client.get("/health").text

    def figures(text: str, part: str) -> list[int]:
        section = text.partition(f'id="{part}"')[2].partition("</section>")[0]
        found = re.findall(r'class="figure"><b[^>]*>([\d,]+)</b>', section)
        return [int(number.replace(",", "")) for number in found]

    runtimes = health.partition('id="runtimes"')[2].partition("</section>")[0]
    return {
        "now": figures(overview, "now"),
        "people": figures(overview, "people")[:2],
        "queue": figures(health, "queue"),
        "outbox": figures(health, "outbox"),
        "runtimes": runtimes.count('<tr><th scope="row">'),
    }


def _is_ours(database: str) -> bool:
    """Whether the schema is the one that this program knows."""
    with psycopg.connect(database) as connection:
        newest = connection.execute("select max(number) from public.ordinaut_migration").fetchone()
    return newest == (migrations()[-1].number,)


def _shown(database: str) -> dict[str, Any]:
    found = Cli({"ORDINAUT_DATABASE_URL": database})("status", "-n", "100000", "--json")
    assert found.status == 0, found.stderr
    status = found.json
    queue = status["queue"]
    troubles = {one["kind"]: one["tasks"] for one in status["troubles"]}
    return {
        "states": {name: queue[name] for name in ("queued", "running", "waiting")},
        "overdue": queue["overdue"],
        "gated": queue["gated"],
        "undecided": queue["undecided"],
        "outbox": status["outbox"]["events"],
        "runtimes": [(one["runtime_id"], one["alive"]) for one in status["runtimes"]],
        "paused": sum(one["paused_at"] is not None for one in status["tasks"]),
        "held": troubles.get("paused", 0) + troubles.get("paused_failing", 0),
        "tasks": (status["tasks_total"], len(status["tasks"])),
        "approvals": status["asked"]["approvals"],
        "unsettled": status["asked"]["unsettled"],
        "quarantined": troubles.get("quarantined", 0),
        "says that nobody works": any(
            one["check"] == "runtimes" and one["severity"] == "error"
            for one in status["verdict"]["findings"]
        ),
    }


def _plain(database: str) -> dict[str, Any]:
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            rows: Rows = {
                table: connection.execute(
                    f"select {columns} from ordinaut.{table}".encode()
                ).fetchall()
                for table, columns in _TABLES.items()
            }
            [read] = connection.execute(
                "select ordinaut.now() as now, (select count(*) from ordinaut.revision) as revisions"
            ).fetchall()
    now: datetime = read["now"]
    tasks = {one["uid"] for one in rows["spec"] if one["kind"] == "Task" and not one["retired_at"]}
    active = Counter(one["state"] for one in rows["run"] if one["finished_at"] is None)
    held = _held(rows, tasks, now)
    working = _working(rows, now)
    return {
        "states": {name: active[name] for name in ("queued", "running", "waiting")},
        **_late(rows, now),
        "outbox": sum(len(one["sequences"]) for one in rows["outbox"]),
        "runtimes": working,
        "paused": len(held),
        "held": len(held),
        "tasks": (len(tasks), len(tasks)),
        **_asked(rows),
        "quarantined": _quarantined(rows, tasks),
        "says that nobody works": read["revisions"] > 0 and not _able(rows, now),
    }


def _late(rows: Rows, now: datetime) -> dict[str, int]:
    free = [
        one
        for one in rows["due_work"]
        if one["ready_at"] <= now and (one["lease_until"] is None or one["lease_until"] < now)
    ]
    return {
        "overdue": sum(one["lane"] < _LANES for one in free),
        "gated": sum(one["lane"] > _LANES for one in free),
        "undecided": sum(
            one["next_due_at"] is not None and one["next_due_at"] <= now and not one["paused_at"]
            for one in rows["schedule"]
        ),
    }


def _held(rows: Rows, tasks: set[int], now: datetime) -> set[int]:
    by_hand = {one["task_uid"] for one in rows["schedule"] if one["paused_at"]}
    by_word = {
        one["task_uid"]
        for one in rows["task_override"]
        if not one["ended_at"] and (one["kind"] == "pause" or one["until"] > now)
    }
    return (by_hand | by_word) & tasks


def _working(rows: Rows, now: datetime) -> list[tuple[int, bool]]:
    return sorted(
        (one["runtime_id"], now - one["heartbeat_at"] < _ALIVE)
        for one in rows["runtime"]
        if one["stopped_at"] is None and now - one["heartbeat_at"] < _FORGOTTEN
    )


def _able(rows: Rows, now: datetime) -> bool:
    return any(
        one["stopped_at"] is None and not one["draining"] and now - one["heartbeat_at"] < _ALIVE
        for one in rows["runtime"]
    )


def _asked(rows: Rows) -> dict[str, int]:
    over = {one["run_id"] for one in rows["run"] if one["finished_at"] is not None}
    ends = {(one["run_id"], one["step"], one["iteration"]) for one in rows["step_result"]}
    cut = {one["run_id"]: one["finished_at"] for one in rows["step_result"] if one["step"] == "(over)"}  # fmt: skip

    def waits(one: dict[str, Any], since: str) -> bool:
        is_cut = one["run_id"] in cut and cut[one["run_id"]] > one[since]
        return one["answered_at"] is None and one["run_id"] not in over and not is_cut

    before = [one for one in rows["wait"] if one["kind"] == "approval" and waits(one, "began_at")]
    within = [
        one
        for one in rows["step_attempt"]
        if one["asked"] is not None
        and waits(one, "finished_at")
        and (one["run_id"], one["step"], one["iteration"]) not in ends
    ]
    calls = [one for one in rows["step_intent"] if one["asked_at"] and waits(one, "asked_at")]
    return {"approvals": len(before) + len(within), "unsettled": len(calls)}


def _quarantined(rows: Rows, tasks: set[int]) -> int:
    newest: dict[int, dict[str, Any]] = {}
    for one in sorted(rows["run"], key=lambda one: one["run_id"]):
        if one["finished_at"] is not None:
            newest[one["task_uid"]] = one
    return sum(
        uid in tasks and one["state"] == "failed" and (one["error"] or {}).get("code") == "ORD507"
        for uid, one in newest.items()
    )
