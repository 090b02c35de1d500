"""Prometheus scrapes with a token, and gets what it asks for."""

from __future__ import annotations

import httpx
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from tests.support.probes import eventually
from tests.support.web import Web

TELL = b"insert into ordinaut.event_log (type, subject, data) values (%s, 'a', %s)"


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
        await connection.execute(TELL, ("task.created", "{}"))
        scraped = text_string_to_metric_families(web.client.get("/metrics").text)
        return any(family.name == "ordinaut_events" and family.samples for family in scraped)

    await eventually(is_counted, "the event is counted")


async def test_one_odd_event_does_not_end_the_counting(
    web: Web, connection: psycopg.AsyncConnection
) -> None:
    """A row that a hand or another version wrote: the known type without what such events say."""
    await eventually(lambda: _counts(web, connection, "task.created"), "counting has begun")
    for type_, data in (("run.started", "{}"), ("run.failed", '{"task": "a", "trigger": 1, "seconds": "x"}'), ("step.failed", "{}")):  # fmt: skip
        await connection.execute(TELL, (type_, data))

    # Of another type, so that none is told of late that came before the odd ones.
    await eventually(lambda: _counts(web, connection, "task.retired"), "counting goes on")


async def _counts(web: Web, connection: psycopg.AsyncConnection, type_: str) -> bool:
    """Whether events of a type are counted that come now."""
    await connection.execute(TELL, (type_, "{}"))
    scraped = text_string_to_metric_families(web.client.get("/metrics").text)
    return any(s.value for f in scraped if f.name == "ordinaut_events" for s in f.samples if s.labels.get("type") == type_ and s.name.endswith("_total"))  # fmt: skip


def test_requests_are_measured_by_route_and_class_of_status(web: Web) -> None:
    for made_up in ("one", "two", "3"):
        web.client.get(f"/api/v1/runs/{made_up}")
        httpx.get(f"{web.url}/nowhere/{made_up}")
        httpx.request(made_up.upper(), f"{web.url}/readyz")
    web.client.get("/api/v1/status")
    # What never comes to a route.
    httpx.get(f"{web.url}/api/v1/status", headers={"Host": "other.example"})

    counted = {
        tuple(sample.labels[name] for name in ("method", "route", "status")): sample.value
        for family in text_string_to_metric_families(web.client.get("/metrics").text)
        for sample in family.samples
        if sample.name == "ordinaut_http_request_duration_seconds_count"
        # By which was known that it answers at all.
        and sample.labels["route"] != "/healthz"
    }
    assert counted == {
        ("GET", "/api/v1/runs/{run_id}", "4xx"): 3,
        ("GET", "/api/v1/status", "2xx"): 1,
        ("GET", "other", "4xx"): 4,
        ("other", "/readyz", "4xx"): 3,
    }
