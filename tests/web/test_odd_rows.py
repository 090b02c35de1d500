"""A row that somebody broke past git takes no page away: neither its own, nor those of everybody else."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.showcase import furnish
from tests.support.web import Web
from tests.web.test_dashboard import TASK, paths, sign_in

ASKED = ("status", "tasks", f"tasks/{TASK}", f"tasks/{TASK}/next", "timeline", "runs", "drift", "spend", "revisions")  # fmt: skip


@pytest.mark.parametrize(
    "broken",
    [
        [], "x", {}, {"schedule": "x"}, {"schedule": [1]}, {"schedule": [{"rrule": 5, "timezone": 7}]}, {"calendars": 4},
        {"schedule": [{"cron": "x", "timezone": "Nowhere/There"}]}, {"schedule": [{"event": 3}]}, {"labels": "x"},
        {"owner": 5}, {"slo": 5}, {"slo": {"success": "x"}}, {"pipeline": 3}, {"params": []}, {"namespace": None},
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_takes_no_page_away(
    web: Web, rows: psycopg.Connection, broken: Any
) -> None:
    show = furnish(rows)
    uid = show.tasks[TASK].uid
    change = "body || %s" if isinstance(broken, dict) and broken else "%s"
    rows.execute(
        f"update ordinaut.spec set body = {change} where uid = %s".encode(), [Jsonb(broken), uid]
    )
    origin = {"Origin": web.url, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=web.url, headers=origin, timeout=20) as visitor:
        sign_in(visitor, web.token)
        pages = {path: visitor.get(path).status_code for path in paths(show)}
    told = {path: web.client.get(f"/api/v1/{path}").status_code for path in ASKED}

    assert {path: status for path, status in {**pages, **told}.items() if status >= 500} == {}
    assert web.client.get("/metrics").status_code == 200
