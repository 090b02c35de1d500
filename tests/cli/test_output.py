"""What people read: aligned, short, in their zone, coloured only where that helps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import click
import pytest

from runtime.cli.output import (
    brief_time,
    colour_state,
    dim,
    echo,
    fields,
    local_time,
    relative_time,
    short_id,
    shorten,
    table,
    zone_of,
)
from runtime.core.harmless import harmless
from runtime.core.spans import exact_span, rough_span

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    text = table(("A", "LONG"), [("wide cell", "x"), ("y", "z")])

    assert click.unstyle(text) == "A          LONG\nwide cell  x\ny          z"


def test_what_a_stranger_says_passes_for_no_line_of_ours() -> None:
    text = table(("TASK", "WHY"), [("a", "moving\r\nb  house"), ("c", "")])

    assert click.unstyle(text).splitlines() == ["TASK  WHY", "a     moving b  house", "c"]
    assert click.unstyle(fields([("by", "ada"), ("reason", "x\nby  eve")])).splitlines() == [
        "by      ada",
        "reason  x",
        "        by  eve",
    ]


def test_colours_do_not_count_for_the_width() -> None:
    text = table(("STATE", "N"), [(colour_state("ok"), "1"), ("succeeded", "2")])

    assert click.unstyle(text) == "STATE      N\nok         1\nsucceeded  2"


def test_wide_characters_count_twice() -> None:
    text = table(("NAME", "N"), [("日本", "1"), ("abcdef", "2")])

    assert click.unstyle(text).splitlines()[1:] == ["日本    1", "abcdef  2"]


def test_on_a_terminal_long_values_go_on_below_their_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = [("name", f"{colour_state('ok')}  " + "word " * 20), ("b", "x" * 90)]
    whole = fields(pairs)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")

    lines = click.unstyle(fields(pairs)).splitlines()

    assert whole.count("\n") == 1
    assert lines[0] == "name  ok  " + " ".join(["word"] * 14)
    assert lines[1:] == ["      " + " ".join(["word"] * 6), "b     " + "x" * 90]


def test_a_table_that_is_no_terminal_is_never_cut() -> None:
    text = table(("NAME", "N"), [("x" * 200, "1")], flexible=0)

    assert "x" * 200 in text


def test_on_a_terminal_the_flexible_column_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")

    text = table(("NAME", "N"), [("x" * 200, "12345")], flexible=0)

    lines = click.unstyle(text).splitlines()
    assert lines[1] == "x" * 72 + "…  12345"
    assert max(len(line) for line in lines) == 80


def test_the_flexible_column_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "10")

    text = table(("NAME", "N"), [("abcdefgh", "y" * 100)], flexible=0)

    assert click.unstyle(text).splitlines() == ["NAME  N", f"abc…  {'y' * 100}"]


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("short", 5, "short"), ("longer", 5, "long…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")],
)
def test_text_is_shortened_to_columns(text: str, width: int, expected: str) -> None:
    assert shorten(text, width) == expected


def test_names_and_values_are_aligned() -> None:
    assert click.unstyle(fields([("a", "1"), ("long", "2")])) == "a     1\nlong  2"


def test_no_color_takes_colours_away_and_an_empty_one_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Colours are wanted wherever this says that stdout is a terminal.
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda _stream, color: color is False)
    for value in ("1", ""):
        monkeypatch.setenv("NO_COLOR", value)
        echo(colour_state("failed"))

    assert capsys.readouterr().out == "failed\n\x1b[31mfailed\x1b[0m\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Europe/Chisinau", "Mon 2026-01-05 14:00 +02:00"),
        ("America/New_York", "Mon 2026-01-05 07:00 -05:00"),
        ("Asia/Kolkata", "Mon 2026-01-05 17:30 +05:30"),
        (None, "Mon 2026-01-05 12:00 +00:00"),
        ("Mars/Base", "Mon 2026-01-05 12:00 +00:00"),
    ],
)
def test_times_are_shown_in_the_zone_with_its_offset(name: str | None, expected: str) -> None:
    assert local_time(NOON, zone_of(name)) == expected


def test_seconds_are_shown_only_where_there_are_any() -> None:
    assert local_time(NOON + timedelta(seconds=5), UTC) == "Mon 2026-01-05 12:00:05 +00:00"


def test_a_table_leaves_out_the_year_unless_it_is_another() -> None:
    assert brief_time(NOON, UTC, NOON + timedelta(days=300)) == "Mon 05 Jan 12:00 +00:00"
    assert brief_time(NOON, UTC, NOON + timedelta(days=400)) == "05 Jan 2026 12:00 +00:00"


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (timedelta(), "now"),
        (timedelta(milliseconds=-900), "now"),
        (timedelta(seconds=5), "in 5 s"),
        (timedelta(minutes=-3, seconds=-5), "3 min 5 s ago"),
        (timedelta(hours=26), "in 1 d 2 h"),
        (timedelta(days=3), "in 3 d"),
        (timedelta(days=1, seconds=30), "in 1 d"),
    ],
)
def test_distances_name_the_two_largest_units(distance: timedelta, expected: str) -> None:
    assert relative_time(NOON + distance, NOON) == expected


def test_a_distance_may_be_told_in_one_unit() -> None:
    assert relative_time(NOON + timedelta(hours=26), NOON, units=1) == "in 1 d"
    assert rough_span(timedelta(milliseconds=3)) == "0 s"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 ms"), (0.0124, "12 ms"), (3.4, "3.40 s"), (59.999, "60.00 s"), (125, "2 min 5 s")],
)
def test_durations_are_as_exact_as_they_are_short(seconds: float, expected: str) -> None:
    assert exact_span(seconds) == expected


def test_a_short_id_is_the_end_of_a_run_id() -> None:
    assert short_id(UUID("01a1fc87-64b0-8e1b-b472-2cbcc5a6b66d")) == "c5a6b66d"


def test_what_a_terminal_would_obey_is_shown_and_colours_stay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    echo("a\x1b[2J\r\x9b8m\u202eb\x1b[8mc\nd\te")

    assert capsys.readouterr().out == "a\\u001b[2J\\u000d\\u009b8m\\u202eb\\u001b[8mc\nd\te\n"
    assert harmless(f"{click.style('é👍', fg='green', bold=True)}{dim('x')}") == (
        f"{click.style('é👍', fg='green', bold=True)}{dim('x')}"
    )
