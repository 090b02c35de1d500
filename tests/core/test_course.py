"""The course of a run: which steps may begin, what a failure does to the rest, and how the run ends."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.core.course import Course, Failure, Goto, OnError
from runtime.core.outcomes import CallError

ERROR = CallError("ORD404", "no")


@dataclass(frozen=True)
class Given:
    name: str
    needs: tuple[str, ...] = ()
    on_error: OnError = "fail"


DIAMOND = (Given("a"), Given("b", ("a",)), Given("c", ("a",)), Given("d", ("b", "c")))


def line(*names: str, **on_error: OnError) -> tuple[Given, ...]:
    """Steps one after another."""
    before = ((), *((name,) for name in names))
    return tuple(
        Given(name, needs, on_error.get(name, "fail"))
        for name, needs in zip(names, before, strict=False)
    )


def test_steps_begin_when_all_they_need_has_passed_and_only_once() -> None:
    course = Course(DIAMOND)

    assert course.begin() == ["a"]
    assert course.begin() == []
    course.passed("a")
    assert course.begin() == ["b", "c"]
    course.passed("c")
    assert course.begin() == []
    course.passed("b")
    assert course.begin() == ["d"]
    assert course.failure is None


def test_after_a_failure_nothing_begins_and_the_first_reason_is_kept() -> None:
    course = Course((Given("a"), Given("b"), Given("c", ("a",))))
    course.begin()

    course.failed("b", ERROR)
    course.failed("a", CallError("ORD405", "late"))

    assert course.begin() == []
    assert course.failure == Failure(ERROR, "b")


def test_a_step_that_may_fail_lets_those_behind_it_go_on() -> None:
    course = Course(line("a", "b", a="continue"))
    course.begin()

    course.failed("a", ERROR)

    assert course.begin() == ["b"]
    assert course.failure is None


def test_goto_skips_what_lies_between_and_goes_on_at_the_step_named() -> None:
    course = Course(line("a", "b", "c", "d", "e", a=Goto("d")))
    course.begin()

    course.failed("a", ERROR)

    assert course.skipped() == ["b", "c"]
    assert course.skipped() == []
    assert course.begin() == ["d"]
    course.passed("d")
    assert course.begin() == ["e"]


def test_goto_leaves_other_branches_alone_and_a_join_waits_for_them() -> None:
    steps = (
        Given("a", on_error=Goto("join")),
        Given("side"),
        Given("b", ("a",)),
        Given("join", ("b", "side")),
    )
    course = Course(steps)
    assert course.begin() == ["a", "side"]

    course.failed("a", ERROR)

    assert course.skipped() == ["b"]
    assert course.begin() == []
    course.passed("side")
    assert course.begin() == ["join"]


def test_what_is_on_record_does_not_begin_again() -> None:
    course = Course(DIAMOND)
    for name in ("a", "c"):
        course.restore(name)
    for name in ("a", "c"):
        course.passed(name)

    assert course.begin() == ["b"]


def test_a_leap_that_is_on_record_skips_nothing_twice() -> None:
    course = Course(line("a", "b", "c", a=Goto("c")))
    course.restore("a")
    course.restore("b")

    course.failed("a", ERROR)
    course.passed("b")

    assert course.skipped() == []
    assert course.begin() == ["c"]


def test_a_run_fails_for_reasons_of_its_own_too() -> None:
    course = Course(line("a"))

    course.fail(ERROR)

    assert course.failure == Failure(ERROR, None)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Given, ...]:
    steps: list[Given] = []
    for number in range(draw(st.integers(1, 8))):
        needs = draw(st.sets(st.sampled_from([s.name for s in steps]))) if steps else set()
        leaps: list[OnError] = ["fail", "continue"]
        steps.append(Given(f"s{number}", tuple(sorted(needs)), draw(st.sampled_from(leaps))))
    return tuple(steps)


@given(steps=graphs(), data=st.data())
def test_whatever_ends_in_whatever_order_no_step_begins_before_its_needs_or_is_forgotten(
    steps: tuple[Given, ...], data: st.DataObject
) -> None:
    course = Course(steps)
    needs = {step.name: step.needs for step in steps}
    under_way: list[str] = []
    over: set[str] = set()
    while True:
        for name in course.begin():
            assert name not in over
            assert over.issuperset(needs[name])
            under_way.append(name)
        if not under_way:
            break
        name = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
        over.add(name)
        if data.draw(st.booleans()):
            course.passed(name)
        else:
            course.failed(name, ERROR)
    assert course.failure is not None or over == set(needs)
    assert course.is_complete == (over == set(needs) and course.failure is None)


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_a_course_without_failures_ends_with_every_step(names: Collection[str]) -> None:
    course = Course(line(*names))
    begun: list[str] = []
    while ready := course.begin():
        begun += ready
        for name in ready:
            course.passed(name)

    assert begun == list(names)
