"""Calendars in the specs: what tasks carry of them, which edits reach the tasks, and what is refused."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.desired import Key, Specs
from reconciler.core.diff import diff
from reconciler.core.ground import Ground
from reconciler.core.plan import make_plan
from reconciler.load import load_specs
from runtime.core.schedules import compile_schedules
from schemas.plan import Plan, PlannedChange, PlanSource
from tests.core.plan_story import NOW
from tests.reconciler.test_ics import calendar, event
from tests.support.specs import OURS, Database

HEAD = "apiVersion: ordinaut/v1\n"
PROJECT = "kind: Project\nname: platform"
HOLIDAYS = "kind: Calendar\nname: holidays\ntimezone: Europe/Chisinau\n"
CHRISTMAS = calendar(event("DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261227"))
TASK = Key("Task", "default", "brief")


def task(schedule: str = "exclude: [holidays]", cron: str = "30 8 * * *") -> str:
    return (
        f"kind: Task\nname: brief\nschedule: {{cron: '{cron}', timezone: Europe/Chisinau, {schedule}}}\n"
        "pipeline: [{id: look, uses: llm.plan}]"
    )


def specs(*documents: str, **files: bytes) -> Specs:
    written = [
        SourceFile(f"specs/{place}.yaml", (HEAD + dedent(text)).encode())
        for place, text in enumerate([PROJECT, *documents])
    ]
    attached = [SourceFile(f"specs/{name}.ics", data) for name, data in files.items()]
    return compile_specs([*attached, *written])


def carried(*documents: str, **files: bytes) -> Any:
    """The calendars in the body of the task."""
    found = specs(*documents, **files)
    assert not found.errors, found.errors
    return found.documents[TASK].body["calendars"]


def told(found: Specs) -> list[tuple[str, str, str]]:
    return [(problem.place, problem.code, problem.message) for problem in found.problems]


def test_a_task_carries_the_content_of_the_calendars_it_names_and_of_no_other() -> None:
    night = "kind: Calendar\nname: night\ntimezone: UTC\nwindows: [{from: '22:00', to: '07:00'}]\ndefer: 9h"
    unused = "kind: Calendar\nname: unused\ntimezone: UTC\ndates: [2026-01-01]"

    assert carried(
        HOLIDAYS + "dates: [2026-12-25]",
        night,
        unused,
        task("exclude: [holidays], include: [night]"),
    ) == {
        "holidays": {"timezone": "Europe/Chisinau", "days": ["2026-12-25"]},
        "night": {
            "timezone": "UTC",
            "windows": [{"from": "22:00", "to": "07:00", "days": []}],
            "defer": "9h",
        },
    }


def test_without_calendars_a_body_has_none() -> None:
    found = specs(task("exclude: []"))

    assert "calendars" not in found.documents[TASK].body


def test_days_are_the_same_however_they_are_written() -> None:
    as_dates = carried(HOLIDAYS + "dates: [2026-12-26, 2026-12-25]", task())
    as_range = carried(HOLIDAYS + "ranges: [{from: 2026-12-25, to: 2026-12-26}]", task())
    as_file = carried(HOLIDAYS + "ics: days.ics", task(), days=CHRISTMAS)

    assert as_dates == as_range == as_file
    assert as_file["holidays"]["days"] == ["2026-12-25/2026-12-26"]


def test_days_that_do_not_touch_stay_apart() -> None:
    found = carried(
        HOLIDAYS + "dates: [2026-12-28, 2026-12-31]\nranges: [{from: 2026-12-25, to: 2026-12-27}]",
        task(),
    )

    assert found["holidays"]["days"] == ["2026-12-25/2026-12-28", "2026-12-31"]


def test_events_that_repeat_are_carried_as_rules() -> None:
    yearly = calendar(event("DTSTART;VALUE=DATE:20001225", "RRULE:FREQ=YEARLY"))

    assert carried(HOLIDAYS + "ics: days.ics", task(), days=yearly) == {
        "holidays": {
            "timezone": "Europe/Chisinau",
            "events": [{"start": "2000-12-25", "days": 1, "rrule": ["FREQ=YEARLY"]}],
        }
    }


def test_a_calendar_of_another_namespace_keeps_its_name() -> None:
    own = "kind: Calendar\nname: holidays\nnamespace: ops\ntimezone: UTC\ndates: [2026-12-25]"

    assert list(carried(own, task("exclude: [ops/holidays]"))) == ["ops/holidays"]


def changes(before: Specs, after: Specs) -> Plan:
    database = Database(before.documents)
    ground = Ground(
        source=PlanSource(project="platform"),
        environment="prod",
        now=NOW,
        tool="0",
        tzdata="2026a",
        bodies=database.bodies,
    )
    return make_plan(diff(after.documents, database.rows, OURS), ground)


def change_of(plan: Plan, kind: str) -> PlannedChange:
    return next(change for change in plan.changes if change.kind == kind)


def test_an_edited_file_changes_the_calendar_and_the_times_of_its_tasks() -> None:
    documents = (HOLIDAYS + "ics: days.ics", task(cron="30 8 25 12 *"))
    nothing = calendar(event("DTSTART;VALUE=DATE:20250101"))
    plan = changes(specs(*documents, days=nothing), specs(*documents, days=CHRISTMAS))

    assert [(change.kind, change.facets) for change in plan.changes] == [
        ("Calendar", ("pipeline",)),
        ("Task", ("schedule",)),
    ]
    preview = change_of(plan, "Task").preview
    assert preview is not None
    assert [at.isoformat() for at in (preview.before[0], preview.after[0])] == [
        "2026-12-25T08:30:00+02:00",
        "2027-12-25T08:30:00+02:00",
    ]
    assert preview.first_effect_at == preview.before[0]


def test_a_calendar_that_is_written_otherwise_changes_no_task() -> None:
    plan = changes(
        specs(HOLIDAYS + "dates: [2026-12-25, 2026-12-26]", task()),
        specs(HOLIDAYS + "ics: days.ics", task(), days=CHRISTMAS),
    )

    assert [change.kind for change in plan.changes] == ["Calendar"]


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("day.ics", "ORD009", "day.ics: there is no such file in the specs folder"),
        ("../days.ics", "ORD010", "../days.ics: the path leads out of the specs folder"),
        ("../specs/../x/days.ics", "ORD010", "the path leads out of the specs folder"),
        ("/specs/days.ics", "ORD010", "the path leads out of the specs folder"),
        ("days.txt", "ORD009", "days.txt: there is no such file"),
        ("broken.ics", "ORD608", "broken.ics: it is not iCalendar"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_at_its_field(
    path: str, code: str, message: str
) -> None:
    found = specs(HOLIDAYS + f"ics: {path}", task(), days=CHRISTMAS, broken=b"hello")

    assert [(place, found_code) for place, found_code, _ in told(found)] == [
        ("specs/1.yaml:5:6", code)
    ]
    assert message in told(found)[0][2]


def test_a_missing_file_hints_at_the_one_that_was_meant() -> None:
    found = specs(HOLIDAYS + "ics: day.ics", task(), days=CHRISTMAS)

    assert found.problems[0].hint == "did you mean `days.ics`?"


def test_files_are_read_from_the_folder_of_the_document(tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    (folder / "calendars").mkdir(parents=True)
    (folder / "ordinaut.yaml").write_text(HEAD + PROJECT)
    (folder / "calendars" / "all.yaml").write_text(HEAD + HOLIDAYS + "ics: days.ics")
    (folder / "calendars" / "days.ics").write_bytes(CHRISTMAS)
    (folder / "brief.yaml").write_text(HEAD + task())

    assert load_specs(folder).documents[TASK].body["calendars"]["holidays"]["days"]


def test_a_link_out_of_the_specs_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    folder.mkdir()
    (tmp_path / "secret.ics").write_bytes(CHRISTMAS)
    (folder / "days.ics").symlink_to(tmp_path / "secret.ics")
    (folder / "ordinaut.yaml").write_text(HEAD + PROJECT)
    (folder / "calendar.yaml").write_text(HEAD + HOLIDAYS + "ics: days.ics")

    assert told(load_specs(folder)) == [
        ("specs/days.ics:1:1", "ORD010", "the link leads out of the specs folder")
    ]


@pytest.mark.parametrize(
    ("calendar_fields", "schedule", "problem"),
    [
        (
            "rules: [FREQ=DAILY]",
            "exclude: [holidays]",
            ("ORD605", "the schedule never fires: its calendars exclude all of its occurrences"),
        ),
        (
            "windows: [{from: '22:00', to: '07:00'}]",
            "exclude: [holidays], on_excluded: previous_included",
            ("ORD607", "on_excluded: previous_included needs calendars of whole days, and one of these holds hours"),
        ),
    ],
)  # fmt: skip
def test_calendars_that_do_not_go_with_the_schedule_are_refused(
    calendar_fields: str, schedule: str, problem: tuple[str, str]
) -> None:
    found = specs(HOLIDAYS + calendar_fields, task(schedule))

    assert [one[1:] for one in told(found)] == [problem]
    assert told(found)[0][0].startswith("specs/2.yaml:4:")


CONDITION = "kind: Task\nname: brief\nschedule: {condition: {uses: llm.plan, every: 1h, when: result.text == 'x'}, exclude: [holidays]}\npipeline: [{id: look, uses: llm.plan}]"


def test_a_condition_is_described_with_its_calendars_and_carries_them() -> None:
    found = specs(HOLIDAYS + "windows: [{from: '22:00', to: '07:00'}]", CONDITION)

    [body] = [one.body for key, one in found.documents.items() if key.kind == "Task"]
    assert told(found) == []
    assert body["calendars"]["holidays"]["windows"] == [
        {"days": [], "from": "22:00", "to": "07:00"}
    ]
    assert compile_schedules(body).describe().endswith("asked every 1h, except in holidays")


def test_calendars_that_leave_no_time_to_ask_are_refused() -> None:
    found = specs(HOLIDAYS + "rules: [FREQ=DAILY]", CONDITION)

    assert told(found) == [
        ("specs/2.yaml:4:23", "ORD605", "its calendars leave no time at which to ask")
    ]


def test_what_is_wrong_with_a_calendar_is_told_there_and_not_of_its_tasks() -> None:
    found = specs(
        "kind: Calendar\nname: holidays\ntimezone: Europe/Kishinew\ndates: [2026-12-25]", task()
    )

    assert [(place, code) for place, code, _ in told(found)] == [("specs/1.yaml:4:11", "ORD604")]


@pytest.mark.parametrize(
    ("fields", "place", "code"),
    [
        ("rules: [FREQ=HOURLY]", "5:9", "ORD602"),
        ("rules: [{rrule: FREQ=DAILY;BYHOUR=8, start: 2026-01-01}]", "5:17", "ORD602"),
        ("rules: ['FREQ=WEEKLY;INTERVAL=2']", "5:9", "ORD603"),
        ("rules: ['FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30']", "5:9", "ORD605"),
        ("rules: [{rrule: FREQ=DAILY}]", "5:9", "ORD006"),
        ("dates: [2026-12-25]\ndefer: 1h", "1:1", "ORD007"),
        ("windows: [{from: '08:00', to: '08:00'}]", "5:11", "ORD007"),
        ("windows: [{from: '24:00', to: '08:00'}]", "5:11", "ORD007"),
        ("ranges: [{from: 2026-12-26, to: 2026-12-25}]", "5:10", "ORD007"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused(fields: str, place: str, code: str) -> None:
    found = specs(HOLIDAYS + fields)

    assert [(where.removeprefix("specs/1.yaml:"), what) for where, what, _ in told(found)] == [
        (place, code)
    ]
