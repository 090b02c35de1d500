"""What every request passes before any route: its host, its size, and what every answer says."""

from __future__ import annotations

import httpx
import pytest

from tests.support.web import Web


def test_health_needs_no_token_and_says_whether_the_database_answers(web: Web) -> None:
    assert httpx.get(f"{web.url}/healthz").text == "ok\n"
    assert httpx.get(f"{web.url}/readyz").text == "ok\n"


def test_what_is_not_there_is_a_problem_with_a_code_and_the_id_of_the_request(web: Web) -> None:
    answer = web.client.get("/nothing")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "ORD310"
    assert problem["type"] == "urn:ordinaut:error:ORD310"
    assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/healthz", "/nothing"])
def test_every_answer_is_guarded_against_being_taken_for_something_else(
    web: Web, path: str
) -> None:
    headers = web.client.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8470", "[", "", "127.0.0.1.evil.example"])  # fmt: skip
def test_a_name_that_is_not_ours_is_refused(web: Web, host: str) -> None:
    assert httpx.get(f"{web.url}/healthz", headers={"Host": host}).status_code in {400, 421}


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "[::1]:8470", "10.1.2.3"])
def test_this_machine_and_addresses_are_ours(web: Web, host: str) -> None:
    assert httpx.get(f"{web.url}/healthz", headers={"Host": host}).status_code == 200
