"""Who signed in and out is on record, a browser has one session at a time, and strangers are told nothing of the database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from runtime.store.connect import connect
from runtime.store.sessions import add_sign_in_link
from tests.support.cli import Cli
from tests.support.factories import insert_due_work, insert_run, insert_wait
from tests.support.showcase import furnish
from tests.support.web import Web, bearer, make_token, running
from tests.web.test_dashboard import sign_in, word_of

AWAY = "postgresql://ada:secret@127.0.0.1:1/treasure"


@pytest.fixture
def visitor(web: Web) -> Iterator[httpx.Client]:
    """A browser, as far as cookies go."""
    origin = {"Origin": web.url, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=web.url, headers=origin, timeout=20) as client:
        yield client


def audited(rows: psycopg.Connection) -> list[tuple[object, ...]]:
    return rows.execute(
        "select action, actor, origin, token, details ->> 'by' from ordinaut.audit where action like 'session.%' order by entry"
    ).fetchall()


def test_signing_in_and_out_is_in_the_audit_log(
    web: Web, visitor: httpx.Client, rows: psycopg.Connection, cli: Cli
) -> None:
    link = cli("dashboard").stdout.strip().partition("link=")[2]
    visitor.post("/sign-in", data={"link": link})
    sign_in(visitor, web.token)
    sign_in(visitor, "ord_" + "x" * 43)
    word = word_of(visitor)
    cookies = dict(visitor.cookies)
    visitor.post("/sign-out", data={"csrf": word})
    httpx.post(
        f"{web.url}/sign-out", data={"csrf": word}, cookies=cookies, headers=visitor.headers
    )

    told = audited(rows)
    assert [one[0] for one in told] == ["session.invite", "session.begin", "session.begin", "session.end"]  # fmt: skip
    assert told[0][1] == told[1][1]
    assert told[1][2:] == ("dashboard", None, "link")
    assert told[2][1:] == ("tester", "dashboard", "tester", "token")
    assert told[3][1:4] == ("tester", "dashboard", "tester")


def test_signing_in_anew_ends_the_session_before(web: Web, visitor: httpx.Client) -> None:
    sign_in(visitor, web.token)
    before = dict(visitor.cookies)

    sign_in(visitor, web.token)

    assert visitor.get("/").status_code == 200
    assert httpx.get(web.url + "/", cookies=before).status_code == 303


def test_a_session_that_somebody_else_chose_is_none(web: Web, visitor: httpx.Client) -> None:
    chosen = {"Cookie": "ordinaut_session=chosen-by-somebody-else"}

    answer = visitor.post("/sign-in", data={"token": web.token}, headers=chosen)

    assert answer.cookies["ordinaut_session"] != "chosen-by-somebody-else"
    assert httpx.get(web.url + "/", headers=chosen).status_code == 303


def test_of_many_who_show_a_link_at_once_one_is_let_in(web: Web) -> None:
    with connect(web.database) as connection:
        link = add_sign_in_link(connection, "ada@laptop", ("read",))
    origin = {"Origin": web.url, "Sec-Fetch-Site": "same-origin"}

    def show(_: int) -> int:
        answer = httpx.post(f"{web.url}/sign-in", data={"link": link}, headers=origin)
        return answer.status_code

    with ThreadPoolExecutor(6) as several:
        answers = sorted(several.map(show, range(6)))

    assert answers == [303, *[401] * 5]


def test_guesses_at_the_door_put_off_who_makes_them(web: Web, visitor: httpx.Client) -> None:
    behind = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in (1, 2)]
    guess = {"token": "ord_" + "x" * 43}

    answers = [visitor.post("/sign-in", data=guess, headers=behind[0]) for _ in range(25)]
    other = visitor.post("/sign-in", data=guess, headers=behind[1])

    assert (answers[0].status_code, answers[-1].status_code) == (401, 429)
    assert other.status_code == 401


def test_strangers_are_not_told_where_the_database_is() -> None:
    with running(AWAY) as (url, _):
        origin = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
        token = "ord_" + "x" * 43
        answers = [
            httpx.get(f"{url}/readyz", timeout=30),
            httpx.get(f"{url}/api/v1/status", headers=bearer(token), timeout=30),
            httpx.post(f"{url}/hooks/a/b", content=b"{}", timeout=30),
            httpx.post(f"{url}/callbacks/x", content=b"{}", timeout=30),
            httpx.post(f"{url}/sign-in", data={"token": token}, headers=origin, timeout=30),
            httpx.get(f"{url}/", cookies={"ordinaut_session": "x"}, timeout=30),
        ]

    assert {one.status_code for one in answers} == {503}
    for one in answers:
        for word in ("127.0.0.1", "treasure", "ada", "secret@", "select"):
            assert word not in one.text, one.url


def test_an_error_of_the_database_tells_no_statement(
    web: Web, rows: psycopg.Connection, visitor: httpx.Client
) -> None:
    sign_in(visitor, web.token)
    rows.execute("alter table ordinaut.due_work rename to gone")

    for answer in (web.client.get("/api/v1/status"), visitor.get("/")):
        assert answer.status_code == 503
        assert "due_work" in answer.text
        for word in ("LINE", "select", "from "):
            assert word not in answer.text


def test_a_copy_of_the_database_that_only_reads_is_looked_at(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as rows:
        furnish(rows)
        token = make_token(database, "a", ("read", "operate"))
        name = sql.Identifier(rows.info.dbname)
        rows.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(name))  # fmt: skip
    with running(database) as (url, _):
        looked = httpx.get(f"{url}/api/v1/status", headers=bearer(token), timeout=20)
        asked = httpx.post(
            f"{url}/api/v1/tasks/home/morning-briefing/runs",
            json={"reason": "x"},
            headers=bearer(token),
            timeout=20,
        )

    assert looked.status_code == 200
    assert asked.status_code == 503
    assert "read-only" in asked.json()["detail"]


def test_of_several_tasks_all_are_paused_or_none(
    web: Web, visitor: httpx.Client, rows: psycopg.Connection
) -> None:
    furnish(rows)
    sign_in(visitor, web.token)
    tasks = ["home/morning-briefing", "nobody/knows"]

    answer = visitor.post(
        "/do/pause", data={"csrf": word_of(visitor), "task": tasks, "reason": "x"}
    )

    assert answer.status_code == 404
    assert (
        rows.execute("select 1 from ordinaut.audit where action = 'task.pause'").fetchall() == []
    )


def test_a_form_of_a_server_is_answered_as_it_asks(
    web: Web, visitor: httpx.Client, rows: psycopg.Connection
) -> None:
    """Several fields, a wrong type, people who are asked and others, and an address to be visited."""
    show = furnish(rows)
    run = insert_run(rows, show.tasks["ops/weekly-report"], occurrence_for=show.now, state="waiting", started_at=show.now)  # fmt: skip
    insert_due_work(rows, show.tasks["ops/weekly-report"], run, ready_at=show.now + timedelta(days=9))  # fmt: skip
    properties = {"count": {"type": "integer"}, "sure": {"type": "boolean", "default": [1]}, "any": True, "kind": {"enum": ["a", "b"], "enumNames": ["A"]}}  # fmt: skip
    requests = {"q1": {"message": "How many", "schema": {"type": "object", "required": ["count"], "properties": properties}}, "q2": {"message": "Look", "url": "https://bank.example/x"}}  # fmt: skip
    insert_wait(rows, run, "send", asked={"uses": "a.b", "by": ["ada"], "requests": requests})
    sign_in(visitor, web.token)
    place = {"run": str(run), "step": "send", "item": "0"}
    form = {**place, "csrf": word_of(visitor), "reason": "x", "a:q1.count": "many"}

    shown = visitor.get("/do/approve", params=place)
    wrong = visitor.post("/do/approve", data=form)
    fit = {"a:q1.count": "3", "a:q1.sure": "true"}
    stranger = visitor.post("/do/approve", data={**form, **fit})
    empty = visitor.post("/do/approve", data={**form, "a:q1.count": ""})
    named = {**form, **fit, "instead_of": "ada"}
    right = visitor.post("/do/approve", data=named)

    assert shown.status_code == 200
    assert "https://bank.example/x" in shown.text
    assert 'value="b"' in shown.text
    assert (wrong.status_code, empty.status_code) == (422, 422)
    assert 'value="many"' in wrong.text
    assert stranger.status_code in {403, 422}
    assert "asks ada" in stranger.text
    assert right.status_code == 303, right.text
    assert visitor.post("/do/approve", data=named).status_code in {404, 409, 422}


def test_a_form_that_nobody_can_fill_in_is_told(
    web: Web, visitor: httpx.Client, rows: psycopg.Connection
) -> None:
    show = furnish(rows)
    run = show.runs["payment"]
    broken = {"type": "object", "properties": {"a": {"type": "nothing"}}}
    rows.execute(
        "update ordinaut.wait set asked = %s where run_id = %s",
        [Jsonb({"requests": {"q": {"message": "x", "schema": broken}}}), run],
    )
    sign_in(visitor, web.token)
    form = {"run": str(run), "step": "send", "item": "0", "csrf": word_of(visitor), "reason": "x"}

    answer = visitor.post("/do/approve", data=form)

    assert answer.status_code == 422
    assert "nobody can fill in" in answer.text


def test_a_forged_field_is_no_defect(
    web: Web, visitor: httpx.Client, rows: psycopg.Connection
) -> None:
    show = furnish(rows)
    sign_in(visitor, web.token)
    form = {"csrf": word_of(visitor), "reason": "x", "run": str(show.runs["morning"]), "how": "all", "made": "x"}  # fmt: skip

    for name, value in (("made", "x"), ("how", "from nowhere"), ("run", "\x00"), ("run", "%"), ("reason", "\x00"), ("key", "\ud7ff")):  # fmt: skip
        answer = visitor.post("/do/rerun", data={**form, name: value})
        assert answer.status_code < 500, (name, value)
    deep = "[" * 900 + "]" * 900
    for params in (deep, f'{{"a": {deep}}}', "[]", '{"a": NaN}', "1" * 5000, '{"\\u0000": 1}'):
        asked = {**form, "task": "home/morning-briefing", "params": params}
        assert visitor.post("/do/run", data=asked).status_code < 500, params[:20]
