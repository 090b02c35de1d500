"""One story that the tests of plans share: a project before and after a day's work, at one instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from reconciler.core.changes import Version
from reconciler.core.desired import Key, Specs
from reconciler.core.destructive import destroys_in
from reconciler.core.digest import digest_of, facet_digests
from reconciler.core.ground import Ground, QueueState
from reconciler.core.model_gains import offline_in
from reconciler.core.plan import make_plan
from reconciler.core.selection import part_of
from schemas.plan import Override, Plan, PlanBase, PlanSource
from tests.support.specs import Database, compiled, database_of

NOW = datetime(2026, 10, 22, 14, 5, tzinfo=UTC)

BEFORE = """
kind: ToolServer
name: fs
stdio: {command: mcp-fs}
---
kind: Task
namespace: ops
name: morning-brief
owner: team-ops
schedule: {rrule: "FREQ=DAILY;BYHOUR=8;BYMINUTE=0", timezone: Europe/Berlin, start: 2026-01-01T08:00}
pipeline: [{id: look, uses: default/fs.list}]
---
kind: Task
namespace: ops
name: nightly-cleanup
owner: team-ops
schedule: {cron: "30 2 * * *", timezone: Europe/Berlin}
pipeline: [{id: list, uses: default/fs.list}, {id: purge, uses: default/fs.move, with: {to: /tmp}}]
---
kind: Task
namespace: support
name: triage
owner: team-support
schedule: {manual: true}
pipeline: [{id: look, uses: default/fs.list}]
---
kind: Task
namespace: ops
name: fx-rates
owner: team-finance
schedule: {cron: "0 6 * * *", timezone: UTC}
pipeline: [{id: look, uses: default/fs.list}]
---
kind: Task
namespace: ops
name: oncall-ping
owner: team-ops
schedule: {every: 5m}
pipeline: [{id: look, uses: default/fs.list}]
---
kind: Task
namespace: ops
name: weekly-report
schedule: {every: 1h}
pipeline: [{id: look, uses: default/fs.list}]
"""

AFTER = """
kind: ToolServer
name: fs
stdio: {command: mcp-fs}
---
kind: Task
namespace: ops
name: morning-brief
owner: team-ops
schedule: {rrule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7;BYMINUTE=30", timezone: Europe/Berlin, start: 2026-01-01T08:00}
pipeline: [{id: look, uses: default/fs.list}]
---
kind: Task
namespace: ops
name: nightly-cleanup
owner: team-ops
schedule: {cron: "30 2 * * *", timezone: Europe/Berlin}
timeout: 10m
pipeline: [{id: purge, uses: default/fs.delete}, {id: list, uses: default/fs.list}, {id: tell, uses: default/fs.list}]
---
kind: Task
namespace: support
name: inbox-triage
renamed_from: triage
owner: team-support
schedule: {manual: true}
pipeline: [{id: look, uses: default/fs.list}]
---
kind: Task
namespace: sales
name: pipeline-digest
owner: team-sales
schedule: {cron: "0 9 * * 1", timezone: America/New_York}
pipeline: [{id: look, uses: default/fs.list}, {id: send, uses: default/fs.send}]
---
kind: Task
namespace: ops
name: oncall-ping
owner: team-ops
schedule: {every: 5m}
pipeline: [{id: look, uses: default/fs.list}]
---
kind: Task
namespace: ops
name: weekly-report
description: What happened.
labels: {team: ops}
schedule: {every: 1h}
pipeline: [{id: look, uses: default/fs.list}]
"""

BASE = PlanBase(
    revision=41, commit="a81d07cbe2", actor="bob@desk", applied_at=NOW - timedelta(days=2, hours=3)
)
PAUSED = Override(
    key="ops/weekly-report",
    kind="pause",
    actor="bob",
    reason="vendor outage",
    until=NOW + timedelta(days=4),
)


def task(label: str) -> Key:
    """The key of a task."""
    return Key.of("Task", label, "default")


def drifted(database: Database, key: Key, **fields: Any) -> Database:
    """The database after somebody changed these fields of a row by hand."""
    row = database.rows[key]
    body = {**database.bodies[row.uid], **fields}
    database.rows[key] = replace(row, live=Version(digest_of(body), facet_digests(body)))
    database.bodies[row.uid] = body
    return database


def plan_of(database: Database, specs: Specs, **ground: Any) -> Plan:
    """The plan from a database to specs, at `NOW`."""
    given: dict[str, Any] = {
        "source": PlanSource(project="platform", commit="3f9c2e1aa0", pull_request="212"),
        "environment": "prod",
        "base": BASE,
        "now": NOW,
        "tool": "0.1.0",
        "tzdata": "2026b",
        "bodies": database.bodies,
        "destroys": destroys_in(specs.documents),
        "offline": offline_in(specs.documents),
    }
    part = part_of(database.changes_to(specs), specs.documents, ground.get("only", ()))
    return make_plan(part.changes, Ground(**{**given, "left_out": part.left_out, **ground}))


def story(**ground: Any) -> Plan:
    """A day's work: every kind of change at once, and work that is queued, running and overdue."""
    return _story(**ground) if ground else _usual_story()


@cache
def _usual_story() -> Plan:
    return _story()


def _story(**ground: Any) -> Plan:
    database = drifted(database_of(BEFORE), task("ops/oncall-ping"), priority=9)
    queue = {
        database.rows[task("ops/fx-rates")].uid: QueueState(1, 1, overdue=True),
        database.rows[task("ops/nightly-cleanup")].uid: QueueState(1, 2),
        database.rows[task("ops/oncall-ping")].uid: QueueState(1, 0),
    }
    specs = compiled(AFTER)
    return plan_of(database, specs, **{"queue": queue, "overrides": [PAUSED], **ground})
