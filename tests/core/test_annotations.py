"""Remarks as GitHub's workflow commands."""

from __future__ import annotations

import pytest

from reconciler.core.annotations import MOST_SHOWN, as_github
from reconciler.core.entry import Finding
from reconciler.core.remarks import Remarks
from schemas.problem import Problem, Severity


def problem(**fields: object) -> Problem:
    """A problem, as an error in a file."""
    given = {"code": "ORD005", "message": "no", "file": "specs/a.yaml", "line": 2, "column": 3}
    return Problem.model_validate({**given, **fields})


def lines(*problems: Problem, general: tuple[Finding, ...] = ()) -> list[str]:
    """The commands for these."""
    return as_github(Remarks(problems, general)).splitlines()


@pytest.mark.parametrize(
    ("severity", "command"), [("error", "error"), ("warning", "warning"), ("note", "notice")]
)
def test_a_problem_is_a_command_with_its_place(severity: Severity, command: str) -> None:
    assert lines(problem(severity=severity, hint="mend it")) == [
        f"::{command} file=specs/a.yaml,line=2,col=3,title=ORD005::no%0Amend it"
    ]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a,line=9,b.yaml", "a%2Cline=9%2Cb.yaml"),
        ("a::add-mask::b.yaml", "a%3A%3Aadd-mask%3A%3Ab.yaml"),
        ("a\n::stop-commands::b.yaml", "a%0A%3A%3Astop-commands%3A%3Ab.yaml"),
        ("a\r\nb.yaml", "a%0D%0Ab.yaml"),
        ("100%0A.yaml", "100%250A.yaml"),
        ("##[add-mask]b.yaml", r"#\u0023[add-mask]b.yaml"),
        ("ä b.yaml", "ä b.yaml"),
    ],
)
def test_a_hostile_name_of_a_file_stays_one(name: str, written: str) -> None:
    [line] = lines(problem(file=name))

    assert line == f"::error file={written},line=2,col=3,title=ORD005::no"


def test_a_hostile_message_stays_one() -> None:
    message = "100 %\n::error::no\r\n::set-output name=x::y, z: %0A"

    assert lines(problem(message=message, hint="\n::debug::a")) == [
        "::error file=specs/a.yaml,line=2,col=3,title=ORD005::"
        "100 %25%0A::error::no%0D%0A::set-output name=x::y, z: %250A%0A%0A::debug::a"
    ]


def test_what_has_no_place_is_told_without_one_and_first() -> None:
    refusal = Finding("ORD203", "the plan retires 8 of 9", "if that is meant: say so")

    assert lines(problem(), general=(refusal,)) == [
        "::error title=ORD203::the plan retires 8 of 9%0Aif that is meant: say so",
        "::error file=specs/a.yaml,line=2,col=3,title=ORD005::no",
    ]


def test_errors_go_first() -> None:
    told = lines(problem(severity="note"), problem(severity="warning"), problem())

    assert [line.split()[0] for line in told] == ["::error", "::warning", "::notice"]


def test_as_many_of_a_kind_as_github_takes_are_told_each() -> None:
    errors = [problem(line=number) for number in range(1, MOST_SHOWN + 1)]

    told = lines(*errors, problem(severity="note"))

    assert len(told) == MOST_SHOWN + 1
    assert all("file=" in line for line in told)


def test_of_more_the_first_are_told_and_the_others_counted() -> None:
    errors = [problem(line=number) for number in range(1, 40)]

    told = lines(*errors, problem(severity="note"))

    assert [line.partition("line=")[2].partition(",")[0] for line in told[:9]] == list("123456789")
    assert told[9] == (
        "::error title=30 more errors::and 30 more errors: GitHub takes 10 of a kind from a step, --json tells them all"
    )
    assert [line.split()[0] for line in told[10:]] == ["::notice"]


def test_nothing_is_told_of_nothing() -> None:
    assert lines() == []
