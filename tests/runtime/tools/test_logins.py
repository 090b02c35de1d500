"""What a person allowed in a browser is used, renewed, and shared by processes; and nobody else gets any of it."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.errors import ToolServerError
from runtime.tools.allowed import AllowedTokens
from runtime.tools.consenting import log_in
from runtime.tools.definition import BrowserLogin, HttpTransport, ServerDefinition
from runtime.tools.logins import Challenge, Login, LoginFile, expiry, logins_in
from runtime.tools.loopback import Loopback
from runtime.tools.redact import Redactor
from runtime.tools.toolbox import Toolbox
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.http_server import RawHttp, Reply, reply
from tests.runtime.tools.token_server import TokenServer
from tests.support.probes import within

BACK = "http://127.0.0.1:1/callback"


@pytest.fixture
async def server() -> AsyncIterator[RawHttp]:
    async with RawHttp() as server:
        yield server


@pytest.fixture
async def issuer(server: RawHttp) -> AsyncIterator[TokenServer]:
    async with TokenServer(server) as issuer:
        yield issuer


def defined(server: RawHttp, **auth: str) -> ServerDefinition:
    return ServerDefinition(
        key="web", transport=HttpTransport(server.url, {}, BrowserLogin(**auth))
    )


def login_file(tmp_path: Path, server: RawHttp) -> LoginFile:
    return LoginFile(logins_in(tmp_path / "state"), "web", server.url)


async def visit(address: str) -> str:
    """A browser whose person allows everything."""
    async with httpx2.AsyncClient() as browser:
        return str((await browser.get(address)).headers["location"])


async def logged_in(
    tmp_path: Path, server: RawHttp, redact: Redactor | None = None, **auth: str
) -> Login:
    file = login_file(tmp_path, server)
    if not file.challenge.header:
        file.note(Challenge(401, server.challenge))
    return await log_in(
        defined(server, **auth),
        file,
        redirect_to=BACK,
        allow=visit,
        redact=redact or Redactor(),
        clock=SYSTEM_CLOCK,
    )


async def opened(
    open_toolbox: OpenToolbox, tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> Toolbox:
    """A toolbox whose server was called with a login."""
    await logged_in(tmp_path, server)
    box = await open_toolbox(defined(server))
    assert (await box.call("web.act", {})).kind == "ok"
    assert issuer.refreshes() == 0
    return box


async def test_a_call_that_nobody_allowed_is_not_sent_and_says_what_to_do(
    open_toolbox: OpenToolbox, server: RawHttp, issuer: TokenServer
) -> None:
    box = await open_toolbox(defined(server))

    outcome = await box.call("web.act", {})

    assert (outcome.kind, outcome.sent, issuer.visits) == ("not_sent", False, [])
    assert outcome.error is not None
    assert outcome.error.code == "ORD425"
    assert "ordinaut tools login web" in outcome.error.message
    with pytest.raises(ToolServerError) as listed:
        await box.tools("web")
    assert listed.value.code == "ORD425"


async def test_what_is_allowed_while_a_runtime_runs_is_used_by_its_next_call(
    open_toolbox: OpenToolbox, tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    server.challenge += ', scope="read"'
    box = await open_toolbox(defined(server))
    await box.call("web.act", {})

    login = await logged_in(tmp_path, server)

    assert (await box.call("web.act", {})).kind == "ok"
    assert (login.issuer, login.scope, login.client["client_id"]) == (
        issuer.issuer,
        "read",
        "client-1",
    )
    ((fields, _),) = issuer.asked
    assert fields["resource"] == server.url
    assert issuer.visits[0]["scope"] == "read"
    assert issuer.registered[0]["redirect_uris"] == [BACK]


async def test_a_login_is_nobody_elses_to_read_and_its_tokens_are_blotted_out(
    tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    redact = Redactor()

    login = await logged_in(tmp_path, server, redact)

    (kept,) = logins_in(tmp_path / "state").glob("*.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert redact(f"{server.token} {issuer.refresh_token}") == "[redacted] [redacted]"
    assert server.token not in repr(login)
    assert issuer.refresh_token not in repr(login)


async def test_a_token_that_has_expired_is_renewed_once_for_all_calls(
    open_toolbox: OpenToolbox, tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, tmp_path, server, issuer)
    server.token = "another"

    outcomes = await asyncio.gather(*(box.call("web.act", {}) for _ in range(4)))

    assert [outcome.kind for outcome in outcomes] == ["ok"] * 4
    assert issuer.refreshes() == 1
    kept = login_file(tmp_path, server).login
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == (server.token, issuer.refresh_token)


async def test_two_processes_use_a_refresh_token_once(
    open_toolbox: OpenToolbox, tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    boxes = [await opened(open_toolbox, tmp_path, server, issuer)]
    boxes.append(await open_toolbox(defined(server)))
    await boxes[1].call("web.act", {})
    server.token = "another"

    outcomes = await asyncio.gather(*(box.call("web.act", {}) for box in boxes))

    assert [outcome.kind for outcome in outcomes] == ["ok", "ok"]
    assert issuer.refreshes() == 1


async def test_a_login_that_is_over_has_to_be_made_anew(
    open_toolbox: OpenToolbox, tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    box = await opened(open_toolbox, tmp_path, server, issuer)
    server.token = issuer.refresh_token = "revoked"

    outcome = await box.call("web.act", {})

    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert outcome.error is not None
    assert outcome.error.code == "ORD425"
    assert f"the login at {issuer.issuer} is over" in outcome.error.message


async def test_a_login_without_a_refresh_token_ends_with_its_token(
    open_toolbox: OpenToolbox, tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    server.token = "only"
    issuer.answer = lambda _: reply({"access_token": "only", "token_type": "Bearer"})
    box = await opened(open_toolbox, tmp_path, server, issuer)
    server.token = "another"

    outcome = await box.call("web.act", {})

    assert outcome.error is not None
    assert "nothing to renew it by" in outcome.error.message


@pytest.mark.parametrize("answer", [("", "503 Service Unavailable"), ({"id": "no"}, "200 OK")])
async def test_an_issuer_that_is_out_of_order_ends_no_login(
    open_toolbox: OpenToolbox,
    tmp_path: Path,
    server: RawHttp,
    issuer: TokenServer,
    answer: tuple[Any, str],
) -> None:
    box = await opened(open_toolbox, tmp_path, server, issuer)
    server.token = "another"
    issuer.answer = lambda _: reply(*answer)

    outcome = await box.call("web.act", {})

    assert outcome.error is not None
    assert (outcome.kind, outcome.error.code) == ("not_sent", "ORD401")
    issuer.answer = issuer.give
    assert (await box.call("web.act", {})).kind == "ok"


async def test_a_scope_more_is_allowed_beside_those_there_are(
    open_toolbox: OpenToolbox, tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    where = server.challenge
    server.challenge = f'{where}, scope="read"'
    box = await open_toolbox(defined(server))
    await box.call("web.act", {})
    await logged_in(tmp_path, server)
    answer = server.answer

    def picky(message: dict[str, Any]) -> Reply | None:
        if "write" in issuer.visits[-1]["scope"]:
            return answer(message)
        told = f'www-authenticate: {where}, error="insufficient_scope", scope="write"\r\n'
        return reply("no", "403 Forbidden", headers=told)

    server.answer = picky
    outcome = await box.call("web.act", {})

    assert outcome.error is not None
    assert (outcome.kind, outcome.error.code) == ("not_sent", "ORD425")
    assert "a scope that nobody allowed" in outcome.error.message
    await logged_in(tmp_path, server)
    assert issuer.visits[-1]["scope"] == "read write"
    assert (await box.call("web.act", {})).kind == "ok"
    assert issuer.refreshes() == 0


@pytest.mark.parametrize(
    ("back", "told"),
    [
        ({"state": "of somebody else"}, "State parameter mismatch"),
        ({"iss": "https://thief.example"}, "iss mismatch"),
        ({"code": ""}, "no code"),
        ({"code": "", "error": "access_denied"}, "not allowed: access_denied"),
    ],
)
async def test_what_did_not_come_from_whom_we_asked_is_no_login(
    tmp_path: Path, server: RawHttp, issuer: TokenServer, back: dict[str, str], told: str
) -> None:
    issuer.sends_back = back

    with pytest.raises(ToolServerError, match=told) as refused:
        await logged_in(tmp_path, server, issuer=issuer.issuer)

    assert (refused.value.code, issuer.asked) == ("ORD425", [])
    assert login_file(tmp_path, server).login is None


async def test_an_issuer_that_is_named_is_the_only_one(
    tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    with pytest.raises(ToolServerError, match=r"and not to https://auth\.example\.com"):
        await logged_in(tmp_path, server, issuer="https://auth.example.com")

    assert (issuer.registered, issuer.visits) == ([], [])


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"code_challenge_methods_supported": []}, "PKCE"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"issuer": "https://thief.example"}, "issuer mismatch"),
        ({"resource": "https://thief.example/mcp"}, "does not match"),
    ],
)
async def test_where_it_is_not_safe_nobody_is_asked_to_log_in(
    tmp_path: Path, server: RawHttp, issuer: TokenServer, claims: dict[str, Any], told: str
) -> None:
    issuer.claims = claims

    with pytest.raises(ToolServerError, match=told):
        await logged_in(tmp_path, server)

    assert issuer.visits == []


async def test_a_token_that_is_none_is_no_login(
    tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    issuer.answer = lambda _: reply({"access_token": "", "token_type": "Bearer"})

    with pytest.raises(ToolServerError, match="gave no token"):
        await logged_in(tmp_path, server)

    assert login_file(tmp_path, server).login is None


async def test_what_was_allowed_at_one_address_is_not_for_another(
    open_toolbox: OpenToolbox, tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    await logged_in(tmp_path, server)
    async with RawHttp() as other:
        other.token = "its own"
        box = await open_toolbox(defined(other))

        outcome = await box.call("web.act", {})

        assert outcome.error is not None
        assert outcome.error.code == "ORD425"
        assert not [had for _, had in other.requests if "authorization" in had]
    assert issuer.refreshes() == 0


async def test_a_login_at_another_issuer_than_is_named_is_not_used(
    tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    await logged_in(tmp_path, server)
    folder = logins_in(tmp_path / "state")

    assert LoginFile(folder, "web", server.url, issuer.issuer).login is not None
    assert LoginFile(folder, "web", server.url, "https://auth.example.com").login is None


@pytest.mark.parametrize(
    ("ways", "basic"),
    [(None, "known:s3cr3t-of-it"), (["client_secret_post"], "")],
)
async def test_a_client_that_is_known_proves_itself_and_does_not_register(
    tmp_path: Path,
    server: RawHttp,
    issuer: TokenServer,
    ways: list[str] | None,
    basic: str,
) -> None:
    if ways is not None:
        issuer.claims = {"token_endpoint_auth_methods_supported": ways}

    await logged_in(
        tmp_path,
        server,
        issuer=issuer.issuer,
        client_id="known",
        client_secret="s3cr3t-of-it",
        scope="mine",
    )

    ((fields, proof),) = issuer.asked
    assert (issuer.registered, proof) == ([], basic)
    assert fields.get("client_secret", "") == ("" if basic else "s3cr3t-of-it")
    assert issuer.visits[0]["scope"] == "mine"


async def test_a_document_says_who_we_are_where_it_is_read(
    tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    issuer.claims = {"client_id_metadata_document_supported": True}

    await logged_in(tmp_path, server, client_id="https://example.com/ordinaut.json")

    assert issuer.registered == []
    assert issuer.visits[0]["client_id"] == "https://example.com/ordinaut.json"


@pytest.mark.parametrize("broken", ["", "{}", "[]", '{"url": 1}', '{"url": "U", "login": {}}'])
def test_a_login_that_cannot_be_read_is_none(tmp_path: Path, broken: str) -> None:
    (tmp_path / "ops.crm.json").write_text(broken.replace("U", "http://x"))

    file = LoginFile(tmp_path, "ops/crm", "http://x")

    assert (file.login, file.challenge.status) == (None, 401)


@pytest.mark.parametrize("seconds", [3600, 10**400])
def test_a_token_lasts_as_long_as_it_is_said_to_within_reason(seconds: int) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    until = expiry(seconds, now)

    assert until == now + min(timedelta(days=3650), timedelta(seconds=min(seconds, 10**9)))


async def test_a_server_that_knows_no_older_revision_still_wants_a_login(
    open_toolbox: OpenToolbox,
) -> None:
    class Modern(RawHttp):
        def respond(self, line: str, headers: dict[str, str], body: str) -> Reply | None:
            if '"initialize"' in body:
                error = {"code": -32600, "message": "what?"}
                return reply({"jsonrpc": "2.0", "id": 1, "error": error}, "400 Bad Request")
            return super().respond(line, headers, body)

    async with Modern() as server, TokenServer(server):
        box = await open_toolbox(defined(server))

        outcome = await box.call("web.act", {})

    assert outcome.error is not None
    assert outcome.error.code == "ORD425"


async def test_what_was_given_for_a_refresh_token_is_kept_though_nobody_waits_any_more(
    tmp_path: Path, server: RawHttp, issuer: TokenServer
) -> None:
    await logged_in(tmp_path, server)
    file = login_file(tmp_path, server)
    tokens = AllowedTokens("web", file, None, Redactor(), SYSTEM_CLOCK)
    request = httpx2.Request("POST", server.url)
    waiting = asyncio.create_task(
        tokens.renew(httpx2.Response(401), request, tokens.authorize(request))
    )
    arrived = asyncio.Event()

    def give(fields: dict[str, str]) -> Reply:
        arrived.set()
        return issuer.give(fields)

    issuer.answer = give
    await within(arrived.wait(), "the refresh token is used")

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await tokens.aclose()

    kept = file.login
    assert kept is not None
    assert kept.refresh_token == issuer.refresh_token == "refresh-2"


async def test_only_the_answer_to_what_was_asked_ends_the_wait_for_a_browser() -> None:
    async with Loopback() as loopback, httpx2.AsyncClient() as browser:
        coming = asyncio.create_task(loopback.came_back("https://i/authorize?state=mine"))
        await SYSTEM_CLOCK.sleep(0)
        host, port = loopback.address.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 404")
        writer.close()
        for query in ("", "?state=yours&code=x", "/there?state=mine&code=x"):
            assert (await browser.get(loopback.address + query)).status_code == 404
        assert (await browser.post(f"{loopback.address}?state=mine")).status_code == 404
        assert not coming.done()

        page = await browser.get(f"{loopback.address}?state=mine&code=it")

        assert page.status_code == 200
        assert await coming == "/callback?state=mine&code=it"
