"""Who asks is known by a token, and nothing but health is told without one."""

from __future__ import annotations

from datetime import timedelta

import httpx
import psycopg
import pytest
from fastapi.routing import iter_route_contexts

from reconciler.web.app import whole_app
from runtime.actor import Actor
from runtime.config import Config
from runtime.store.tokens import add_token, revoke_token
from runtime.web.auth import KNOWN_SECONDS
from tests.support.probes import eventually
from tests.support.web import Web, bearer

STATUS = "/api/v1/status"
SEE_OTHER = 303
OPEN = {"/healthz", "/readyz", "/sign-in"}


def test_a_token_that_is_in_force_is_let_in(web: Web) -> None:
    assert web.client.get(STATUS).status_code == 200


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer x", "Bearer ord_x", "Basic b3JkOng=", "bearer ord_" + "x" * 4000, "Bearer ord_é"],
)  # fmt: skip
def test_anything_else_is_refused(web: Web, value: str) -> None:
    answer = httpx.get(web.url + STATUS, headers={"Authorization": value.encode()})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "ORD319"


def test_a_token_in_the_address_is_no_token(web: Web) -> None:
    assert httpx.get(f"{web.url}{STATUS}?token={web.token}").status_code == 401


async def test_a_revoked_token_is_refused_within_a_second(
    web: Web, rows: psycopg.Connection
) -> None:
    token = add_token(rows, "gone", ["read"], timedelta(hours=1), actor=Actor("tester")).token
    async with httpx.AsyncClient(base_url=web.url, headers=bearer(token)) as client:
        assert (await client.get(STATUS)).status_code == 200
        revoke_token(rows, "gone", actor=Actor("tester"))

        async def refused() -> bool:
            return (await client.get(STATUS)).status_code == 401

        await eventually(refused, "the end of a revoked token", seconds=3 * KNOWN_SECONDS)


def test_an_expired_token_is_refused(web: Web, rows: psycopg.Connection) -> None:
    rows.execute(
        "update ordinaut.api_token set created_at = '2026-01-01', expires_at = '2026-01-02'"
    )

    assert web.client.get(STATUS).status_code == 401


def test_a_token_without_the_scope_is_told_which_it_lacks(web: Web) -> None:
    answer = httpx.get(web.url + STATUS, headers=web.as_("emit"))

    assert answer.status_code == 403
    assert answer.json()["code"] == "ORD320"
    assert 'scope="read"' in answer.headers["www-authenticate"]


def test_admin_may_do_everything(web: Web) -> None:
    assert httpx.get(web.url + STATUS, headers=web.as_("admin")).status_code == 200


def test_the_use_of_a_token_is_noted(web: Web, rows: psycopg.Connection) -> None:
    web.client.get(STATUS)

    [(used,)] = rows.execute("select last_used_at is not null from ordinaut.api_token").fetchall()
    assert used


def test_no_route_is_open_but_health(web: Web) -> None:
    app = whole_app(Config.load({}, environ={}), web.database)
    seen = set()
    for route in iter_route_contexts(app.routes):
        assert route.path is not None
        assert route.methods, f"{route.path} is no route that this test understands"
        path = route.path.replace("{", "").replace("}", "")
        seen.add(path)
        for method in route.methods - {"HEAD"}:
            status = httpx.request(method, web.url + path).status_code
            is_hidden = path.startswith(("/hooks/", "/callbacks/", "/static/"))
            expected = 200 if path in OPEN and method == "GET" else 404 if is_hidden else 401
            if path == "/sign-in" and method == "POST":
                # It does not come from our own page.
                expected = 403
            if not path.startswith("/api/") and status == SEE_OTHER:
                # A page leads whoever is not signed in to the door.
                expected = SEE_OTHER
            assert status == expected, (method, path)
    assert seen > OPEN
