"""The statements that move rows: nothing that comes late, twice or not at all changes what comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.processes import ROOT

EXAMPLE = ROOT / "examples" / "enrichment"
WORKFLOWS = [
    {"name": "domain", "takes": {"website": "$.raw.url"}, "attempts": 2},
    {"name": "company", "takes": {"domain": "$.domain.domain"}, "attempts": 3, "answer_within": "1 hour"},
]  # fmt: skip
ROWS = [{"url": f"www.{name}.example"} for name in ("ann", "ben", "cy", "dan")]
SECOND, NONE = timedelta(seconds=1), timedelta(0)
Row = dict[str, Any]


class Ledger:
    """The database of the example, with one batch of four rows."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection
        self.batch: int = 0

    def do(self, name: str, **given: Any) -> list[Row]:
        text = (EXAMPLE / "servers" / "sql" / f"{name}.sql").read_text()
        cursor = self._connection.execute(text.encode(), given)
        return cursor.fetchall() if cursor.description else []

    def launch(self, run: str = "launched") -> int:
        given = {"client": "acme", "workflows": json.dumps(WORKFLOWS), "run": run}
        return int(self.do("launch_batch", **given)[0]["batch_id"])

    def claim(self, run: str, workflow: str = "domain", *, most: int = 100, lease: timedelta = SECOND) -> dict[str, list[Row]]:  # fmt: skip
        """Rows by chunk."""
        given = {"workflow": workflow, "most": most, "chunk_rows": 2, "lease": lease}
        self.do("claim_rows", run=run, **given)
        return {one["chunk"]: one["rows"] for one in self.do("list_chunks", run=run)}

    def keep(self, chunk: str, *answers: Row, cost: int = 0) -> Row:
        given = {"answers": json.dumps(answers), "cost": cost, "pause": NONE}
        return self.do("record_answers", chunk=chunk, **given)[0]

    def states(self, workflow: str = "domain") -> list[str]:
        query = "select state from row_state where workflow = %s and batch_id = %s order by line"
        return [row["state"] for row in self._connection.execute(query, [workflow, self.batch])]

    def answers(self) -> list[Row]:
        query = (
            b"select line, workflow, input, output, cost from raw_answer order by line, workflow"
        )
        return self._connection.execute(query).fetchall()


def good(rows: list[Row]) -> list[Row]:
    return [{"row": row["row"], "output": {"domain": f"d{row['row']}"}} for row in rows]


@pytest.fixture
def ledger(database: str) -> Iterator[Ledger]:
    with psycopg.connect(database, row_factory=dict_row, autocommit=True) as connection:
        connection.execute("create schema enrichment; set search_path = enrichment")
        for file in sorted((EXAMPLE / "schema").glob("*.sql")):
            connection.execute(file.read_bytes())
        made = Ledger(connection)
        upload = {
            "client": "acme",
            "file": "acme.csv",
            "digest": "x",
            "rows": len(ROWS),
            "problem": None,
        }
        upload_id = made.do("stage_upload", **upload)[0]["upload_id"]
        made.do("stage_rows", upload_id=upload_id, rows=json.dumps(ROWS))
        assert made.do("stage_upload", **upload) == []
        made.batch = made.launch()
        yield made


def asked(ledger: Ledger, run: str = "r2") -> dict[str, list[Row]]:
    """All rows through the first workflow, and in progress in the second."""
    for chunk, rows in ledger.claim("r1").items():
        ledger.keep(chunk, *good(rows))
    found = ledger.claim(run, "company")
    for chunk in found:
        ledger.do("mark_in_progress", chunk=chunk)
    return found


def test_a_run_launches_one_batch_however_often_it_asks(ledger: Ledger) -> None:
    assert ledger.launch() == ledger.batch
    assert ledger.states() == ["ready"] * 4
    assert ledger.states("company") == ["waiting"] * 4
    assert ledger.launch("another") != ledger.batch


def test_rows_are_claimed_once_with_what_their_workflow_takes(ledger: Ledger) -> None:
    first, second = ledger.claim("r1", most=3), ledger.claim("r2")

    assert [[row["row"] for row in rows] for rows in first.values()] == [[1, 2], [3]]
    assert [[row["row"] for row in rows] for rows in second.values()] == [[4]]
    assert next(iter(first.values()))[0] == {"row": 1, "website": "www.ann.example"}
    # Whoever died and asks again gets what it had, and nothing more.
    assert ledger.claim("r1") == first


def test_an_answer_unlocks_the_next_workflow_of_its_row_alone(ledger: Ledger) -> None:
    chunk, rows = next(iter(ledger.claim("r1").items()))

    assert ledger.keep(chunk, *good(rows)) == {"done": 2, "retried": 0, "dead": 0}

    assert ledger.states("company") == ["ready", "ready", "waiting", "waiting"]
    taken = next(iter(ledger.claim("r2", "company").values()))
    assert taken == [{"row": 1, "domain": "d1"}, {"row": 2, "domain": "d2"}]


def test_an_answer_that_is_told_twice_changes_nothing(ledger: Ledger) -> None:
    chunk, rows = next(iter(asked(ledger).items()))
    ledger.keep(chunk, *good(rows), cost=1)
    before = (ledger.states("company"), ledger.answers())

    again = ledger.keep(chunk, *[{**one, "output": {"name": "other"}} for one in good(rows)], cost=1)  # fmt: skip
    failing = ledger.keep(chunk, *[{"row": row["row"], "error": "late"} for row in rows])

    assert again == failing == {"done": 0, "retried": 0, "dead": 0}
    assert (ledger.states("company"), ledger.answers()) == before


def test_what_nobody_answers_is_asked_again_and_the_late_answer_counts_once(
    ledger: Ledger,
) -> None:
    chunk, rows = next(iter(asked(ledger).items()))
    ledger._connection.execute("update row_state set due_at = now() where workflow = 'company'")

    assert ledger.do("sweep") == [{"asked_again": 4, "dead": 0}]
    second = next(iter(ledger.claim("r3", "company")))
    assert ledger.keep(chunk, *good(rows))["done"] == 2
    assert ledger.keep(second, *good(rows))["done"] == 0

    assert ledger.states("company") == ["done", "done", "claimed", "claimed"]
    # A failure of the first asking says nothing of the second.
    old = list(asked_chunks(ledger, "r2"))[1]
    assert ledger.keep(old, {"row": 3, "error": "x", "permanent": True})["dead"] == 0


def asked_chunks(ledger: Ledger, run: str) -> Iterator[str]:
    query = "select chunk from chunk where run = %s order by chunk"
    return (row["chunk"] for row in ledger._connection.execute(query, [run]))


def test_a_row_is_tried_as_often_as_its_blueprint_says_and_redriven_from_there(
    ledger: Ledger,
) -> None:
    failing = {"row": 1, "error": "busy"}
    [(first, rows)] = ledger.claim("r1", most=2).items()
    ledger.keep(first, failing, good(rows)[1])
    assert ledger.states()[:2] == ["ready", "done"]
    [chunk, *_] = [one for one, rows in ledger.claim("r2").items() if rows[0]["row"] == 1]
    assert ledger.keep(chunk, failing)["dead"] == 1
    assert ledger.states()[0] == "dead"

    [dead] = ledger.do("list_dead", most=10)
    assert (dead["line"], dead["attempts"], dead["error"]) == (1, 2, "busy")
    assert ledger.do("redrive", batch=ledger.batch) == [{"batch": ledger.batch, "rows": 1}]

    assert ledger.states()[0] == "ready"
    assert ledger.do("redrive", batch=ledger.batch) == [{"batch": ledger.batch, "rows": 0}]
    # As if for the first time.
    [chunk, *_] = [one for one, rows in ledger.claim("r3").items() if rows[0]["row"] == 1]
    assert ledger.keep(chunk, failing)["retried"] == 1


def test_one_that_will_never_do_is_dead_at_once(ledger: Ledger) -> None:
    chunk = next(iter(ledger.claim("r1")))

    moved = ledger.keep(chunk, {"row": 1, "error": "no such company", "permanent": True})

    assert moved == {"done": 0, "retried": 0, "dead": 1}


def test_a_batch_that_is_paused_is_not_claimed_and_goes_on_where_it_was(ledger: Ledger) -> None:
    chunk, rows = next(iter(ledger.claim("r1", most=2).items()))
    ledger.do("pause_batch", batch=ledger.batch)

    assert ledger.do("look")[0]["is_work"] is False
    assert ledger.claim("r2") == {}
    assert ledger.keep(chunk, *good(rows))["done"] == 2
    assert ledger.claim("r3", "company") == {}

    ledger.do("resume_batch", batch=ledger.batch)
    assert ledger.do("look")[0]["is_work"] is True
    assert [len(rows) for rows in ledger.claim("r4").values()] == [2]
    assert [len(rows) for rows in ledger.claim("r5", "company").values()] == [2]


def test_a_batch_is_finished_once_until_something_is_redriven(ledger: Ledger) -> None:
    for chunk, rows in asked(ledger).items():
        ledger.keep(chunk, *[{"row": row["row"], "error": "no", "permanent": True} if row["row"] == 1 else good([row])[0] for row in rows])  # fmt: skip
    [told] = ledger.do("report")
    assert (told["done"], told["failed"], told["total"], told["is_finished"]) == (3, 1, 4, True)

    ledger.do("close_batch", batch=ledger.batch, finishes=told["finishes"])
    assert ledger.do("report") == []
    ledger.do("redrive", batch=ledger.batch)

    [again] = ledger.do("report")
    assert (again["finishes"], again["is_finished"]) == (1, False)
    # What is closed by a look from before closes nothing.
    ledger.do("close_batch", batch=ledger.batch, finishes=told["finishes"])
    assert len(ledger.do("report")) == 1


def test_rows_that_were_not_asked_for_are_not_answered(ledger: Ledger) -> None:
    first, second = ledger.claim("r1")

    assert ledger.keep(first, *good([{"row": 3}, {"row": 4}, {"row": 99}]))["done"] == 0
    assert ledger.states() == ["claimed"] * 4
    ledger.keep(first, *good([{"row": 1}]))
    company = next(iter(ledger.claim("r2", "company")))
    # Whose turn has not come yet.
    assert ledger.keep(company, *good([{"row": 2}]))["done"] == 0
    assert ledger.states("company") == ["claimed", "waiting", "waiting", "waiting"]
    assert ledger.keep(second, *good([{"row": 3}]), *good([{"row": 3}]))["done"] == 1


def test_an_answer_beside_a_failure_of_the_same_row_counts(ledger: Ledger) -> None:
    chunk = next(iter(ledger.claim("r1")))

    told = ledger.keep(chunk, {"row": 1, "error": "busy"}, *good([{"row": 1}]))

    assert told == {"done": 1, "retried": 0, "dead": 0}
    assert ledger.states()[0] == "done"


def test_a_late_answer_to_a_row_that_was_given_up_finishes_its_batch_once_more(
    ledger: Ledger,
) -> None:
    found = asked(ledger)
    chunk = next(iter(found))
    for one, rows in found.items():
        ledger.keep(one, *[{"row": row["row"], "error": "no", "permanent": True} for row in rows])
    ledger.do("close_batch", batch=ledger.batch, finishes=0)
    assert ledger.do("report") == []

    assert ledger.keep(chunk, *good([{"row": 1}]))["done"] == 1

    [told] = ledger.do("report")
    assert (told["finishes"], told["done"], told["is_finished"]) == (1, 1, True)


def test_a_batch_that_is_redriven_while_it_is_closed_stays_open(ledger: Ledger) -> None:
    for chunk, rows in ledger.claim("r1").items():
        ledger.keep(
            chunk, *[{"row": row["row"], "error": "no", "permanent": True} for row in rows]
        )
    [told] = ledger.do("report")
    assert told["is_finished"] is True
    ledger.do("redrive", batch=ledger.batch)

    ledger.do("close_batch", batch=ledger.batch, finishes=told["finishes"])

    [told] = ledger.do("report")
    assert (told["finishes"], told["is_finished"]) == (0, False)


def test_a_batch_without_rows_is_finished_at_once(ledger: Ledger) -> None:
    ledger.do("stage_upload", client="acme", file="empty.csv", digest="y", rows=0, problem=None)
    empty = ledger.launch("of nothing")

    told = {one["batch"]: one for one in ledger.do("report")}[empty]

    assert (told["done"], told["failed"], told["total"]) == (0, 0, 0)
    assert told["is_finished"] is True


def test_a_blueprint_that_cannot_be_followed_launches_nothing(ledger: Ledger) -> None:
    wrong = [{"name": "domain", "takes": {"website": "$.raw.[url"}, "attempts": 2}]
    given = {"client": "acme", "workflows": json.dumps(wrong), "run": "wrong"}

    with pytest.raises(psycopg.errors.SyntaxError, match="jsonpath"):
        ledger.do("launch_batch", **given)

    assert len(ledger.do("report")) == 1


def test_a_path_that_finds_nothing_of_a_row_holds_nobody_up(ledger: Ledger) -> None:
    # Of whoever forgot the quotes around a name with a dash and a number.
    odd = [{"name": "domain", "takes": {"website": "$.raw.url-1"}, "attempts": 2}]
    given = {"client": "acme", "workflows": json.dumps(odd), "run": "odd"}
    ledger.do("launch_batch", **given)

    rows = [row for chunk in ledger.claim("r1").values() for row in chunk]

    assert len(rows) == 2 * len(ROWS)
    assert {row["website"] for row in rows} == {None, *(one["url"] for one in ROWS)}


def test_what_is_said_of_a_batch_that_is_not_there_is_said_to_nobody(ledger: Ledger) -> None:
    for name in ("pause_batch", "resume_batch", "redrive"):
        assert ledger.do(name, batch=0) == []
    for _ in range(2):
        assert ledger.do("pause_batch", batch=ledger.batch) == [{"batch": ledger.batch}]


def test_inputs_and_answers_are_kept_as_they_were(ledger: Ledger) -> None:
    chunk, rows = next(iter(asked(ledger).items()))
    ledger.keep(chunk, *good(rows), cost=2)

    kept = {(one["line"], one["workflow"]): one for one in ledger.answers()}
    assert kept[1, "domain"]["input"] == {"website": "www.ann.example"}
    assert kept[1, "company"]["input"] == {"domain": "d1"}
    assert kept[1, "company"]["output"] == {"domain": "d1"}
    assert [one["cost"] for one in ledger.do("costs")] == [4]
