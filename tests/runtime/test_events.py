"""What the program writes as events is what the catalogue and the documentation say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.core.course import Failure as Failing
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.program import ProgramStep, compile_program
from runtime.core.waits import Wait
from runtime.progress import Items, Progress, Try
from runtime.store.due_work import Claim, Report, claim_due
from runtime.store.pool import open_pool
from schemas.event import (
    EVENTS,
    ConditionFacts,
    DriftFacts,
    Event,
    Failure,
    RunFacts,
    StepFacts,
)
from schemas.source import SourceChanged, SourceFacts
from tests.support.factories import NOON, insert_due_work, insert_run, insert_task

DOCUMENT = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
CLAIM = Claim(
    run_id=UUID(int=1),
    task="briefing",
    task_uid=1,
    revision_id=1,
    lease_epoch=1,
    attempt=1,
    trigger="schedule",
    occurrence_for=NOON,
    due_at=NOON,
    started_at=NOON,
    claimed_at=NOON,
    params=None,
    event=None,
)
BODY: dict[str, Any] = {
    "namespace": "default",
    "name": "briefing",
    "params": {},
    "timeout": "1h",
    "retry": {
        "attempts": 1,
        "backoff": "fixed",
        "initial": "1s",
        "max": "1s",
        "jitter": "none",
        "retry_on": [],
    },
    "pipeline": [
        {
            "id": "look",
            "uses": "clock.now",
            "with": {},
            "effect": "pure",
            "max_parallel": 1,
            "on_error": "fail",
            "on_unknown": "fail",
        }
    ],
}
STEP: ProgramStep = compile_program(BODY, "demo").steps[0]


def tried(kind: str, error: CallError | None = None, step: ProgramStep = STEP) -> Try:
    return Try(step, 0, 1, {}, CallOutcome(kind, error=error), 0.25, "key")  # type: ignore[arg-type] - any class will do


def reports() -> list[Report]:
    """Everything that can become of a run and a step."""
    error = CallError("ORD404", "the tool said no", "no")
    progress = Progress(CLAIM, "briefing")
    progress.step_skipped(STEP)
    progress.call_finished(tried("ok"))
    progress.call_finished(tried("tool_error", error))
    progress.call_retrying(tried("lost", error), 1.5)
    each = replace(STEP, foreach=STEP.arguments)
    progress.call_retrying(tried("lost", error, each), 1.5)
    progress.items_finished(each, Items(3, 1, 0, 0.5))
    progress.items_finished(each, Items(3, 1, 1, 0.5), error)
    progress.wait_begun(STEP, 0, Wait("sleep", 1.5, {}))
    progress.wait_begun(each, 2, Wait("approval", None, {"message": "Go?", "by": ["ana"]}))
    return [
        progress.waiting("retry", 1.5),
        progress.finished(2.0),
        progress.finished(2.0, Failing(error, "look")),
    ]


def told() -> list[tuple[str, dict[str, Any]]]:
    return [(event["type"], event["data"]) for report in reports() for event in report.events]


@pytest.mark.parametrize(("kind", "data"), told(), ids=lambda value: str(value)[:20])
def test_what_an_execution_tells_fits_the_catalogue(kind: str, data: dict[str, Any]) -> None:
    event = EVENTS[kind].model_validate(data)

    assert event.model_dump(mode="json", exclude_none=True).keys() == data.keys()


async def test_what_a_claim_tells_fits_the_catalogue(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as rows:
        task = insert_task(rows)
        insert_due_work(rows, task, insert_run(rows, task, state="queued"))
        pool = await open_pool(database)
        await claim_due(pool, runtime_id=1, limit=1, lease=timedelta(seconds=15))
        await pool.close()
        written = rows.execute("select type, data from ordinaut.event_log").fetchall()

    [(kind, data)] = written
    assert kind == "run.started"
    assert EVENTS[kind].model_validate(data).model_dump().keys() == data.keys()


@pytest.mark.parametrize("kind", EVENTS)
def test_the_documentation_names_every_type_and_its_fields(kind: str) -> None:
    shared = {
        "run": RunFacts,
        "step": StepFacts,
        "condition": ConditionFacts,
        "drift": DriftFacts,
        "source": SourceChanged if issubclass(EVENTS[kind], SourceChanged) else SourceFacts,
    }.get(kind.partition(".")[0])
    told_above = set(shared.model_fields) if shared else set()

    text = section(f"### {kind}")

    for name in set(EVENTS[kind].model_fields) - told_above:
        assert f"`{name}`" in text, name


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("## Runs", RunFacts.model_fields),
        ("## Conditions", ConditionFacts.model_fields),
        ("## Drift", DriftFacts.model_fields),
        ("## Sources", SourceChanged.model_fields),
        ("## Steps", set(StepFacts.model_fields) - set(RunFacts.model_fields)),
        ("## Read them", Event.model_fields),
        ("## Errors in events", Failure.model_fields),
    ],
)
def test_the_documentation_names_what_events_share(heading: str, names: Iterable[str]) -> None:
    for name in names:
        assert f"`{name}`" in section(heading), name


def test_the_documentation_has_no_other_types() -> None:
    assert set(re.findall(r"^### (\S+)$", DOCUMENT, re.MULTILINE)) == set(EVENTS)


def section(heading: str) -> str:
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^###? |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE
    )
    assert found is not None, heading
    return found[1]
