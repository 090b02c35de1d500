"""Zones: their data, their changes of offset, and the two directions between wall time and instant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.core.recurrence.zone import epoch_seconds, from_epoch, load_zone, zone_names
from runtime.core.zonedata import tzdata_version
from tests.core.recurrence import oracle
from tests.core.recurrence.strategies import CHANGES


def test_the_data_is_the_declared_distribution_and_says_its_version() -> None:
    assert re.fullmatch(r"20\d\d[a-z]", tzdata_version())
    assert tzdata_version() >= "2026b"
    # Since 2022 Moldova changes with the European Union; databases of 2025 still have it an hour earlier.
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    zone = load_zone("Europe/Chisinau")
    assert zone.offset(change - timedelta(seconds=1)) == timedelta(hours=2)
    assert zone.offset(change) == timedelta(hours=3)


def test_every_name_of_the_database_can_be_loaded() -> None:
    names = zone_names()

    assert {"UTC", "Europe/Chisinau", "America/Argentina/Buenos_Aires"} <= names
    assert all(load_zone(name).name == name for name in names)


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_spans_end_exactly_where_the_offset_changes(name: str) -> None:
    zone, tz = load_zone(name), oracle.zone_of(name)
    begin, stop = datetime(1980, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
    at, ends = epoch_seconds(begin), []
    while at < epoch_seconds(stop):
        offset, end = zone.span(at)
        assert from_epoch(at).astimezone(tz).utcoffset() == timedelta(seconds=offset)
        assert from_epoch(end - 1).astimezone(tz).utcoffset() == timedelta(seconds=offset)
        ends.append(end)
        at = end

    changes = []
    hour, before = begin, begin.astimezone(tz).utcoffset()
    while hour < stop:
        hour += timedelta(hours=6)
        after = hour.astimezone(tz).utcoffset()
        if after != before:
            changes.append(hour)
        before = after
    assert len(changes) >= len(CHANGES[name]) - (name == "UTC")
    for change in changes:
        assert any(timedelta(0) <= change - from_epoch(end) < timedelta(hours=6) for end in ends)


WALLS = st.datetimes(datetime(1975, 1, 1), datetime(2050, 1, 1)).map(
    lambda wall: wall.replace(microsecond=0)
)


@st.composite
def walls_near_a_change(draw: st.DrawFn) -> tuple[str, datetime]:
    name = draw(st.sampled_from(sorted(CHANGES)))
    change = datetime.fromisoformat(draw(st.sampled_from(CHANGES[name])))
    return name, change + timedelta(minutes=draw(st.integers(-1800, 1800)))


@settings(max_examples=200, deadline=None)
@given(st.one_of(walls_near_a_change(), st.tuples(st.sampled_from(sorted(CHANGES)), WALLS)))
def test_a_wall_time_stands_for_the_instants_at_which_the_wall_shows_it(
    case: tuple[str, datetime],
) -> None:
    name, wall = case
    zone, tz = load_zone(name), oracle.zone_of(name)

    for gap in ("shift", "skip"):
        for fold in ("first", "second", "both"):
            found = zone.resolve(wall, gap, fold)
            assert [one.at for one in found] == oracle.readings(wall, tz, gap, fold)
            assert all(one.at.astimezone(tz).utcoffset() == one.utc_offset for one in found)


@settings(max_examples=200, deadline=None)
@given(walls_near_a_change(), st.integers(-3000, 3000))
def test_no_wall_time_outside_the_bounds_stands_for_an_instant_inside(
    case: tuple[str, datetime], minutes: int
) -> None:
    name, wall = case
    zone = load_zone(name)
    instant = wall.replace(tzinfo=UTC) + timedelta(minutes=minutes)

    for found in zone.resolve(wall, "shift", "both"):
        if wall < zone.earliest_wall(instant):
            assert found.at < instant
        if wall > zone.latest_wall(instant):
            assert found.at > instant
        assert found.at <= zone.latest_instant(wall)


@settings(max_examples=100, deadline=None)
@given(walls_near_a_change())
def test_reading_an_instant_gives_back_what_it_was_resolved_from(
    case: tuple[str, datetime],
) -> None:
    name, wall = case
    zone = load_zone(name)

    for found in zone.resolve(wall, "skip", "both"):
        assert zone.read(found.at) == found
