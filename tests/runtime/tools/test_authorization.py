"""Servers that want access tokens get them, and credentials go where they belong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runtime.tools.definition import ClientCredentials, HttpTransport, ServerDefinition
from runtime.tools.toolbox import Toolbox
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.http_server import RawHttp, Reply, compressed, reply
from tests.runtime.tools.token_server import TokenServer
from tests.support.probes import within

SECRET = "s3cr3t-of-the-client"


@pytest.fixture
async def server() -> AsyncIterator[RawHttp]:
    async with RawHttp() as server:
        yield server


@pytest.fixture
async def issuer(server: RawHttp) -> AsyncIterator[TokenServer]:
    async with TokenServer(server) as issuer:
        yield issuer


async def opened(open_toolbox: OpenToolbox, server: RawHttp, auth: ClientCredentials) -> Toolbox:
    transport = HttpTransport(server.url, {}, auth)
    return await open_toolbox(ServerDefinition(key="web", transport=transport))


def credentials(issuer: TokenServer, **more: str) -> ClientCredentials:
    proof = {"client_secret": SECRET} if "private_key" not in more else {}
    return ClientCredentials(issuer=issuer.issuer, client_id="ordinaut", **proof, **more)


async def test_a_token_is_asked_for_once_and_goes_with_every_request_after(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))

    outcomes = [await box.call("web.act", {}) for _ in range(3)]

    assert [outcome.kind for outcome in outcomes] == ["ok"] * 3
    ((fields, basic),) = issuer.asked
    assert basic == f"ordinaut:{SECRET}"
    assert (fields["grant_type"], fields["resource"]) == ("client_credentials", server.url)
    assert [i for i, (_, had) in enumerate(server.requests) if "authorization" not in had] == [0]


async def test_a_token_that_is_worth_nothing_any_more_is_replaced_and_the_call_is_made_once(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    server.token = "another"
    before = server.calls()

    outcome = await box.call("web.act", {})

    assert (outcome.kind, server.calls() - before, len(issuer.asked)) == ("ok", 2, 2)


async def test_a_token_that_a_tool_repeats_is_shown_to_nobody(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    server.answer = lambda message: reply(
        {
            "jsonrpc": "2.0",
            "id": message["id"],
            "result": {"content": [{"type": "text", "text": f"you sent {server.token}"}]},
        }
    )

    outcome = await box.call("web.act", {})

    assert outcome.value == "you sent [redacted]"


async def test_calls_that_are_refused_together_ask_for_one_token(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    server.token = "another"

    outcomes = await asyncio.gather(*(box.call("web.act", {}) for _ in range(4)))

    assert [outcome.kind for outcome in outcomes] == ["ok"] * 4
    assert len(issuer.asked) == 2


async def test_calls_with_a_token_do_not_wait_for_one_another(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    answer = server.answer
    server.answer = lambda message: (
        None if message["params"]["arguments"].get("hangs") else answer(message)
    )
    hanging = asyncio.create_task(box.call("web.act", {"hangs": True}))

    outcome = await box.call("web.act", {})

    assert (outcome.kind, hanging.done()) == ("ok", False)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)


async def test_the_secret_stands_in_the_body_where_that_is_wanted(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(
        open_toolbox, server, credentials(issuer, credentials_in="body", scope="read write")
    )

    assert (await box.call("web.act", {})).kind == "ok"

    ((fields, basic),) = issuer.asked
    assert (fields["client_id"], fields["client_secret"], basic) == ("ordinaut", SECRET, "")
    assert fields["scope"] == "read write"


async def test_a_scope_that_is_named_is_asked_for_whatever_the_tool_server_says(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    server.challenge += ', scope="everything"'
    box = await opened(open_toolbox, server, credentials(issuer, scope="read"))
    assert (await box.call("web.act", {})).kind == "ok"
    server.answer = lambda _: lacking("write")

    outcome = await box.call("web.act", {})

    assert (outcome.kind, outcome.sent) == ("rejected", False)
    assert [fields["scope"] for fields, _ in issuer.asked] == ["read"]


def lacking(scope: str) -> Reply:
    told = f'www-authenticate: Bearer error="insufficient_scope", scope="{scope}"\r\n'
    return reply("no", "403 Forbidden", headers=told)


async def test_a_scope_more_is_asked_for_beside_those_there_are(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    answer = server.answer

    def picky(message: dict[str, Any]) -> Reply | None:
        scope = message["params"]["arguments"]["scope"]
        has = issuer.asked[-1][0].get("scope", "").split()
        return answer(message) if scope in has else lacking(scope)

    server.answer = picky
    outcomes = await asyncio.gather(
        *(box.call("web.act", {"scope": scope}) for scope in ("read", "write"))
    )

    assert [outcome.kind for outcome in outcomes] == ["ok", "ok"]
    assert (await box.call("web.act", {"scope": "read"})).kind == "ok"
    assert len(issuer.asked) == 3


async def test_a_refusal_that_is_about_something_else_is_one(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    told = 'www-authenticate: Bearer error="no", error_description="not insufficient_scope"\r\n'
    server.answer = lambda _: reply("no", "403 Forbidden", headers=told)

    outcome = await box.call("web.act", {})

    assert (outcome.kind, len(issuer.asked)) == ("rejected", 1)


async def test_a_key_signs_what_it_proves_itself_with(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    box = await opened(
        open_toolbox, server, credentials(issuer, private_key=pem, algorithm="ES256")
    )

    assert (await box.call("web.act", {})).kind == "ok"

    ((fields, _),) = issuer.asked
    said = jwt.decode(
        fields["client_assertion"], key.public_key(), ["ES256"], audience=issuer.issuer
    )
    assert (said["iss"], said["sub"]) == ("ordinaut", "ordinaut")
    assert "client_secret" not in fields


async def test_credentials_go_to_no_other_issuer_whatever_the_tool_server_says(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    async with TokenServer(server) as thief:
        box = await opened(open_toolbox, server, credentials(issuer))

        outcome = await box.call("web.act", {})

        assert (thief.asked, issuer.asked) == ([], [])
    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert outcome.error is not None
    assert f"no access token from {issuer.issuer}" in outcome.error.message


async def test_an_issuer_that_says_it_is_another_is_not_believed(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    issuer.claims = {"issuer": "http://127.0.0.1:1"}
    box = await opened(open_toolbox, server, credentials(issuer))

    outcome = await box.call("web.act", {})

    assert (outcome.kind, issuer.asked) == ("not_sent", [])


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"error": "invalid_client"}, "401 Unauthorized", "invalid_client"),
        ("<html>", "200 OK", "Invalid token response"),
        ("", "503 Service Unavailable", "503"),
        ("x" * 2_000_000, "200 OK", "more than a megabyte"),
        ({"error": "no", "error_description": SECRET}, "400 Bad Request", "[redacted]"),
        ("." * 155 + SECRET, "400 Bad Request", "[redacted"),
        ({"id_token": SECRET[:12]}, "200 OK", "access_token Field required"),
        ({"access_token": [SECRET[:12]]}, "200 OK", "access_token Input should be"),
        ({"access_token": ""}, "200 OK", "it gave none"),
        ({"access_token": "x", "expires_in": 10**400}, "200 OK", "too large"),
    ],
)
async def test_a_token_that_is_refused_costs_that_call_and_not_the_session(  # noqa: PLR0917 - the columns of the table
    open_toolbox: OpenToolbox,
    server: RawHttp,
    issuer: TokenServer,
    body: object,
    status: str,
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    server.token = "another"
    issuer.answer = lambda _: reply(body, status)

    outcome = await box.call("web.act", {})

    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert outcome.error is not None
    assert told in outcome.error.message
    assert SECRET[:12] not in json.dumps(outcome.error.message) + caplog.text
    assert not [record for record in caplog.records if record.name.startswith("mcp")]
    issuer.answer = issuer.give
    assert (await box.call("web.act", {})).kind == "ok"


async def test_a_challenge_that_makes_no_sense_costs_that_call_and_not_the_session(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    server.token, sense = "another", server.challenge
    server.challenge = 'Bearer resource_metadata="http://127.0.0.1:99999/"'

    outcome = await box.call("web.act", {})

    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    server.challenge = sense
    assert (await box.call("web.act", {})).kind == "ok"
    assert [method for method, _ in server.requests].count("initialize") == 1


@pytest.mark.parametrize("key", ["no key", "-----BEGIN PRIVATE KEY-----\nno\n"])
async def test_a_key_that_is_none_is_told_of(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer, key: str
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer, private_key=key))

    outcome = await box.call("web.act", {})

    assert (outcome.kind, issuer.asked) == ("not_sent", [])
    assert outcome.error is not None
    assert f"no access token from {issuer.issuer}" in outcome.error.message


async def test_an_answer_that_becomes_huge_when_it_is_decompressed_is_not_read(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    server.token = "another"
    issuer.answer = lambda _: compressed({"access_token": "x" * 2_000_000})

    outcome = await box.call("web.act", {})

    assert outcome.kind == "not_sent"
    assert outcome.error is not None
    assert "more than a megabyte" in outcome.error.message


async def test_calls_wait_together_for_an_issuer_that_does_not_answer(
    open_toolbox: OpenToolbox,
    server: RawHttp,
    issuer: TokenServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    server.token = "another"
    issuer.answer = lambda _: (b"", False)
    monkeypatch.setattr("runtime.tools.authorization._MOST_SECONDS", 0.3)

    outcomes = await asyncio.gather(*(box.call("web.act", {}) for _ in range(4)))

    assert [outcome.kind for outcome in outcomes] == ["not_sent"] * 4
    assert len(issuer.asked) == 2
    issuer.answer = issuer.give
    assert (await box.call("web.act", {})).kind == "ok"


async def test_a_farewell_does_not_wait_for_an_issuer_that_does_not_answer(
    open_toolbox: OpenToolbox,
    server: RawHttp,
    issuer: TokenServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.session = "one"
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    server.token = "another"
    issuer.answer = lambda _: (b"", False)
    monkeypatch.setattr("runtime.tools.hardened_http._CHORE_SECONDS", 0.2)

    await within(box.stop(), "it has left")

    assert [method for method, _ in server.requests][-1] == "DELETE"


async def test_a_server_that_never_likes_a_token_is_asked_twice_and_no_more(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, server, credentials(issuer))
    await box.call("web.act", {})
    issuer.answer = lambda _: reply({"access_token": "wrong", "token_type": "Bearer"})
    server.token = "another"
    before = server.calls()

    outcome = await box.call("web.act", {})

    assert (outcome.kind, outcome.sent, server.calls() - before) == ("rejected", False, 2)


async def test_without_credentials_a_server_that_wants_a_token_refuses_the_call(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    definition = ServerDefinition(key="web", transport=HttpTransport(server.url))
    box = await open_toolbox(definition)

    outcome = await box.call("web.act", {})

    assert outcome.kind in {"rejected", "not_sent"}
    assert issuer.asked == []
