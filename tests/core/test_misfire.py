from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from runtime.core.misfire import BATCH, CatchUpPolicy, CatchUpRule, decide
from runtime.core.recurrence import Occurrence

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Hourly:
    """An occurrence every hour, for as long as `until` says, some of them excluded."""

    def __init__(
        self,
        until: datetime | None = None,
        jitter: timedelta = timedelta(0),
        excluded: Collection[datetime] = (),
    ) -> None:
        self._until = until
        self._jitter = jitter
        self._excluded = excluded

    def following(self, after: datetime) -> Iterator[Occurrence]:
        for number in count((after - START) // HOUR + 1):
            at = START + number * HOUR
            if self._until is not None and at > self._until:
                return
            yield self._occurrence(at)

    def _occurrence(self, at: datetime) -> Occurrence:
        return Occurrence(
            at=at,
            local_at=at.replace(tzinfo=None),
            utc_offset=timedelta(0),
            due_at=at + self._jitter,
            excluded_by="holidays" if at in self._excluded else None,
        )


def rule(
    policy: CatchUpPolicy, window: timedelta = timedelta(hours=24), maximum: int = 100
) -> CatchUpRule:
    return CatchUpRule(policy, window, maximum)


def hours(*numbers: int) -> list[datetime]:
    return [START + n * HOUR for n in numbers]


def fates(policy: CatchUpPolicy, now: datetime, **limits: object) -> dict[datetime, str | None]:
    firing = decide(Hourly(), START, now, rule(policy, **limits))  # type: ignore[arg-type]  # limits are typed by name
    return {decision.occurrence.at: decision.reason for decision in firing.decisions}


def test_an_occurrence_on_time_runs_whatever_the_policy() -> None:
    now = START + HOUR + timedelta(seconds=1)

    assert [fates(policy, now) for policy in ("latest", "all", "skip")] == [
        {START + HOUR: None}
    ] * 3


def test_before_its_due_time_nothing_is_decided() -> None:
    firing = decide(Hourly(), START, START + timedelta(minutes=59), rule("latest"))

    assert (firing.decisions, firing.cursor_for) == ((), START)
    assert firing.upcoming is not None
    assert firing.upcoming.at == START + HOUR


def test_jitter_delays_the_due_time_and_leaves_the_nominal_instant() -> None:
    schedule = Hourly(jitter=timedelta(minutes=5))

    early = decide(schedule, START, START + HOUR + timedelta(minutes=4), rule("latest"))
    due = decide(schedule, START, START + HOUR + timedelta(minutes=5), rule("latest"))

    assert early.decisions == ()
    assert [decision.occurrence.at for decision in due.decisions] == hours(1)


def test_after_downtime_latest_runs_the_last_one_and_records_the_others() -> None:
    first, second, third = hours(1, 2, 3)

    assert fates("latest", START + 3 * HOUR) == {
        first: "catch_up_latest",
        second: "catch_up_latest",
        third: None,
    }


def test_after_downtime_all_runs_the_newest_up_to_its_limit() -> None:
    first, second, third = hours(1, 2, 3)

    assert fates("all", START + 3 * HOUR, maximum=2) == {
        first: "catch_up_max",
        second: None,
        third: None,
    }


def test_after_downtime_skip_runs_only_what_is_on_time() -> None:
    first, second = hours(1, 2)

    assert fates("skip", second + timedelta(seconds=59)) == {first: "catch_up_skip", second: None}
    assert fates("skip", second + timedelta(seconds=61)) == {
        first: "catch_up_skip",
        second: "catch_up_skip",
    }


@pytest.mark.parametrize("policy", ["latest", "all", "skip"])
def test_what_lies_outside_the_window_never_runs(policy: CatchUpPolicy) -> None:
    now = START + 3 * HOUR + timedelta(minutes=30)

    decided = fates(policy, now, window=timedelta(minutes=10))

    assert set(decided.values()) == {"catch_up_window"}


def test_a_schedule_that_ended_has_nothing_upcoming() -> None:
    firing = decide(Hourly(until=START + HOUR), START, START + 5 * HOUR, rule("latest"))

    assert [decision.occurrence.at for decision in firing.decisions] == hours(1)
    assert firing.upcoming is None


def test_a_long_backlog_is_decided_in_batches_and_only_its_last_occurrence_runs() -> None:
    now = START + (BATCH + 5) * HOUR

    first = decide(Hourly(), START, now, rule("latest", window=timedelta(days=365)))
    second = decide(Hourly(), first.cursor_for, now, rule("latest", window=timedelta(days=365)))

    assert len(first.decisions) == BATCH
    assert {decision.reason for decision in first.decisions} == {"catch_up_latest"}
    assert [decision.reason for decision in second.decisions] == ["catch_up_latest"] * 4 + [None]


def test_a_long_backlog_runs_no_more_than_its_limit_over_all_batches() -> None:
    now = START + (2 * BATCH + 3) * HOUR
    limited = rule("all", window=timedelta(days=365), maximum=10)
    decided: list[str | None] = []
    cursor = START

    while (firing := decide(Hourly(), cursor, now, limited)).decisions:
        decided += [decision.reason for decision in firing.decisions]
        cursor = firing.cursor_for

    assert decided == ["catch_up_max"] * (2 * BATCH - 7) + [None] * 10


class TestExcluded:
    """What a calendar excludes is decided like everything else, and takes nobody's place."""

    def test_it_is_skipped_for_that_reason_and_never_the_latest(self) -> None:
        first, second, third = hours(1, 2, 3)
        schedule = Hourly(excluded=[third])

        firing = decide(schedule, START, third, rule("latest"))

        assert {d.occurrence.at: d.reason for d in firing.decisions} == {
            first: "catch_up_latest",
            second: None,
            third: "calendar",
        }

    def test_it_does_not_count_against_the_limit_in_later_batches_either(self) -> None:
        instants = hours(*range(1, 7))
        schedule = Hourly(excluded=instants[3:5])
        reasons: list[str | None] = []
        cursor = START

        while (
            firing := decide(schedule, cursor, instants[-1], rule("all", maximum=3), batch=2)
        ).decisions:
            reasons += [decision.reason for decision in firing.decisions]
            cursor = firing.cursor_for

        assert reasons == ["catch_up_max", None, None, "calendar", "calendar", None]

    def test_one_that_is_too_old_is_excluded_all_the_same(self) -> None:
        (first,) = hours(1)
        schedule = Hourly(excluded=[first])

        firing = decide(schedule, START, first + 48 * HOUR, rule("all"), batch=1)

        assert firing.decisions[0].reason == "calendar"


def test_the_last_of_many_is_not_left_to_pass_for_one_on_time() -> None:
    firing = decide(Hourly(), START, START + 4 * HOUR, rule("all"), batch=3)

    assert [decision.missed for decision in firing.decisions] == [True] * 4
    assert firing.upcoming is not None
    assert firing.upcoming.at == START + 5 * HOUR


def test_an_occurrence_on_time_is_not_a_missed_one() -> None:
    on_time = decide(Hourly(), START, START + HOUR, rule("all"))
    late = decide(Hourly(), START, START + HOUR + timedelta(minutes=2), rule("all"))

    assert [on_time.decisions[0].missed, late.decisions[0].missed] == [False, True]


@pytest.mark.parametrize("policy", ["latest", "all", "skip"])
def test_what_can_no_longer_start_in_time_is_not_queued(policy: CatchUpPolicy) -> None:
    hurried = replace(rule(policy), start_deadline=timedelta(minutes=30))

    firing = decide(Hourly(), START, START + HOUR + timedelta(minutes=31), hurried)

    assert [decision.reason for decision in firing.decisions] == ["start_deadline"]


@pytest.mark.parametrize(
    ("policy", "others"),
    [("latest", "catch_up_latest"), ("all", "overlap_replaced")],
)
def test_of_runs_that_replace_each_other_only_the_latest_runs(
    policy: CatchUpPolicy, others: str
) -> None:
    replacing = replace(rule(policy), replacing=True)

    firing = decide(Hourly(), START, START + 3 * HOUR, replacing)

    assert [decision.reason for decision in firing.decisions] == [others, others, None]


class Together(Hourly):
    """Jitter puts the first three off to the third."""

    def _occurrence(self, at: datetime) -> Occurrence:
        return replace(super()._occurrence(at), due_at=max(at, START + 3 * HOUR))


@pytest.mark.parametrize("replacing", [False, True])
def test_of_runs_that_replace_each_other_and_are_all_on_time_only_the_latest_runs(
    replacing: bool,
) -> None:
    given = replace(rule("skip"), replacing=replacing)

    firing = decide(Together(), START, START + 3 * HOUR, given)

    skipped = "catch_up_skip" if replacing else None
    assert [decision.reason for decision in firing.decisions] == [skipped, skipped, None]
