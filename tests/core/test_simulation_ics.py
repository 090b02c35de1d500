"""The runs of a period as a file for calendar applications."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Calendar, Event

from reconciler.core.simulation_ics import CalendarFile, calendar_file
from reconciler.core.simulation_runs import period_of
from runtime.core.recurrence.zone import load_zone
from tests.support.specs import compiled

ROME = "Europe/Rome"
SERVER = "kind: ToolServer\nname: fs\nstdio: {command: mcp-fs}\n---\n"
BEGIN = datetime(2026, 3, 28, 23, tzinfo=UTC)


def task(name: str, schedule: str, more: str = "") -> str:
    steps = "pipeline: [{id: look, uses: fs.list}]"
    return f"kind: Task\nname: {name}\nschedule: {{{schedule}}}\n{steps}\n{more}"


def written(
    *documents: str, project: str = "home", days: int = 1, begin: datetime = BEGIN, **bounds: int
) -> CalendarFile:
    specs = compiled(SERVER + "\n---\n".join(documents), f"kind: Project\nname: {project}")
    tasks = [one for key, one in specs.documents.items() if key.kind == "Task"]
    period = period_of(begin, days, load_zone(ROME))
    return calendar_file(specs.project, tasks, period, timedelta(minutes=10), **bounds)


def events(file: CalendarFile) -> list[Event]:
    """What an application reads."""
    calendar = Calendar.from_ical(file.content)
    assert isinstance(calendar, Calendar)
    assert calendar.errors == []
    return list(calendar.events)


def values(event: Event) -> dict[str, Any]:
    names = ("summary", "dtstart", "dtstamp", "duration", "description", "transp")
    return {name: event.decoded(name) for name in names}


NIGHT = task("night", "rrule: FREQ=DAILY;BYHOUR=2;BYMINUTE=30, timezone: Europe/Rome")


def test_a_run_is_an_event_in_utc_with_what_is_known_of_it() -> None:
    file = written(NIGHT)

    (event,) = events(file)
    assert (file.events, file.cut_at) == (1, None)
    assert values(event) == {
        "summary": "night",
        # 02:30 does not exist that day.
        "dtstart": datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        "dtstamp": BEGIN,
        "duration": timedelta(minutes=10),
        "description": "every day at 02:30, Europe/Rome\n02:30 does not exist that day",
        "transp": "TRANSPARENT",
    }


def test_runs_come_in_order_and_the_period_ends_before_its_last_instant() -> None:
    file = written(
        task("b", "every: 12h"), task("a", "every: 12h"), begin=datetime(2026, 1, 5, tzinfo=UTC)
    )

    found = [(str(event["summary"]), event.start) for event in events(file)]
    midnight, noon = (datetime(2026, 1, 5, hour, tzinfo=UTC) for hour in (0, 12))
    assert found == [("a", midnight), ("b", midnight), ("a", noon), ("b", noon)]


def test_the_same_specs_and_period_give_the_same_bytes() -> None:
    documents = [NIGHT, task("often", "every: 5m, jitter: 90s")]

    assert written(*documents).content == written(*documents).content


def test_a_run_keeps_its_uid_whatever_the_period_and_whoever_else_runs() -> None:
    def uid(*documents: str, **arguments: Any) -> str:
        found = events(written(*documents, **arguments))
        return next(str(event["uid"]) for event in found if event["summary"] == "night")

    alone = uid(NIGHT)
    assert alone == uid(
        task("early", "every: 1h"), NIGHT, days=9, begin=BEGIN - timedelta(hours=9)
    )
    assert alone != uid(NIGHT, project="other")
    assert alone != uid(NIGHT, begin=BEGIN + timedelta(days=1))


def test_every_run_has_a_uid_of_its_own() -> None:
    found = events(written(task("one", "every: 1h"), task("two", "every: 1h")))

    assert len(found) == 46
    assert len({str(event["uid"]) for event in found}) == 46


def test_a_timeout_bounds_how_long_an_event_is() -> None:
    (event,) = events(written(NIGHT + "timeout: 2m"))

    assert event.duration == timedelta(minutes=2)


def test_a_period_that_begins_within_a_second_is_stamped_with_the_second() -> None:
    (event,) = events(written(NIGHT, begin=BEGIN + timedelta(microseconds=5)))

    assert event.decoded("dtstamp") == BEGIN


def test_text_with_commas_and_letters_of_all_scripts_survives() -> None:
    zone = "rrule: 'FREQ=WEEKLY;BYDAY=MO,SU', timezone: Europe/Rome"
    found = events(written(task("x", zone)))

    assert [str(event["description"]) for event in found] == [
        "Mondays and Sundays at 00:00, Europe/Rome"
    ]


def test_too_many_runs_are_cut_where_the_file_says() -> None:
    file = written(task("often", "every: 1m"), most=60)

    assert (file.events, file.cut_at) == (60, datetime(2026, 3, 29, 0, tzinfo=UTC))
    assert len(events(file)) == 60
    assert written(task("often", "every: 1h"), most=23).cut_at is None
