"""`ordinaut approve` for what tool servers ask in the middle of calls."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.cli import Cli
from tests.support.factories import (
    insert_sleeping_run,
    insert_step_attempt,
    insert_task,
)

FORM = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "description": "As year-month-day"},
        "seats": {"type": "integer", "default": 2},
        "where": {"type": "string", "enum": ["inside", "outside"]},
        "meals": {"type": "array", "items": {"enum": ["soup", "fish"]}},
        "drinks": {"type": "array", "items": {"anyOf": [{"const": "tea", "title": "Tea"}]}},
    },
    "required": ["day"],
}
WHEN = {"seats": {"message": "When?\npayments:ask  Pay?", "schema": FORM}}
VISIT = {"pay": {"message": "Pay first", "url": "https://pay.example/1\nyes"}}


@pytest.fixture
def run(rows: psycopg.Connection) -> UUID:
    """A run that sleeps."""
    steps = [{"id": "book", "uses": "tables.book"}]
    return insert_sleeping_run(rows, insert_task(rows, "dinner", pipeline=steps))


def ask(rows: psycopg.Connection, run: UUID, requests: dict[str, Any]) -> None:
    """The server asks that."""
    asked = {"uses": "tables.book", "arguments": {"n": 1}, "by": [], "requests": requests}
    insert_step_attempt(
        rows,
        run,
        "book",
        outcome="input_required",
        left_open=Jsonb({"state": "s1", "arguments": {"n": 1}}),
        asked=Jsonb(asked),
    )


def responses(rows: psycopg.Connection) -> Any:
    query = "select answer -> 'responses' from ordinaut.step_attempt"
    return (rows.execute(query).fetchone() or (None,))[0]


def test_a_form_is_listed_with_its_fields(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    ask(rows, run, WHEN)

    listed = cli("approve").stdout.splitlines()
    (told,) = json.loads(cli("approve", "--json").stdout)["steps"]

    assert listed == [
        'dinner:book  call tables.book with {"n":1}',
        "  asks: When?",
        "    payments:ask  Pay?",
        "    day: string (As year-month-day)",
        "    meals: any of soup | fish, may be left out",
        "    seats: integer, 2 unless given",
        "    where: inside | outside, may be left out",
        "    drinks: any of tea, may be left out",
    ]
    assert (told["attempt"], told["asked"]["requests"]) == (1, WHEN)
    assert "asks      1 step waits for a decision: `ordinaut approve`\n" in cli("status").stdout
    assert (
        "its server asks: When? payments:ask Pay?  `ordinaut approve`"
        in cli("show", "last").stdout
    )
    assert "waits for a person" in cli("why", "dinner").stdout


@pytest.mark.parametrize(
    "given",
    [
        ["--answer", "day=2026-03-01", "--answer", "seats=3"],
        ["--answer", "seats.day=2026-03-01", "--answer", "seats.seats=3"],
        ["--data", '{"day": "2026-03-01", "seats": 3}'],
    ],
)
def test_a_form_is_filled_in_by_fields_or_as_json(
    cli: Cli, rows: psycopg.Connection, run: UUID, given: list[str]
) -> None:
    ask(rows, run, WHEN)

    answer = cli("approve", "dinner", "--yes", *given)

    assert (answer.status, answer.stdout) == (0, "Approved: it goes on.\n"), answer.stderr
    content = {"day": "2026-03-01", "seats": 3}
    assert responses(rows) == {"seats": {"action": "accept", "content": content}}
    assert rows.execute("select ready_at <= now(), woken from ordinaut.due_work").fetchone() == (
        True,
        True,
    )


def test_an_answer_that_no_record_can_keep_is_refused(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    ask(rows, run, WHEN)

    answer = cli("approve", "dinner", "--yes", "--data", r'{"day": "a\u0000b"}')

    assert answer.status == 1
    assert "ORD421" in answer.stderr
    assert responses(rows) is None


def test_of_several_questions_json_names_each(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    ask(rows, run, WHEN | VISIT)

    shown = cli("approve", "dinner", "--yes", "--data", '{"seats": {"day": "x"}}')

    assert "    visit https://pay.example/1 yes, then approve\n" in shown.stderr
    assert responses(rows) == {
        "seats": {"action": "accept", "content": {"day": "x", "seats": 2}},
        "pay": {"action": "accept"},
    }


def test_a_denial_needs_no_form(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    ask(rows, run, WHEN)

    assert cli("approve", "dinner", "--deny", "--yes").stdout == "Denied: it ends here.\n"
    assert responses(rows) == {}


def test_an_answer_that_does_not_fit_is_refused_before_anybody_is_asked_to_agree(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    ask(rows, run, WHEN)

    answer = cli("approve", "dinner", "--yes")

    assert answer.status == 1
    assert "ORD421: that is no answer to seats: day is missing" in answer.stderr
    assert "it needs day" in answer.stderr
    assert responses(rows) is None


def test_a_step_whose_server_asks_nothing_takes_no_data(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    ask(rows, run, {})

    answer = cli("approve", "dinner", "--yes", "--answer", "day=x")

    assert answer.status == 1
    assert "step book of dinner asks for no data" in answer.stderr


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            ["dinner", "--answer", "day=x", "--data", "{}"],
            "--answer and --data exclude each other",
        ),
        (["dinner", "--answer", "day"], "write FIELD=VALUE"),
        (["dinner", "--data", "{"], "no JSON: "),
        (["dinner", "--data", "[]"], "it must be a JSON object"),
        (
            ["dinner", "--deny", "--answer", "day=x"],
            "go with a STEP that asks, and without --deny",
        ),
        (["--answer", "day=x"], "go with a STEP that asks, and without --deny"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    cli: Cli, run: UUID, given: list[str], says: str
) -> None:
    answer = cli("approve", "--yes", *given)

    assert answer.status == 1
    assert says in answer.stderr
