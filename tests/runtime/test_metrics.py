"""What is counted is counted once, labels are bounded, and what is served is what Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from string import ascii_uppercase
from typing import get_args
from uuid import UUID, uuid4

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_open_metrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_text

from runtime.core.outcomes import CallOutcome
from runtime.core.prices import price_list
from runtime.core.usage import Cost, Usage
from runtime.live import Live, Scope
from runtime.store.connect import connect
from runtime.store.event_log import LoggedEvent
from runtime.store.following_usage import CallUsed
from runtime.store.gauges import CONDITIONS, GAUGES
from runtime.store.rows import Connection
from runtime.web.meters import COUNTERS, HISTOGRAMS, NAMES, OTHER, TASKS, Meters
from runtime.web.metrics import OWN, Metrics
from schemas.source import Condition
from tests.support.clock import FakeClock
from tests.support.executing import RETRY, Bench, step
from tests.support.factories import NOON
from tests.support.probes import eventually
from tests.support.promtool import ask_promtool
from tests.support.scripted_tools import ScriptedTools, failed, ok

ROOT = Path(__file__).parents[2]
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
TELL = "insert into ordinaut.event_log (type, subject, data) values ('task.created', 'a', '{}')"


class Way:
    """The way to a database, which can be cut off."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.is_open = True

    def __call__(self) -> AbstractContextManager[Connection]:
        return self._lend()

    @contextmanager
    def _lend(self) -> Iterator[Connection]:
        if not self.is_open:
            raise psycopg.OperationalError("the database is away")
        with connect(self.database) as connection:
            yield connection


@pytest.fixture
def way(database: str) -> Way:
    return Way(database)


@pytest.fixture
async def metrics(way: Way, clock: FakeClock) -> Metrics:
    """Metrics that have begun to count."""
    metrics = Metrics(way, clock)
    metrics.read()
    return metrics


def values(metrics: Metrics, *, accept: str = "") -> dict[str, float]:
    """What a scrape gives, by name and labels, of everything of ours."""
    body, content_type = metrics.render(accept)
    text = body.decode()
    read = read_open_metrics if "openmetrics" in content_type else read_text
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): (
            sample.value
        )
        for family in read(text)
        for sample in family.samples
        if sample.name.startswith("ordinaut_") and not sample.name.endswith("_created")
    }


def event(kind: str, **data: object) -> LoggedEvent:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return LoggedEvent(1, uuid4(), kind, "a", UUID(int=1), at, dict(data))


async def test_a_run_is_counted_with_its_steps_and_its_times(
    bench: Bench, clock: FakeClock, metrics: Metrics
) -> None:
    await bench.queue(pipeline=[step("a", "mail.send", retry=RETRY), step("b", "mail.read")])
    tools = ScriptedTools(mail__send=[failed(), ok()], mail__read=ok())
    await bench.go(tools)
    await clock.advance(1_000)
    await bench.go(tools)
    metrics.read()

    found = values(metrics)

    assert found["ordinaut_runs_started_total task=briefing trigger=manual"] == 1
    assert found["ordinaut_runs_total state=succeeded task=briefing trigger=manual"] == 1
    assert found["ordinaut_steps_total outcome=ok server=mail"] == 2
    assert found["ordinaut_step_retries_total outcome=tool_error server=mail"] == 1
    assert found["ordinaut_run_waits_total reason=retry"] == 1
    assert found["ordinaut_run_duration_seconds_count task=briefing"] == 1
    assert found["ordinaut_run_duration_seconds_sum task=briefing"] >= 1_000
    assert found["ordinaut_run_lateness_seconds_count task=briefing"] == 1
    assert found["ordinaut_step_duration_seconds_count server=mail"] == 2
    assert found["ordinaut_events_total type=run.succeeded"] == 1


async def test_a_failed_run_is_counted_with_its_code(
    bench: Bench, clock: FakeClock, metrics: Metrics
) -> None:
    await bench.queue(pipeline=[step("a")])
    await bench.go(ScriptedTools(tool__do=failed()))
    metrics.read()

    found = values(metrics)

    assert found["ordinaut_runs_total state=failed task=briefing trigger=manual"] == 1
    assert [name for name in found if name.startswith("ordinaut_run_failures_total code=ORD")]


async def test_what_calls_use_up_is_counted_once(
    bench: Bench, clock: FakeClock, metrics: Metrics
) -> None:
    await bench.queue(agent="bot", pipeline=[step("a")])
    usage = Usage("small-1", 1200, 80, 1000, 100, 30, Cost(Decimal("0.25"), "EUR", "provider"))
    bench.live = Live(agents={"bot": Scope(("*",))}, prices={"demo": price_list([])})
    await bench.go(ScriptedTools(tool__do=CallOutcome("ok", sent=True, usage=usage)))
    for _ in range(3):
        await clock.advance(11)
        metrics.read()

    found = values(metrics)

    assert found["ordinaut_tokens_total agent=bot kind=input model=small-1"] == 1200
    assert found["ordinaut_tokens_total agent=bot kind=reasoning model=small-1"] == 30
    assert found["ordinaut_cost_total agent=bot currency=EUR model=small-1"] == 0.25


async def test_what_happened_before_is_not_counted_and_what_happens_counts_once(
    connection: psycopg.AsyncConnection, way: Way, clock: FakeClock
) -> None:
    await connection.execute(TELL.encode())
    first = Metrics(way, clock)
    first.read()
    await connection.execute(TELL.encode())
    for _ in range(3):
        first.read()
    second = Metrics(way, clock)
    second.read()
    await connection.execute(TELL.encode())
    first.read()
    second.read()

    assert values(first)["ordinaut_events_total type=task.created"] == 2
    assert values(second)["ordinaut_events_total type=task.created"] == 1


async def test_while_the_database_is_away_counters_stand_still_and_nothing_is_lost(
    connection: psycopg.AsyncConnection, way: Way, metrics: Metrics
) -> None:
    await connection.execute(TELL.encode())
    metrics.read()
    way.is_open = False
    await connection.execute(TELL.encode())
    with pytest.raises(psycopg.OperationalError):
        metrics.read()

    away = values(metrics)
    assert away["ordinaut_database_up"] == 0
    assert away["ordinaut_events_total type=task.created"] == 1
    assert not away.keys() & GAUGES.keys()

    way.is_open = True
    metrics.read()
    back = values(metrics)
    assert back["ordinaut_database_up"] == 1
    assert back["ordinaut_events_total type=task.created"] == 2


async def test_the_thread_counts_by_itself_and_outlives_an_absence(
    connection: psycopg.AsyncConnection, way: Way, clock: FakeClock
) -> None:
    metrics = Metrics(way, clock)
    way.is_open = False

    async def is_counted() -> bool:
        await connection.execute(TELL.encode())
        return "ordinaut_events_total type=task.created" in values(metrics)

    with metrics:
        way.is_open = True
        await eventually(is_counted, "the event is counted")


async def test_gauges_say_what_the_database_holds(
    bench: Bench, clock: FakeClock, metrics: Metrics
) -> None:
    await bench.queue(pipeline=[step("a")])
    await clock.advance(90)

    found = values(metrics)

    assert found["ordinaut_due_work_queue_depth state=due"] == 1
    assert found["ordinaut_due_work_queue_depth state=overdue"] == 1
    assert found["ordinaut_due_work_queue_depth state=leased"] == 0
    assert found["ordinaut_due_work_oldest_seconds"] == 90
    assert found["ordinaut_tasks state=active"] == 1
    assert found["ordinaut_runtimes duty=worker"] >= 0
    assert found["ordinaut_sources condition=InvalidSource"] == 0
    assert found["ordinaut_partitions table=event_log"] >= 1
    assert found["ordinaut_schema_version"] >= 29
    assert found["ordinaut_database_up"] == 1
    assert {name.partition(" ")[0] for name in found} >= {
        name for name in GAUGES if name != "ordinaut_revision" and "_slo_" not in name
    }


def test_every_condition_of_a_source_has_its_gauge() -> None:
    assert set(get_args(Condition)) == set(CONDITIONS)


async def test_promises_are_measured(bench: Bench, clock: FakeClock, metrics: Metrics) -> None:
    await bench.queue(pipeline=[step("a")], slo={"success": "90%"})
    await bench.go(ScriptedTools(tool__do=failed()))

    found = values(metrics)

    assert found["ordinaut_slo_target_ratio promise=success task=briefing"] == 0.9
    assert found["ordinaut_slo_budget_left_ratio promise=success task=briefing"] == pytest.approx(
        -9
    )
    rates = {
        name: rate for name, rate in found.items() if name.startswith("ordinaut_slo_burn_rate")
    }
    assert len(rates) == 5
    assert list(rates.values()) == pytest.approx([10] * 5)


async def test_tasks_beyond_the_bound_are_counted_together() -> None:
    registry = CollectorRegistry()
    meters = Meters(registry)
    skips = [
        event("run.skipped", task=f"t{number}", trigger="schedule", reason="overlap")
        for number in range(TASKS + 50)
    ]
    meters.count(skips)
    meters.count(skips)
    meters.count(event("step.skipped", uses=f"s{number}.do") for number in range(NAMES + 9))
    meters.count(event(f"made.up{number}") for number in range(NAMES))
    meters.count_usage(
        paid(f"{first}{second}X") for first in ascii_uppercase for second in "ABCDE"
    )

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("ordinaut_skips_total", task="t0", reason="overlap") == 2
    assert value("ordinaut_skips_total", task=f"t{TASKS}", reason="overlap") is None
    assert value("ordinaut_skips_total", task=OTHER, reason="overlap") == 100
    assert value("ordinaut_steps_total", server=OTHER, outcome="skipped") == 9
    assert value("ordinaut_events_total", type=OTHER) == 2
    assert value("ordinaut_cost_total", agent="bot", model="m", currency=OTHER) == 5 * 26 - NAMES


def paid(currency: str) -> CallUsed:
    cost = Decimal(1)
    return CallUsed(UUID(int=1), "a", 0, 1, "bot", "m", 0, 0, 0, 0, 0, cost, currency, NOON)


async def test_nothing_is_labelled_by_run() -> None:
    labels = {name for _, names in COUNTERS.values() for name in names}
    labels |= {name for _, names, _ in HISTOGRAMS.values() for name in names}
    labels |= {name for _, names in GAUGES.values() for name in names}

    assert not labels & {"run", "run_id", "step", "event_id"}


async def test_prometheus_reads_both_formats(
    bench: Bench, clock: FakeClock, metrics: Metrics
) -> None:
    await bench.queue(pipeline=[step("a")])
    await bench.go(ScriptedTools(tool__do=ok()))
    metrics.read()

    assert values(metrics, accept=OPEN_METRICS) == values(metrics)
    body, content_type = metrics.render(OPEN_METRICS)
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


async def test_promtool_finds_nothing_wrong(
    bench: Bench, clock: FakeClock, metrics: Metrics
) -> None:
    await bench.queue(pipeline=[step("a")])
    await bench.go(ScriptedTools(tool__do=ok()))
    metrics.read()

    assert ask_promtool("check", "metrics", given=metrics.render("")[0]) == (0, "")


def test_the_document_lists_every_metric_as_it_is() -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    listed = {
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in text.splitlines()
        if line.startswith("| `ordinaut_")
    }
    counters = {name: ("counter", *known) for name, known in COUNTERS.items()}
    histograms = {name: ("histogram", *known[:2]) for name, known in HISTOGRAMS.items()}
    gauges = {name: ("gauge", *known) for name, known in GAUGES.items()}
    every = {**counters, **histograms, **gauges, **OWN}

    assert listed == {
        (
            f"`{name}{'_total' if kind == 'counter' else ''}`",
            kind,
            ", ".join(f"`{label}`" for label in labels),
            meaning,
        )
        for name, (kind, meaning, labels) in every.items()
    }
