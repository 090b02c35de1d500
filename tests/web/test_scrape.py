"""Prometheus scrapes with a token, and gets what it asks for."""

from __future__ import annotations

import httpx
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from tests.support.probes import eventually
from tests.support.web import Web

TELL = "insert into ordinaut.event_log (type, subject, data) values ('task.created', 'a', '{}')"


def test_metrics_want_a_token_that_may_read(web: Web) -> None:
    assert httpx.get(f"{web.url}/metrics").status_code == 401
    assert httpx.get(f"{web.url}/metrics", headers=web.as_("emit")).status_code == 403
    assert httpx.get(f"{web.url}/metrics", headers=web.as_("read")).status_code == 200


def test_a_scrape_gets_the_format_that_it_asks_for(web: Web) -> None:
    plain = web.client.get("/metrics")
    open_metrics = web.client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )

    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert "ordinaut_database_up 1.0" in plain.text
    assert open_metrics.text.endswith("# EOF\n")


async def test_what_happens_while_the_web_side_serves_is_counted(
    web: Web, connection: psycopg.AsyncConnection
) -> None:
    async def is_counted() -> bool:
        await connection.execute(TELL.encode())
        scraped = text_string_to_metric_families(web.client.get("/metrics").text)
        return any(family.name == "ordinaut_events" and family.samples for family in scraped)

    await eventually(is_counted, "the event is counted")
