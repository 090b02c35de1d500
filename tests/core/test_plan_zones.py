"""Times of a plan are told in the zone of the task that they are about: the old one for what was, the new one for what comes."""

from __future__ import annotations

from datetime import datetime

import pytest

from reconciler.core.look import Look
from reconciler.core.render import render_plan
from schemas.plan import Override
from tests.core.plan_story import NOW, plan_of
from tests.support.specs import compiled, database_of

BERLIN = "{cron: '0 9 * * *', timezone: Europe/Berlin}"


def task(schedule: str) -> str:
    return f"kind: Task\nname: t\nschedule: {schedule}\npipeline: [{{id: a, uses: llm.plan}}]\n"


@pytest.mark.parametrize(
    ("schedule", "was", "zones"),
    [
        ("{cron: '0 9 * * *', timezone: America/New_York}", "was  Fri 23 Oct 09:00 CEST (03:00 EDT)", ("America/New_York", "Europe/Berlin")),
        ("{manual: true}", "was  Fri 23 Oct 09:00 CEST  ", ("Europe/Berlin", "Europe/Berlin")),
        ("{every: 1h}", "was  Fri 23 Oct 09:00 CEST  ", ("Europe/Berlin", "Europe/Berlin")),
    ],
)  # fmt: skip
def test_what_was_is_told_in_the_zone_that_the_task_had(
    schedule: str, was: str, zones: tuple[str, str]
) -> None:
    plan = plan_of(database_of(task(BERLIN)), compiled(task(schedule)))
    (change,) = plan.changes

    assert was in render_plan(plan, Look(width=120))
    assert change.preview is not None
    assert (change.preview.timezone, change.preview.timezone_before) == zones
    assert change.preview.before[0] == datetime.fromisoformat("2026-10-23T09:00+02:00")
    assert change.preview.before[0].isoformat() == "2026-10-23T09:00:00+02:00"


def test_times_in_two_zones_fit_into_80_columns() -> None:
    new = "{cron: '0 9 * * *', timezone: America/New_York}"
    plan = plan_of(database_of(task(BERLIN)), compiled(task(new)))

    body = render_plan(plan, Look(width=80)).partition("Digest:")[0]
    assert [line for line in body.splitlines() if len(line) > 80] == []


def test_a_pause_ends_in_the_zone_of_its_task() -> None:
    pause = Override(key="t", kind="pause", actor="bob", reason="", until=NOW, timezone="Europe/Berlin")  # fmt: skip
    plan = plan_of(database_of(task(BERLIN)), compiled(task(BERLIN)), overrides=(pause,))

    assert "until Thu 22 Oct 16:05 CEST" in render_plan(plan, Look())
    assert "until Thu 22 Oct 14:05 UTC" in render_plan(
        plan.model_copy(update={"overrides": (pause.model_copy(update={"timezone": None}),)}),
        Look(),
    )
