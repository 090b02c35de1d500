"""What the API tells is what the command line tells: one reader, one model."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from runtime.errors import StoreError
from runtime.store.lending import Lender
from tests.support.cli import Cli
from tests.support.factories import NOON, TaskRow, insert_run, insert_step_result, insert_task
from tests.support.web import Web, bearer, running

V1 = "/api/v1"


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    return insert_task(rows)


@pytest.fixture
def failed_run(rows: psycopg.Connection, task: TaskRow) -> str:
    run_id = insert_run(rows, task, state="failed")
    insert_step_result(rows, run_id)
    return str(run_id)


def lasting(value: Any) -> Any:
    """Without what is another at every look."""
    match value:
        case dict():
            passing = {"now", "as_of", "bus"}
            return {name: lasting(inner) for name, inner in value.items() if name not in passing}
        case list():
            return [lasting(inner) for inner in value]
        case _:
            return value


@pytest.mark.parametrize(
    "told",
    [
        ("/status?limit=100", ("status", "-n", "100")),
        ("/runs", ("runs",)),
        ("/runs?state=failed&task=briefing", ("runs", "briefing", "--state", "failed")),
        ("/runs/{run}", ("show", "{run}")),
        ("/tasks/default/briefing/explanation", ("why", "briefing")),
        ("/tasks/default/briefing/explanation?at=2026-11-20", ("why", "briefing", "--at", "2026-11-20")),
        ("/revisions", ("history",)),
        ("/revisions/1", ("show", "r1")),
        ("/spend?by=model", ("spend", "--by", "model")),
        ("/spend?by=label:client", ("spend", "--by", "label:client")),
    ],
)  # fmt: skip
def test_the_api_and_the_command_tell_the_same(
    web: Web, cli: Cli, failed_run: str, told: tuple[str, tuple[str, ...]]
) -> None:
    path, command = told
    answered = web.client.get(V1 + path.format(run=failed_run))
    printed = cli(*(word.format(run=failed_run) for word in command), "--json").json

    assert answered.status_code == 200, answered.text
    for one in (answer := answered.json(), printed):
        if "spend" in path:
            # From when to when is counted from the moment of the look.
            del one["since"], one["until"]
    assert lasting(answer) == lasting(printed)


def pages(web: Web, path: str) -> list[Any]:
    """Every page of a list, by its links."""
    found = []
    following: str | None = path
    while following is not None:
        answer = web.client.get(following)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        following = answer.links.get("next", {}).get("url")
    return found


def test_a_list_of_runs_goes_on_where_the_page_before_ended_whatever_is_added(
    web: Web, rows: psycopg.Connection, task: TaskRow
) -> None:
    times = [NOON + timedelta(minutes=number) for number in range(6)]
    ids = [str(insert_run(rows, task, occurrence_for=at)) for at in times[:5]]

    first = web.client.get(f"{V1}/runs?limit=2")
    insert_run(rows, task, occurrence_for=times[5])
    rest = pages(web, first.links["next"]["url"])

    told = [run["run_id"] for page in [first.json(), *rest] for run in page["runs"]]
    assert len(told) == len(set(told)) == 5
    assert sorted(told) == sorted(ids)
    assert [len(page["runs"]) for page in rest] == [2, 1]


def test_tasks_come_by_name_a_page_at_a_time(web: Web, rows: psycopg.Connection) -> None:
    for name in ("c", "a", "b"):
        insert_task(rows, name=name)

    found = pages(web, f"{V1}/tasks?limit=2")

    assert [task["name"] for page in found for task in page["tasks"]] == ["a", "b", "c"]


def test_events_come_newest_first_and_can_be_chosen(web: Web, rows: psycopg.Connection) -> None:
    rows.execute(
        "insert into ordinaut.event_log (type, subject, data)"
        " select 'run.' || case when n % 2 = 0 then 'failed' else 'started' end, 'briefing', jsonb_build_object('n', n)"
        " from generate_series(1, 5) n"
    )

    told = [
        event["data"]["n"]
        for page in pages(web, f"{V1}/events?limit=2")
        for event in page["events"]
    ]
    failed = web.client.get(f"{V1}/events", params={"type": "run.failed"}).json()["events"]
    begun = web.client.get(f"{V1}/events", params={"type": "run.", "subject": "briefing"}).json()

    assert told == [5, 4, 3, 2, 1]
    assert [event["data"]["n"] for event in failed] == [4, 2]
    assert len(begun["events"]) == 5


@pytest.mark.parametrize("path", ["/runs", "/tasks", "/events"])
@pytest.mark.parametrize("cursor", ["x", "cnVuOg", "cnVuOng", "ZXZlbnQ6eA", "é", "dGFzazo", "ZXZlbnQ6MjAyNi0wMS0wMS8x"])  # fmt: skip
def test_a_cursor_that_is_none_is_told(web: Web, path: str, cursor: str) -> None:
    answer = web.client.get(V1 + path, params={"cursor": cursor})

    assert answer.status_code == 404
    assert "leads nowhere" in answer.json()["detail"]


def test_what_will_fire_is_told_in_the_zone_of_the_task(
    web: Web, rows: psycopg.Connection
) -> None:
    body = {"schedule": [{"cron": "30 8 * * *", "timezone": "Europe/Chisinau"}]}
    insert_task(rows, **body)

    found = web.client.get(f"{V1}/tasks/default/briefing/next?limit=2&after=2026-10-24T12:00:00Z")

    assert found.status_code == 200, found.text
    assert [one["at"] for one in found.json()["occurrences"]] == [
        "2026-10-25T08:30:00+02:00",
        "2026-10-26T08:30:00+02:00",
    ]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tasks/default/nothing", 404),
        ("/tasks/default/nothing/next", 404),
        ("/tasks/default/nothing/explanation", 404),
        ("/tasks/Default/nothing", 422),
        ("/runs?task=nothing", 404),
        ("/runs/00000000-0000-8000-8000-000000000000", 404),
        ("/runs/nothing", 422),
        ("/runs?state=nothing", 422),
        ("/runs?limit=0", 422),
        ("/runs?limt=1", 422),
        ("/drift?limit=1", 422),
        ("/runs?limit=501", 422),
        ("/revisions/7", 404),
        ("/revisions/0", 422),
        ("/plans/" + "0" * 64, 404),
        ("/spend?since=yesterday", 422),
        ("/spend?since=0.5", 422),
        ("/events?type=%00", 422),
        ("/tasks?words=%00", 422),
        ("/revisions?document=%00", 422),
    ],
)  # fmt: skip
def test_what_is_not_there_or_is_asked_wrongly_is_told(web: Web, path: str, status: int) -> None:
    answer = web.client.get(V1 + path)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/drift", "/sources", "/approvals", "/unsettled"])
def test_what_waits_for_people_is_listed(web: Web, path: str) -> None:
    assert web.client.get(V1 + path).status_code == 200


def test_reading_cannot_write(web: Web, database: str) -> None:
    """What serves reads is refused every write by the database itself."""
    with (
        Lender(database, silence=timedelta(seconds=5)) as lender,
        pytest.raises(StoreError, match="read-only transaction"),
        lender.reading() as connection,
    ):
        connection.execute("create table public.written ()")


def test_a_database_that_is_away_is_told() -> None:
    with running("postgresql://nobody@127.0.0.1:1/nothing") as (url, _):
        assert httpx.get(f"{url}/healthz").status_code == 200
        for path in ("/readyz", "/api/v1/status"):
            answer = httpx.get(url + path, headers=bearer("ord_x"), timeout=20)
            assert (answer.status_code, answer.json()["code"]) == (503, "ORD301")
