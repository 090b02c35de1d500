"""`ordinaut simulate` plays the specs through the coming days, from the specs alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from schemas.simulation import Simulation
from tests.support.cli import Cli

HEAD = "apiVersion: ordinaut/v1\n"
PROJECT = f"{HEAD}kind: Project\nname: home\ndefaults: {{timezone: Europe/Rome}}\n"
AGENT = f"""\
{HEAD}kind: Agent
name: bot
scopes: ["*"]
budgets: [{{per: day, runs: 2, tokens: 5000}}]
rate_limits: [{{tools: "llm.*", calls: 1, per: 1h}}]
"""


def task(name: str, schedule: str, more: str = "") -> str:
    return (
        f"{HEAD}kind: Task\nname: {name}\nschedule: {schedule}\n"
        f"pipeline: [{{id: look, uses: llm.plan, with: {{a: b}}}}]\n{more}"
    )


@pytest.fixture
def specs(folder: Path) -> Path:
    """A folder with tasks in one file each."""
    specs = folder / "specs"
    specs.mkdir()
    (specs / "ordinaut.yaml").write_text(PROJECT)
    (specs / "bot.yaml").write_text(AGENT)
    slots = "agent: bot\nconcurrency: {key: crm, limit: 1}\n"
    (specs / "noon.yaml").write_text(task("noon", "{cron: '0 12 * * *'}", slots))
    (specs / "desk.yaml").write_text(task("desk", "{cron: '0,30 12 * * *'}", slots))
    (specs / "manual.yaml").write_text(task("manual", "{manual: true}"))
    return specs


def found(cli: Cli, *arguments: str) -> Simulation:
    answer = cli("simulate", *arguments, "--json")
    assert answer.status == 0, answer.stderr
    return Simulation.model_validate(answer.json)


def test_a_simulation_reads_from_the_top(alone: Cli, specs: Path) -> None:
    answer = alone("simulate", "--from", "2026-03-28", "--days", "3", "--herd", "2")

    assert answer.stdout == dedent(
        """\
        home: 9 runs
        from Sat 28 Mar 2026 00:00 to Tue 31 Mar 2026 00:00, all times in Europe/Rome
        assumed: a run takes 1m, or its task's timeout where that is shorter

        TASK  RUNS  A DAY  FIRST             LAST
        desk  6     2      Sat 28 Mar 12:00  Mon 30 Mar 12:30
          every day at 12:00 and 12:30, Europe/Rome
        noon  3     1      Sat 28 Mar 12:00  Mon 30 Mar 12:00
          every day at 12:00, Europe/Rome
        not driven by time, or not in this period: manual

        Overlaps, if runs take as long as assumed
          noon  meets desk (key crm, limit 1)  3 times  first Sat 28 Mar 12:00  waits for a slot

        3 herds: 2 runs or more in a minute
          at 12:00  up to 2 runs  3 times  fullest Sat 28 Mar  desk, noon
          jitter, such as `jitter: 5m` in a schedule, spreads runs; it is missing in:
            desk, noon

        Agents, by the tasks above
          bot  3 runs a day  at most 3 (Sat 28 Mar)  allowed 2
            warning: more than the 2 runs a day of its budget on 3 days
            warning: more than 1 call of llm.* per 1h: up to 3, first Sat 28 Mar 12:00
            its tokens cannot be known before a run

        Runs by hour, Europe/Rome
                    0     3     6     9     12    15    18    21
        Sat 28 Mar  · · · · · · · · · · · · ██· · · · · · · · · · ·   3
        Sun 29 Mar  · · · · · · · · · · · · ██· · · · · · · · · · ·   3
        Mon 30 Mar  · · · · · · · · · · · · ██· · · · · · · · · · ·   3
        from ▁ for 1 to █ for 3 runs in an hour
        """
    )


def test_a_terminal_without_blocks_gets_digits(
    alone: Cli, specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.cli.showing._can_say", lambda text: False)

    lines = alone("simulate", "--from", "2026-03-28", "--days", "1").lines

    assert lines[-2:] == [
        "Sat 28 Mar  . . . . . . . . . . . . 3 . . . . . . . . . . .   3",
        "digits are runs in an hour",
    ]
    assert "".join(lines).isascii()


def test_many_days_are_told_by_the_day_of_the_week(alone: Cli, specs: Path) -> None:
    weekly = task("noon", "{cron: '0 8 * * 1,5'}")
    (specs / "noon.yaml").write_text(weekly)

    lines = alone("simulate", "noon", "--from", "2026-01-05", "--days", "70").lines

    assert [line.split()[0] for line in lines[-8:-1]] == [
        "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"
    ]  # fmt: skip
    assert lines[-8] == "Mon  · · · · · · · · ██· · · · · · · · · · · · · · ·   10"
    assert lines[-1] == "from ▁ for 1 to █ for 10 runs in an hour, all such days together"


def test_every_line_fits_in_eighty_columns_but_names_of_tasks(alone: Cli, specs: Path) -> None:
    often = task("often", "{every: 1s}")
    (specs / "often.yaml").write_text(often)

    lines = alone("simulate", "often", "--from", "2026-01-05").lines
    start = lines.index("Runs by hour, Europe/Rome")

    assert max(map(len, lines[start:])) <= 80
    assert "counted up to Tue 6 Jan 03:46; beyond, an estimate at the same pace" in "".join(lines)
    assert "often  ~2592000  ~86400  Mon 5 Jan 00:00" in lines


def test_nothing_to_simulate_is_no_error(alone: Cli, specs: Path) -> None:
    answer = alone("simulate", "manual", "--from", "2026-01-05", "--days", "1")

    assert answer.lines == [
        "home: 0 runs",
        "from Mon 5 Jan 2026 00:00 to Tue 6 Jan 2026 00:00, all times in Europe/Rome",
        "assumed: a run takes 1m, or its task's timeout where that is shorter",
        "",
        "not driven by time, or not in this period: manual",
    ]


def test_a_task_a_file_or_a_folder_can_be_named(alone: Cli, specs: Path) -> None:
    def tasks(*arguments: str) -> list[str]:
        return [one.task for one in found(alone, *arguments, "--from", "2026-01-05").tasks]

    assert tasks("noon") == tasks("specs/noon.yaml") == ["noon"]
    assert tasks("specs") == tasks("--specs", str(specs)) == ["desk", "noon"]


def test_the_zone_is_the_one_asked_for_else_the_projects_else_utc(alone: Cli, specs: Path) -> None:
    assert found(alone).timezone == "Europe/Rome"
    assert found(alone, "--tz", "Asia/Tokyo").timezone == "Asia/Tokyo"

    (specs / "ordinaut.yaml").write_text(f"{HEAD}kind: Project\nname: home\n")
    for name in ("noon", "desk"):
        (specs / f"{name}.yaml").write_text(task(name, "{every: 1h}", "agent: bot\n"))
    assert found(alone).timezone == "UTC"


def test_the_period_begins_now_unless_told_otherwise(alone: Cli, specs: Path) -> None:
    now = found(alone)
    later = found(alone, "--from", "2026-03-28", "--days", "2")

    assert now.ends_at.date() - now.begins_at.date() == timedelta(days=30)
    assert later.begins_at.isoformat() == "2026-03-28T00:00:00+01:00"
    assert later.ends_at.isoformat() == "2026-03-30T00:00:00+02:00"


def test_the_assumed_duration_can_be_chosen(alone: Cli, specs: Path) -> None:
    short = found(alone, "--from", "2026-01-05", "--duration", "1m")
    long = found(alone, "--from", "2026-01-05", "--duration", "31m")

    assert [(one.task, one.other) for one in short.overlaps] == [("noon", "desk")]
    assert [(one.task, one.other) for one in long.overlaps] == [("desk", "desk"), ("noon", "desk")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--duration", "5"), "'5' has no unit; seconds would be 5s"),
        (("--duration", "0s"), "1ms is the least"),
        (("--days", "0"), "0 is not in the range"),
        (("--herd", "1"), "1 is not in the range"),
        (("--from", "soon"), "'soon' is not ISO 8601"),
        (("--from", "9999-12-20"), "reaches over the end of the calendar"),
        (("--tz", "Europe/Chisinow"), "error ORD604: unknown time zone 'Europe/Chisinow'"),
        (("nono",), "error ORD310: there is no task nono in these specs, and no such file"),
    ],
)
def test_bad_arguments_are_refused(
    alone: Cli, specs: Path, arguments: tuple[str, ...], message: str
) -> None:
    answer = alone("simulate", *arguments)

    assert (answer.status, answer.stdout) == (1, "")
    assert message in answer.stderr


ICS = ("simulate", "noon", "--from", "2026-01-05", "--days", "2", "--ics")


def test_the_runs_can_be_written_for_a_calendar_application(alone: Cli, specs: Path) -> None:
    answer = alone(*ICS, "runs.ics")

    assert (answer.status, answer.stderr) == (0, "runs.ics holds 2 runs\n")
    assert answer.stdout.startswith("home: 2 runs\n")
    content = Path("runs.ics").read_bytes()
    assert content.startswith(b"BEGIN:VCALENDAR\r\n")
    assert content.count(b"\r\nDTSTART:20260105T110000Z\r\n") == 1
    assert content.count(b"\r\nDTSTAMP:20260104T230000Z\r\n") == 2


def test_a_file_of_runs_is_written_anew_and_the_same(alone: Cli, specs: Path) -> None:
    alone(*ICS, "runs.ics")
    content = Path("runs.ics").read_bytes()
    Path("runs.ics").write_bytes(b"begin:vcalendar\r\n")
    Path("link.ics").symlink_to("runs.ics")

    assert alone(*ICS, "link.ics").status == 0

    assert Path("link.ics").is_symlink()
    assert Path("runs.ics").read_bytes() == content
    assert {path.name for path in Path().iterdir()} == {"specs", "runs.ics", "link.ics"}


def test_too_many_runs_for_a_calendar_are_told(alone: Cli, specs: Path) -> None:
    (specs / "noon.yaml").write_text(task("noon", "{every: 1s}"))

    answer = alone(*ICS, "runs.ics")

    assert answer.status == 0
    assert answer.stderr == (
        "runs.ics holds 20,000 runs: all before Mon 2026-01-05 05:33:20 +01:00;"
        " fewer --days, or one task, give the rest\n"
    )


def test_nothing_but_a_calendar_file_is_overwritten(alone: Cli, specs: Path) -> None:
    answer = alone(*ICS, "specs/noon.yaml")

    assert (answer.status, answer.stdout) == (1, "")
    assert "specs/noon.yaml is there already and is no iCalendar file" in answer.stderr
    assert (specs / "noon.yaml").read_text().startswith(HEAD)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("specs", "is a directory"),
        ("nowhere/runs.ics", "No such file or directory"),
        ("/dev/null", "/dev/null is not a file"),
    ],
)
def test_what_cannot_be_written_is_told(alone: Cli, specs: Path, path: str, message: str) -> None:
    answer = alone(*ICS, path)

    assert (answer.status, answer.stdout) == (1, "")
    assert message in answer.stderr
