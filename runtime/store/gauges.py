"""What is measured of the database when somebody asks for metrics: a dozen short statements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runtime.store.migrate import read_ledger
from runtime.store.rows import Connection, fetch_rows
from runtime.store.slo import load_slos

GAUGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "ordinaut_due_work_queue_depth": (
        "Due work: leased, due now, overdue by more than a second, gated behind a concurrency key, asleep until later.",
        ("state",),
    ),
    "ordinaut_due_work_oldest_seconds": ("For how long the oldest due work waits.", ()),
    "ordinaut_backlog_runs": ("Runs that wait until another of their task is over.", ()),
    "ordinaut_runtimes": ("Runtimes that live, by what they do.", ("duty",)),
    "ordinaut_tasks": ("Tasks in force.", ("state",)),
    "ordinaut_outbox_events": (
        "Events that are not published yet, as far as they were counted.",
        (),
    ),
    "ordinaut_outbox_oldest_seconds": ("For how long the oldest of them waits.", ()),
    "ordinaut_approvals_open": (
        "Decisions that people are waited for: approvals, and calls whose outcome is to be settled.",
        ("kind",),
    ),
    "ordinaut_sources": ("Branches that projects are pulled from.", ("condition",)),
    "ordinaut_sources_unreachable": ("Those that cannot be fetched.", ()),
    "ordinaut_drift_documents": ("Documents that somebody wrote past git.", ()),
    "ordinaut_revision": ("The newest revision.", ("project", "environment")),
    "ordinaut_partitions": ("Partitions of each table of history.", ("table",)),
    "ordinaut_schema_version": ("The newest migration of the database.", ()),
    "ordinaut_slo_target_ratio": ("Of how many runs something is promised.", ("task", "promise")),
    "ordinaut_slo_budget_left_ratio": (
        "What is left of the error budget; below 0 the promise is broken.",
        ("task", "promise"),
    ),
    "ordinaut_slo_burn_rate": (
        "How fast the error budget goes; at 1 it lasts for the window.",
        ("task", "promise", "over"),
    ),
}
"""By name: what it measures, and its labels."""

MOST_PROMISED: Final = 200
"""Of how many tasks promises are measured."""
CONDITIONS: Final = ("Synced", "OutOfSync", "Held", "NeedsApproval", "InvalidSource")
_DUTIES: Final = ("scheduler", "worker", "relay")
_QUEUE: Final = ("leased", "due", "overdue", "gated", "asleep")

Values = dict[str, list[tuple[tuple[str, ...], float]]]
"""By name of the metric: values of its labels, and the value."""


def read_slos(connection: Connection) -> Values:
    """The gauges of promises, of the first so many tasks by name: counting runs takes longer than the rest."""
    promised = [
        (one.task, objective)
        for one in load_slos(connection).tasks[:MOST_PROMISED]
        for objective in one.objectives
    ]
    return {
        "ordinaut_slo_target_ratio": [((task, one.promise), one.target) for task, one in promised],
        "ordinaut_slo_budget_left_ratio": [
            ((task, one.promise), one.budget_left)
            for task, one in promised
            if one.budget_left is not None
        ],
        "ordinaut_slo_burn_rate": [
            ((task, one.promise, burn.over), burn.rate)
            for task, one in promised
            for burn in one.burn_rates
        ],
    }


def read_gauges(connection: Connection) -> Values:
    """Every gauge of `GAUGES` but those of promises, now."""
    [queue] = fetch_rows(connection, "measure_queue")
    [outbox] = fetch_rows(connection, "measure_outbox")
    [asked] = fetch_rows(connection, "load_asked_status")
    [tasks] = fetch_rows(connection, "measure_tasks")
    [drift] = fetch_rows(connection, "measure_drift")
    alive = {row["duty"]: row["alive"] for row in fetch_rows(connection, "measure_runtimes")}
    sources = {row["condition"]: row for row in fetch_rows(connection, "measure_sources")}
    return {
        "ordinaut_due_work_queue_depth": [((name,), queue[name]) for name in _QUEUE],
        "ordinaut_due_work_oldest_seconds": [((), queue["oldest_seconds"])],
        "ordinaut_backlog_runs": [((), queue["backlog"])],
        # What nobody does is zero, and not missing: that is what one wants to be told of.
        "ordinaut_runtimes": [((duty,), alive.get(duty, 0)) for duty in _DUTIES],
        "ordinaut_tasks": [((state,), tasks[state]) for state in sorted(tasks)],
        "ordinaut_outbox_events": [((), outbox["events"])],
        "ordinaut_outbox_oldest_seconds": [((), outbox["oldest_seconds"])],
        "ordinaut_approvals_open": [((kind,), asked[kind]) for kind in sorted(asked)],
        "ordinaut_sources": [
            ((name,), sources[name]["sources"] if name in sources else 0) for name in CONDITIONS
        ],
        "ordinaut_sources_unreachable": [
            ((), sum(row["unreachable"] for row in sources.values()))
        ],
        "ordinaut_drift_documents": [((), drift["documents"])],
        "ordinaut_revision": [
            ((row["project"], row["environment"]), row["revision"])
            for row in fetch_rows(connection, "measure_revisions")
        ],
        "ordinaut_partitions": [
            ((row["table"],), row["partitions"])
            for row in fetch_rows(connection, "measure_partitions")
        ],
        "ordinaut_schema_version": [((), max(read_ledger(connection)[0], default=0))],
    }
