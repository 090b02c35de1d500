"""Problems as people and machines read them."""

from __future__ import annotations

import click
import pytest

from reconciler.diagnostics import MOST_SHOWN, WIDTH, as_text, summary
from schemas.problem import Problem
from schemas.validation import Validation


def _problem(**fields: object) -> Problem:
    given = {
        "code": "ORD005",
        "message": "unknown field `x`",
        "file": "specs/a.yaml",
        "line": 2,
        "column": 3,
    }
    return Problem.model_validate({**given, **fields})


def _text(problem: Problem, text: str | None = None) -> list[str]:
    shown = as_text([problem], {} if text is None else {problem.file: text})
    return click.unstyle(shown).splitlines()


def test_a_problem_is_shown_with_its_line_and_a_caret() -> None:
    assert _text(_problem(hint="did you mean `y`?"), "a: 1\nb x: 2\nc: 3\n") == [
        "specs/a.yaml:2:3: error ORD005: unknown field `x`",
        "    2 | b x: 2",
        "      |   ^",
        "  hint: did you mean `y`?",
    ]


def test_problems_are_divided_by_an_empty_line() -> None:
    shown = click.unstyle(as_text([_problem(), _problem(line=3)], {}))

    assert shown == (
        "specs/a.yaml:2:3: error ORD005: unknown field `x`\n\n"
        "specs/a.yaml:3:3: error ORD005: unknown field `x`\n"
    )


def test_of_very_many_problems_errors_are_shown_and_the_rest_is_counted() -> None:
    warnings = [_problem(severity="warning", code="ORD101", line=n) for n in range(1, 9)]
    errors = [_problem(line=n) for n in range(1, MOST_SHOWN + 2000)]

    shown = click.unstyle(as_text([*warnings, *errors], {})).splitlines()

    assert shown[0] == "specs/a.yaml:1:3: error ORD005: unknown field `x`"
    assert sum(": error ORD005" in line for line in shown) == MOST_SHOWN
    assert " ".join(line.strip() for line in shown[-2:]) == (
        "and 2,007 more (1,999 x ORD005, 8 x ORD101); `ordinaut validate --json` tells them all"
    )


def test_a_line_of_a_million_letters_is_cut_without_looking_at_each() -> None:
    line = "x" * 1_000_000 + "?" + "x" * 1_000_000

    [_, excerpt, caret] = _text(_problem(line=1, column=1_000_001), line)

    assert (len(excerpt), excerpt[caret.index("^")]) == (WIDTH, "?")
    assert (excerpt[8], excerpt[-1]) == ("…", "…")


@pytest.mark.parametrize("column", [1, 40, 150, 199, 300])
def test_a_long_line_is_cut_around_the_column(column: int) -> None:
    line = "".join(chr(ord("a") + number % 26) for number in range(200))

    [_, excerpt, caret] = _text(_problem(line=1, column=column), line)

    assert len(excerpt) <= WIDTH
    marked = (excerpt + " ")[caret.index("^")]
    assert marked == (line[column - 1] if column <= len(line) else " ")


def test_the_caret_stands_under_wide_letters_too() -> None:
    [_, excerpt, caret] = _text(_problem(line=1, column=4), "名前: x")

    assert (excerpt, caret) == ("    1 | 名前: x", "      |      ^")


def test_a_tab_takes_one_column() -> None:
    assert _text(_problem(line=1, column=2), "\tx: 1")[1:] == ["    1 |  x: 1", "      |  ^"]


def test_long_words_are_wrapped_and_nothing_is_wider_than_the_terminal() -> None:
    lines = _text(_problem(message="word " * 60, hint="hint " * 60))

    assert len(lines) > 8
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("text", ["", "one line", "one\n\n"])
def test_a_line_that_is_empty_or_not_there_is_left_out(text: str) -> None:
    assert len(_text(_problem(), text)) == 1


def test_text_to_be_pasted_keeps_its_lines() -> None:
    assert _text(_problem(hint="write it:\n    kind: Project\n    name: x"))[1:] == [
        "  hint: write it:",
        "        kind: Project",
        "        name: x",
    ]


def test_only_words_are_coloured() -> None:
    shown = as_text([_problem(severity="warning")], {"specs/a.yaml": "a\nbcd"})

    assert (
        shown.replace("\x1b[33mwarning ORD005:\x1b[0m", "")
        .replace("\x1b[33m^\x1b[0m", "")
        .count("\x1b")
        == 0
    )
    assert shown.count("\x1b[33m") == 2


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((1, 1, 0, 0), "1 document in 1 file: no problems"),
        ((7, 3, 0, 1), "7 documents in 3 files: 1 warning"),
        ((0, 2, 2, 3), "0 documents in 2 files: 2 errors, 3 warnings"),
    ],
)
def test_the_summary_is_one_line(counts: tuple[int, int, int, int], words: str) -> None:
    documents, files, errors, warnings = counts

    validation = Validation(
        valid=not errors, project="home", environment="default",
        documents=documents, files=files, errors=errors, warnings=warnings,
    )  # fmt: skip

    assert summary(validation) == words
