"""Fire times before and after, with what the clock does to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.preview import CAP, foresee
from runtime.core.recurrence import Compiled, Occurrence
from runtime.core.schedules import TaskSchedule, compile_schedules
from schemas.plan import Preview
from tests.core.plan_story import NOW
from tests.support.specs import compiled

BERLIN = "timezone: Europe/Berlin"


def schedule(*texts: str, before: str = "") -> TaskSchedule:
    """A task's schedule, from YAML; `before` it may stand other documents."""
    triggers = ", ".join(f"{{{text}}}" for text in texts)
    specs = compiled(
        f"{before}kind: ToolServer\nname: s\nstdio: {{command: x}}\n---\nkind: Task\nname: t\n"
        f"schedule: [{triggers}]\npipeline: [{{id: a, uses: s.a}}]"
    )
    return next(
        compile_schedules(document.body)
        for key, document in specs.documents.items()
        if key.kind == "Task"
    )


def cron(fields: str, more: str = BERLIN) -> TaskSchedule:
    return schedule(f'cron: "{fields}", {more}')


def notes(preview: Preview) -> list[tuple[str, str]]:
    return [(flag.kind, flag.note) for flag in preview.flags]


def test_times_are_in_the_zone_of_the_task() -> None:
    preview = foresee(None, cron("0 8 * * *"), NOW)

    assert preview.timezone == "Europe/Berlin"
    assert [at.isoformat() for at in preview.after[:4]] == [
        "2026-10-23T08:00:00+02:00",
        "2026-10-24T08:00:00+02:00",
        "2026-10-25T08:00:00+01:00",
        "2026-10-26T08:00:00+01:00",
    ]
    assert (preview.before, preview.runs_30d_before, preview.runs_30d_after) == ((), 0, 30)


@dataclass(frozen=True)
class Noting:
    """A part of a schedule that notes how far it is followed."""

    part: Compiled
    followed: list[datetime]

    def following(self, after: datetime) -> Iterator[Occurrence]:
        for found in self.part.following(after):
            self.followed.append(found.at)
            yield found


def test_a_schedule_that_fires_once_a_day_is_not_followed_for_years_to_count_a_month() -> None:
    once_a_day = cron("30 14 * * *")
    (part,) = once_a_day.parts
    followed: list[datetime] = []

    preview = foresee(None, replace(once_a_day, parts=(Noting(part, followed),)), NOW)

    assert preview.runs_30d_after == 30
    # Odd hours are looked for within a year, and a month of days is counted once.
    assert max(followed) < NOW + timedelta(days=370)
    assert len(followed) < 50


CALENDARS = """\
kind: Calendar
name: holidays
timezone: Europe/Berlin
dates: [2026-10-23]
---
kind: Calendar
name: weekend
timezone: Europe/Berlin
rules: [FREQ=WEEKLY;BYDAY=SA]
---
kind: Calendar
name: quiet
timezone: Europe/Berlin
windows: [{from: "22:00", to: "07:00"}]
---
"""


def excluding(fields: str, more: str) -> TaskSchedule:
    return schedule(f'cron: "{fields}", {BERLIN}, {more}', before=CALENDARS)


def test_what_calendars_exclude_is_told_by_its_day() -> None:
    preview = foresee(None, excluding("0 8 23-25 * *", "exclude: [holidays, weekend]"), NOW)

    assert notes(preview)[:2] == [
        ("excluded", "Fri 23 Oct 08:00 is excluded by holidays"),
        ("excluded", "Sat 24 Oct 08:00 is excluded by weekend"),
    ]
    assert (preview.runs_30d_after, preview.after[0].day) == (1, 25)


def test_what_calendars_move_is_told_with_where_it_goes() -> None:
    by_hour = excluding("30 22 24 * *", "exclude: [quiet], on_excluded: next_included")
    by_day = excluding("0 8 23 * *", "exclude: [holidays], on_excluded: next_included")

    assert notes(foresee(None, by_hour, NOW))[0] == (
        "moved",
        "Sat 24 Oct 22:30 is excluded by quiet and moves to Sun 25 Oct 07:00",
    )
    assert foresee(None, by_day, NOW).after[0].isoformat() == "2026-10-24T08:00:00+02:00"


def test_of_many_that_are_excluded_the_first_are_told_and_the_others_counted() -> None:
    nightly = notes(foresee(None, excluding("0 8,23 * * *", "exclude: [quiet]"), NOW))

    assert [kind for kind, _ in nightly[:4]] == ["excluded"] * 4
    assert nightly[3] == ("excluded", "27 more are excluded in 30 d")


def test_a_schedule_whose_calendars_leave_nothing_never_fires_again() -> None:
    over = excluding("0 8 * * *", "include: [holidays]")

    preview = foresee(over, over, NOW.replace(year=2027))
    assert notes(preview) == [("never_fires", "never fires again")]
    assert (preview.after, preview.runs_30d_after) == ((), 0)


def test_the_clocks_going_back_between_the_shown_times_is_told() -> None:
    assert notes(foresee(None, cron("0 8 * * *"), NOW)) == [
        ("utc_offset_change", "clocks go back Sun 25 Oct")
    ]


def test_a_change_of_the_clocks_after_the_shown_times_is_not() -> None:
    early = datetime(2026, 7, 1, tzinfo=UTC)

    assert notes(foresee(None, cron("0 8 * * *"), early)) == []


def test_a_time_that_happens_twice_and_one_that_does_not_exist_are_told_for_a_year() -> None:
    rule = 'rrule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", start: 2026-01-01T02:30'

    assert notes(foresee(None, schedule(f"{rule}, {BERLIN}"), NOW)) == [
        ("utc_offset_change", "clocks go back Sun 25 Oct"),
        ("fold", "02:30 happens twice on Sun 25 Oct: fires once, 02:30 CEST"),
        ("gap", "02:30 does not exist on Sun 28 Mar 2027: fires 03:30 CEST"),
    ]


@pytest.mark.parametrize(
    ("policy", "fires"), [("second", "once, 02:30 CET"), ("both", "both times")]
)
def test_the_policy_for_a_repeated_time_is_told(policy: str, fires: str) -> None:
    rule = 'rrule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", start: 2026-01-01T02:30'

    preview = foresee(None, schedule(f"{rule}, {BERLIN}, dst_fold: {policy}"), NOW)

    folds = [note for kind, note in notes(preview) if kind == "fold"]
    assert folds == [f"02:30 happens twice on Sun 25 Oct: fires {fires}"]


@pytest.mark.parametrize(
    "text",
    [
        'rrule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", start: 2026-01-01T02:30',
        'cron: "30 2 * * *"',
        'cron: "30 2 * * *", exclude: [weekend], on_excluded: next_included',
    ],
)
def test_an_occurrence_that_is_skipped_because_its_time_does_not_exist_is_told(text: str) -> None:
    calendars = CALENDARS if "exclude" in text else ""
    preview = foresee(
        None,
        schedule(f"{text}, {BERLIN}, dst_gap: skip", before=calendars),
        NOW.replace(year=2027),
    )

    gaps = [flag for flag in preview.flags if flag.kind == "gap"]
    assert [flag.note for flag in gaps] == [
        "02:30 does not exist on Sun 26 Mar 2028: does not fire"
    ]
    assert gaps[0].at is not None
    assert gaps[0].at.isoformat() == "2028-03-26T03:00:00+02:00"


def test_what_a_calendar_excludes_anyway_is_not_told_as_skipped_by_the_clocks() -> None:
    sundays = CALENDARS.replace("BYDAY=SA", "BYDAY=SU")
    text = f'cron: "30 2 * * *", exclude: [weekend], {BERLIN}, dst_gap: skip'

    kinds = [kind for kind, _ in notes(foresee(None, schedule(text, before=sundays), NOW))]

    assert "excluded" in kinds
    assert "gap" not in kinds


@pytest.mark.parametrize(
    "fields", ["*/20 * * * *", "30 8 * * *", "30 2 1 6 *"], ids=["all day", "later", "in summer"]
)
def test_what_meets_no_time_that_does_not_exist_is_not_told_of_skipping_one(fields: str) -> None:
    preview = foresee(None, cron(fields, f"{BERLIN}, dst_gap: skip"), NOW)

    assert "gap" not in {kind for kind, _ in notes(preview)}


def test_a_schedule_that_fires_all_day_is_not_told_about_odd_hours() -> None:
    kinds = {kind for kind, _ in notes(foresee(None, cron("*/20 * * * *"), NOW))}

    assert kinds == set()


def test_a_schedule_that_is_over_is_told() -> None:
    preview = foresee(None, schedule('at: "2020-01-01T00:00Z"'), NOW)

    assert notes(preview) == [("never_fires", "never fires again")]
    assert preview.first_effect_at is None


def test_a_schedule_that_no_clock_drives_has_nothing_to_tell() -> None:
    preview = foresee(None, schedule("manual: true"), NOW)

    assert preview == Preview(timezone="UTC", schedule_after="when somebody asks")


def test_beyond_what_is_counted_the_number_is_an_estimate_and_says_so() -> None:
    minutely = foresee(None, schedule("every: 1m"), NOW)
    hourly = foresee(None, schedule("every: 1h"), NOW)

    assert minutely.runs_30d_after == 30 * 24 * 60
    assert minutely.runs_30d_after > CAP
    assert minutely.runs_estimated
    assert (hourly.runs_30d_after, hourly.runs_estimated) == (30 * 24, False)


def test_retiring_a_task_shows_what_will_not_happen() -> None:
    preview = foresee(cron("0 8 * * *"), None, NOW)

    assert len(preview.before) == 5
    assert (preview.after, preview.runs_30d_after, preview.flags) == ((), 0, ())
    assert preview.first_effect_at == datetime(2026, 10, 23, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "after", "first"),
    [
        pytest.param("0 8 * * *", "0 7 * * *", "2026-10-23T05:00:00+00:00", id="earlier"),
        pytest.param("0 8 * * *", "0 9 * * *", "2026-10-23T06:00:00+00:00", id="later"),
        pytest.param("0 8 * * *", "0 8 * * 1-5", "2026-10-24T06:00:00+00:00", id="one left out"),
        pytest.param("0 8 * * *", "0 8 * 1-11 *", "2026-12-01T07:00:00+00:00", id="far away"),
        pytest.param("0 * * * *", "0 */1 * * *", None, id="the same in other words"),
        pytest.param("0 8 * * *", "0,1 8 * * *", "2026-10-23T06:01:00+00:00", id="one more"),
    ],
)
def test_the_first_effect_is_the_first_time_in_only_one_of_the_schedules(
    before: str, after: str, first: Any
) -> None:
    preview = foresee(cron(before), cron(after), NOW)

    found = preview.first_effect_at
    assert (found.isoformat() if found else None) == first


def test_schedules_in_several_zones_are_shown_in_the_first() -> None:
    both = schedule(f'cron: "0 8 * * *", {BERLIN}', 'cron: "0 8 * * *", timezone: Asia/Tokyo')

    preview = foresee(None, both, NOW)

    assert [at.isoformat() for at in preview.after[:2]] == [
        "2026-10-23T01:00:00+02:00",
        "2026-10-23T08:00:00+02:00",
    ]
