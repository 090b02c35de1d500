"""The list of calls over HTTP."""

from __future__ import annotations

import psycopg

from tests.cli.test_calls import result
from tests.support.cli import Cli
from tests.support.factories import NOON, insert_run, insert_task
from tests.support.web import Web

V1 = "/api/v1"


def test_the_api_tells_the_same(web: Web, cli: Cli, rows: psycopg.Connection) -> None:
    run = insert_run(rows, insert_task(rows), occurrence_for=NOON)
    result(rows, run)
    result(rows, run, "more")

    answer = web.client.get(f"{V1}/calls?limit=1").json()
    rest = web.client.get(f"{V1}/calls", params={"after": answer["next"]}).json()

    assert answer["calls"] + rest["calls"] == cli("calls", "--json").json["calls"]
    assert web.client.get(f"{V1}/calls?after=nowhere").status_code == 404
