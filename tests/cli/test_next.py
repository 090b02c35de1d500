"""`ordinaut next` shows when tasks will fire, from the specs alone."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from schemas.upcoming import UpcomingList
from tests.support.cli import Cli

PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: demo\n"


def task(name: str, schedule: str) -> str:
    return dedent(
        f"""\
        apiVersion: ordinaut/v1
        kind: Task
        name: {name}
        schedule: {schedule}
        pipeline: [{{id: look, uses: llm.plan, with: {{a: b}}}}]
        """
    )


@pytest.fixture
def specs(folder: Path) -> Path:
    """Two tasks in one file each, and one that nobody's clock drives."""
    specs = folder / "specs"
    specs.mkdir()
    (specs / "ordinaut.yaml").write_text(PROJECT)
    (specs / "night.yaml").write_text(task("night", "{cron: '30 2 * * *', timezone: Europe/Rome}"))
    (specs / "noon.yaml").write_text(task("noon", "{cron: '0 12 * * *', timezone: Asia/Kolkata}"))
    (specs / "manual.yaml").write_text(task("manual", "{manual: true}"))
    return specs


def found(cli: Cli, *arguments: str) -> list[tuple[str, str]]:
    answer = cli("next", *arguments, "--json")
    assert answer.status == 0, answer.stderr
    upcoming = UpcomingList.model_validate(answer.json)
    return [(item.task, item.at.isoformat()) for item in upcoming.occurrences]


def test_all_tasks_come_in_the_order_of_time_each_in_its_zone(alone: Cli, specs: Path) -> None:
    assert found(alone, "--from", "2026-01-05", "-n", "4") == [
        ("night", "2026-01-05T02:30:00+01:00"),
        ("noon", "2026-01-05T12:00:00+05:30"),
        ("night", "2026-01-06T02:30:00+01:00"),
        ("noon", "2026-01-06T12:00:00+05:30"),
    ]


@pytest.fixture
def holiday(specs: Path) -> None:
    """Another task, which moves what a calendar excludes."""
    (specs / "calendar.yaml").write_text(
        "apiVersion: ordinaut/v1\nkind: Calendar\nname: holidays\ntimezone: UTC\n"
        "dates: [2026-01-06, 2026-01-07]\n"
    )
    schedule = (
        "cron: '0 9 6,8 * *', timezone: UTC, exclude: [holidays], on_excluded: next_included"
    )
    (specs / "moved.yaml").write_text(task("moved", f"{{{schedule}}}"))


def test_what_a_calendar_excludes_is_not_shown_and_what_it_moves_is(
    alone: Cli, specs: Path, holiday: None
) -> None:
    assert found(alone, "moved", "--from", "2026-01-05", "-n", "2") == [
        ("moved", "2026-01-08T09:00:00+00:00"),
        ("moved", "2026-02-06T09:00:00+00:00"),
    ]


def test_what_a_calendar_excludes_is_shown_when_asked_for(
    alone: Cli, specs: Path, holiday: None
) -> None:
    answer = alone("next", "moved", "--all", "--from", "2026-01-05", "-n", "1")
    as_json = alone("next", "moved", "--all", "--from", "2026-01-05", "-n", "1", "--json")

    assert "excluded by holidays, moves to Thu 2026-01-08 09:00" in answer.stdout
    (shown,) = UpcomingList.model_validate(as_json.json).occurrences
    assert (shown.excluded_by, shown.moved_from) == ("holidays", None)
    assert shown.moved_to is not None
    assert shown.moved_to.isoformat() == "2026-01-08T09:00:00+00:00"


def test_a_task_a_file_or_a_folder_can_be_named(alone: Cli, specs: Path) -> None:
    start = ("--from", "2026-01-05", "-n", "1")
    night = [("night", "2026-01-05T02:30:00+01:00")]

    assert found(alone, "night", *start) == night
    assert found(alone, "specs/night.yaml", *start) == night
    assert found(alone, "specs/noon.yaml", *start) == [("noon", "2026-01-05T12:00:00+05:30")]
    assert found(alone, "specs", *start) == night
    assert found(alone, "--specs", str(specs), *start) == night


def test_times_can_be_shown_in_one_zone(alone: Cli, specs: Path) -> None:
    shown = found(alone, "--from", "2026-01-05", "-n", "2", "--tz", "America/New_York")

    assert shown == [
        ("noon", "2026-01-05T01:30:00-05:00"),
        ("night", "2026-01-05T20:30:00-05:00"),
    ]


def test_a_start_without_an_offset_is_in_the_zone_asked_for_or_utc(
    alone: Cli, specs: Path
) -> None:
    in_utc = found(alone, "noon", "--from", "2026-01-05T06:30", "-n", "1")
    in_zone = found(alone, "noon", "--from", "2026-01-05T11:59", "--tz", "Asia/Kolkata", "-n", "1")
    with_offset = found(alone, "noon", "--from", "2026-01-05T06:29:59Z", "-n", "1")

    # 12:00 in Kolkata is 06:30 UTC.
    assert in_utc == in_zone == with_offset == [("noon", "2026-01-05T12:00:00+05:30")]


def test_an_occurrence_at_the_start_is_shown_and_one_before_it_is_not(
    alone: Cli, specs: Path
) -> None:
    rule = "{rrule: 'FREQ=DAILY;COUNT=2', start: 2026-01-05T12:00:00, timezone: Asia/Kolkata}"
    (specs / "noon.yaml").write_text(task("noon", rule))
    first, second = (("noon", f"2026-01-0{day}T12:00:00+05:30") for day in (5, 6))

    assert found(alone, "noon", "--from", "2026-01-05T12:00+05:30") == [first, second]
    assert found(alone, "noon", "--from", "2026-01-05T12:00:00.000001+05:30") == [second]
    assert found(alone, "noon", "--from", "2026-01-06T12:00+05:30") == [second]
    assert found(alone, "noon", "--from", "2026-01-06T12:00:01+05:30") == []
    assert found(alone, "noon", "--from", "0001-01-01") == [first, second]


def test_what_was_over_long_ago_is_shown_when_asked_from_then(alone: Cli, specs: Path) -> None:
    rule = "{rrule: 'FREQ=YEARLY;COUNT=2', start: 1830-03-01T12:00, timezone: UTC}"
    (specs / "noon.yaml").write_text(task("noon", rule))

    assert found(alone, "noon", "--from", "1800-01-01") == [
        ("noon", "1830-03-01T12:00:00+00:00"),
        ("noon", "1831-03-01T12:00:00+00:00"),
    ]


def test_simulate_counts_from_the_same_start(alone: Cli, specs: Path) -> None:
    start = ("noon", "--from", "2026-01-05T12:00+05:30")

    simulated = alone("simulate", *start, "--days", "1", "--json").json

    assert found(alone, *start, "-n", "1") == [("noon", "2026-01-05T12:00:00+05:30")]
    assert simulated["tasks"][0]["runs"] == 1


def test_an_offset_with_seconds_is_shown_as_utc_since_no_time_stamp_can_hold_it(
    alone: Cli, specs: Path
) -> None:
    rule = "{rrule: 'FREQ=DAILY;COUNT=1', start: 1960-01-01T12:00, timezone: Africa/Monrovia}"
    (specs / "noon.yaml").write_text(task("noon", rule))

    # Until 1972, clocks in Monrovia were 44 minutes and 30 seconds behind UTC.
    answer = alone("next", "noon", "--from", "1960-01-01", "--json")

    assert answer.json["occurrences"][0]["at"] == "1960-01-01T12:44:30Z"


def test_what_the_clocks_do_is_marked(alone: Cli, specs: Path) -> None:
    spring = alone("next", "night", "--from", "2026-03-28T12:00", "-n", "1").stdout
    autumn = alone("next", "night", "--from", "2026-10-24T12:00", "-n", "1").stdout
    usual = alone("next", "night", "--from", "2026-06-01", "-n", "1").stdout

    assert "02:30 does not exist that day" in spring
    assert "Sun 2026-03-29" in spring
    assert "02:30 happens twice: the first" in autumn
    assert "Sun 2026-10-25 02:30 +02:00" in autumn
    assert usual.splitlines()[1].endswith("night")


def test_both_of_a_repeated_time_are_marked(alone: Cli, specs: Path) -> None:
    schedule = "{rrule: 'FREQ=DAILY;BYHOUR=2;BYMINUTE=30', timezone: Europe/Rome, dst_fold: both}"
    (specs / "night.yaml").write_text(task("night", schedule))

    lines = alone("next", "night", "--from", "2026-10-24T12:00", "-n", "2").lines

    assert lines[1].endswith("02:30 happens twice: the first")
    assert lines[2].endswith("02:30 happens twice: the second")


def test_jitter_is_shown_and_is_always_the_same(alone: Cli, specs: Path) -> None:
    (specs / "noon.yaml").write_text(task("noon", "{every: 1h, jitter: 10m}"))

    one, other = (alone("next", "noon", "--from", "2026-01-05", "-n", "3").stdout for _ in "ab")

    assert one == other
    assert one.count("begins ") == 3


def test_tasks_that_time_does_not_drive_are_named_aside(alone: Cli, specs: Path) -> None:
    (specs / "noon.yaml").write_text(task("noon", "{at: '2020-01-01T00:00Z'}"))
    asked = "{condition: {uses: llm.plan, every: 1m, when: result.text}}"
    (specs / "watch.yaml").write_text(task("watch", asked))

    answer = alone("next", "-n", "1")

    assert answer.stderr == "not driven by time, or never again: manual, noon, watch\n"
    assert "night" in answer.stdout
    assert alone("next", "manual").stdout == ""


def test_without_a_start_it_is_now_and_distances_are_told(alone: Cli, specs: Path) -> None:
    (specs / "noon.yaml").write_text(task("noon", "{every: 1m}"))

    assert " in " in alone("next", "noon", "-n", "1").lines[1] or "now" in alone("next").stdout
    assert " in " not in alone("next", "noon", "--from", "2026-01-05").stdout


def test_an_unknown_task_is_answered_with_the_nearest(alone: Cli, specs: Path) -> None:
    answer = alone("next", "nigt")

    assert (answer.status, answer.stdout) == (1, "")
    assert "error ORD310: there is no task nigt in these specs, and no such file" in answer.stderr
    assert "did you mean `night`?" in answer.stderr


def test_broken_specs_are_shown_with_their_place(alone: Cli, specs: Path) -> None:
    (specs / "noon.yaml").write_text(task("noon", "{cron: nonsense, timezone: UTC}"))

    answer = alone("next")

    assert (answer.status, answer.stdout) == (1, "")
    assert "specs/noon.yaml:4:" in answer.stderr
    assert "error ORD201: the specs hold 1 error" in answer.stderr


def test_a_broken_neighbour_does_not_matter_to_one_file(alone: Cli, specs: Path) -> None:
    (specs / "noon.yaml").write_text("a: [")

    assert found(alone, "specs/night.yaml", "--from", "2026-01-05", "-n", "1")
    assert alone("next", "specs/noon.yaml").status == 1


@pytest.mark.parametrize(
    "rule",
    [
        "'RRULE:FREQ=DAILY;BYHOUR=8;BYMINUTE=30'",
        "'rrule:freq=daily;byhour=8;byminute=30'",
        "'RRULE: FREQ=DAILY;BYHOUR=8;BYMINUTE=30;'",
        '"FREQ=DAILY;BYHOUR=8;BYMINUTE=30\\n"',
        "[FREQ=DAILY;BYHOUR=8;BYMINUTE=30]",
    ],
)
def test_rules_as_other_programs_write_them_are_understood(
    alone: Cli, specs: Path, rule: str
) -> None:
    (specs / "noon.yaml").write_text(task("noon", f"{{rrule: {rule}, timezone: Europe/Rome}}"))

    assert found(alone, "noon", "--from", "2026-01-05", "-n", "1") == [
        ("noon", "2026-01-05T08:30:00+01:00")
    ]


def test_a_pasted_block_of_lines_is_refused_with_the_fields_to_write(
    alone: Cli, specs: Path
) -> None:
    lines = (
        '"DTSTART;TZID=America/New_York:19970902T090000\\n'
        'RRULE:FREQ=DAILY;COUNT=4\\nEXDATE;TZID=America/New_York:19970903T090000"'
    )
    (specs / "noon.yaml").write_text(task("noon", f"{{rrule: {lines}, timezone: UTC}}"))

    refused = alone("next", "specs/noon.yaml")

    assert refused.status == 1
    assert "error ORD601: DTSTART is not part of a rule" in refused.stderr
    # What it says works as it stands.
    names = ("rrule:", "timezone:", "start:", "exdate:")
    told = [line.strip() for line in refused.stderr.splitlines() if line.strip().startswith(names)]
    schedule = "".join(f"\n  {field}" for field in told)
    (specs / "noon.yaml").write_text(task("noon", "SCHEDULE").replace("SCHEDULE", schedule))
    assert found(alone, "noon", "--from", "1997-09-01", "-n", "9") == [
        ("noon", "1997-09-02T09:00:00-04:00"),
        ("noon", "1997-09-04T09:00:00-04:00"),
        ("noon", "1997-09-05T09:00:00-04:00"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "soon"), "'soon' is not ISO 8601"),
        (("--tz", "Europe/Chisinow"), "error ORD604: unknown time zone 'Europe/Chisinow'"),
        (("--specs", "nowhere"), "error ORD310: there is no folder nowhere"),
        (("-n", "0"), "0 is not in the range"),
    ],
)
def test_bad_arguments_are_refused(
    alone: Cli, specs: Path, arguments: tuple[str, ...], message: str
) -> None:
    answer = alone("next", *arguments)

    assert (answer.status, answer.stdout) == (1, "")
    assert message in answer.stderr
