"""`ordinaut spend` sums up what calls used up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.core.identity import derive_run_id
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_revision,
    insert_run,
    insert_task,
    insertion,
    spec_revision_row,
)

NOW = SYSTEM_CLOCK.now()


def insert_usage(rows: psycopg.Connection, task: TaskRow, attempt: int, **fields: Any) -> None:
    """What one call used up; only what matters is named."""
    row = {
        "run_id": derive_run_id(task.uid, "manual", "", NOON),
        "step": "ask",
        "iteration": 0,
        "attempt": attempt,
        "task_uid": task.uid,
        "agent": "bot",
        "tool": "llm.plan",
        "model": "small",
        "input_tokens": 1000,
        "output_tokens": 10,
        "cache_read_tokens": 0,
        "cache_written_tokens": 0,
        "reasoning_tokens": 0,
        "used_at": NOW - timedelta(hours=1),
        **fields,
    }
    rows.execute(*insertion("call_usage", row))


def paid(cost: str, currency: str = "USD", source: str = "provider") -> dict[str, str]:
    return {"cost": cost, "currency": currency, "cost_source": source}


@pytest.fixture
def spent(rows: psycopg.Connection) -> None:
    """Five calls of two tasks, in two currencies, one of a cost that nobody knows."""
    briefing = insert_task(rows, labels={"client": "acme"})
    report = insert_task(rows, "report", namespace="ops")
    for task in (briefing, report):
        insert_run(rows, task, occurrence_for=NOON)
    insert_usage(rows, briefing, 1, **paid("0.25"), cache_read_tokens=500)
    insert_usage(rows, briefing, 2, **paid("1.000000000001", source="local"), model="large")
    insert_usage(rows, briefing, 3, **paid("0.50", "EUR"), agent=None)
    insert_usage(rows, report, 1, tool="crm.ask", model="")
    insert_usage(rows, report, 2, **paid("0.00001"), used_at=NOW - timedelta(days=40))


def test_it_is_told_by_task_in_every_currency_and_what_is_not_known_is_said(
    cli: Cli, spent: None
) -> None:
    assert cli("spend").lines[:-1] == [
        "TASK        CALLS  TOKENS IN  CACHED  TOKENS OUT        COST",
        "briefing        3      3,000     17%          30  0.5000 EUR",
        "                                                  1.2500 USD",
        "ops/report      1      1,000                  10   1 unknown",
        "total           4      4,000     12%          40  0.5000 EUR",
        "                                                  1.2500 USD",
        "                                                   1 unknown",
        "worked out from the price table: 1.0000 USD",
    ]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("task", ["briefing", "ops/report"]),
        ("agent", ["no agent", "bot"]),
        ("tool", ["crm.ask", "llm.plan"]),
        ("model", ["not told", "large", "small"]),
        ("label:client", ["no client", "acme"]),
        ("label:nobody", ["no nobody"]),
        ("day", [f"{NOW - timedelta(hours=1):%Y-%m-%d}"]),
    ],
)
def test_it_may_be_told_by_something_else(
    cli: Cli, spent: None, by: str, names: list[str]
) -> None:
    lines = cli("spend", "--by", by).lines

    told = [line.split("  ")[0] for line in lines if line[:1].strip()]
    assert told[1 : len(names) + 1] == names
    assert told[len(names) + 1] == "total"


def test_a_label_counts_as_it_was_when_the_run_was_made(
    cli: Cli, rows: psycopg.Connection
) -> None:
    """A task that is another client's by now cost the one before what it cost then."""
    task = insert_task(rows, labels={"client": "acme"})
    run_id = insert_run(rows, task)
    later = insert_revision(rows)
    body = {**task.body, "labels": {"client": "globex"}}
    rows.execute(*insertion("spec_revision", spec_revision_row(body, task.uid, later)))
    insert_usage(rows, task, 1, run_id=run_id, **paid("1"))
    # A poll that started no run is told of the task as it is.
    insert_usage(rows, task, 2, run_id=derive_run_id(task.uid, "condition", "0", NOON))

    found = cli("spend", "--by", "label:client", "--json").json

    assert (found["by"], [(row["name"], row["calls"]) for row in found["rows"]]) == (
        "label:client",
        [("acme", 1), ("globex", 1)],
    )


@pytest.mark.parametrize("by", ["client", "label:", "label", "label:a\nb"])
def test_what_nothing_can_be_summed_up_by_is_refused(cli: Cli, by: str) -> None:
    found = cli("spend", "--by", by)

    assert found.status == 1
    assert "label:NAME" in found.stderr


def test_json_has_exact_sums(cli: Cli, spent: None) -> None:
    found = cli("spend", "--by", "model", "--json").json

    assert [row["name"] for row in found["rows"]] == [None, "large", "small"]
    assert found["rows"][1] == {
        "name": "large",
        "calls": 1,
        "input_tokens": 1000,
        "output_tokens": 10,
        "cache_read_tokens": 0,
        "cache_written_tokens": 0,
        "reasoning_tokens": 0,
        "costs": [{"currency": "USD", "amount": "1.000000000001", "local": "1.000000000001"}],
        "unknown_costs": 0,
    }
    assert found["total"]["calls"] == 4
    assert found["total"]["unknown_costs"] == 1


@pytest.mark.parametrize(
    ("since", "calls"),
    [
        ("60d", 5),
        (f"{NOW - timedelta(days=50):%Y-%m-%d}", 5),
        (f"{NOW - timedelta(hours=2):%Y-%m-%dT%H:%M:%S+00:00}", 4),
        ("59m", 0),
    ],
    # Each worker has a clock of its own, and what it says must be no part of a test's name.
    ids=["long ago", "a day", "an instant", "just now"],
)
def test_it_begins_a_span_ago_or_at_an_instant(
    cli: Cli, spent: None, since: str, calls: int
) -> None:
    assert cli("spend", "--since", since, "--json").json["total"]["calls"] == calls


def test_what_is_less_than_can_be_shown_is_not_shown_as_nothing(cli: Cli, spent: None) -> None:
    rows = cli("spend", "--since", "60d").lines

    assert rows[3].endswith("<0.0001 USD")


def test_nothing_used_up_is_said_on_stderr(cli: Cli) -> None:
    found = cli("spend")

    assert (found.status, found.stdout) == (0, "")
    assert found.stderr.startswith("nothing was used up since ")
    assert cli("spend", "--json").json["rows"] == []


def test_a_time_that_is_none_is_refused(cli: Cli) -> None:
    found = cli("spend", "--since", "yesterday")

    assert found.status == 1
    assert "'yesterday' is neither a span such as 7d nor a date" in found.stderr
