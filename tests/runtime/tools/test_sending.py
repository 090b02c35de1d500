"""`ordinaut.post` and `ordinaut.email` send to real servers, and say of each failure whether anything can have arrived."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from runtime.clock import SYSTEM_CLOCK
from runtime.core.identity import KEY_META
from runtime.core.outcomes import CallOutcome
from runtime.tools.builtin import builtin_tools
from runtime.tools.sending import Senders
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.http_server import HttpByHand, Reply, reply
from tests.support.certificates import Authority

MAIL = {
    "from": "ordinaut@example.com",
    "to": ["ada@example.com"],
    "subject": "billing failed",
    "text": "It did.\n.\nReally: größer",
}
TOOLS = builtin_tools()["ordinaut"]


def told(outcome: CallOutcome) -> tuple[str, str, bool]:
    assert outcome.error is not None
    return outcome.kind, outcome.error.code, outcome.sent


class Sink(HttpByHand):
    """Answers every request with one status, and remembers what came."""

    def __init__(self) -> None:
        super().__init__()
        self.status: str | None = "204 No Content"
        self.headers = ""
        self.got: list[tuple[str, dict[str, str], str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def respond(self, line: str, headers: dict[str, str], body: str) -> Reply | None:
        self.got.append((line, headers, body))
        return None if self.status is None else reply("", self.status, headers=self.headers)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as sink:
        yield sink


async def test_a_request_goes_out_with_its_key(open_toolbox: OpenToolbox, sink: Sink) -> None:
    box = await open_toolbox()
    arguments = {"url": sink.url, "body": {"text": "hello"}, "headers": {"X-Token": "t"}}

    outcome = await box.call("ordinaut.post", arguments, meta={KEY_META: "key-1"})

    assert (outcome.kind, outcome.value, outcome.sent) == ("ok", {"status": 204}, True)
    [(line, headers, body)] = sink.got
    assert line == "POST /hook HTTP/1.1"
    assert json.loads(body) == {"text": "hello"}
    assert (headers["idempotency-key"], headers["x-token"]) == ("key-1", "t")


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        ("302 Found", "rejected", "ORD408"),
        ("404 Not Found", "rejected", "ORD408"),
        ("429 Too Many Requests", "tool_error", "ORD404"),
        ("503 Service Unavailable", "tool_error", "ORD404"),
    ],
)
async def test_what_is_no_success_is_an_outcome_and_no_redirect_is_followed(
    open_toolbox: OpenToolbox, sink: Sink, status: str, kind: str, code: str
) -> None:
    box = await open_toolbox()
    sink.status, sink.headers = status, f"location: {sink.url}/elsewhere\r\n"

    outcome = await box.call("ordinaut.post", {"url": sink.url, "body": 1})

    assert told(outcome) == (kind, code, True)
    assert len(sink.got) == 1


async def test_nobody_there_was_sent_nothing_and_whoever_is_silent_something(
    open_toolbox: OpenToolbox, sink: Sink
) -> None:
    box = await open_toolbox()
    sink.status = None
    silent = await box.call(
        "ordinaut.post", {"url": sink.url, "body": 1}, timeout=timedelta(milliseconds=300)
    )
    sink.stop()
    nobody = await box.call("ordinaut.post", {"url": sink.url, "body": 1})

    assert told(silent) == ("timeout", "ORD405", True)
    assert told(nobody) == ("not_sent", "ORD401", False)


async def test_what_would_be_no_sound_request_is_not_made(
    open_toolbox: OpenToolbox, sink: Sink
) -> None:
    box = await open_toolbox()
    arguments = {"url": sink.url, "body": 1, "headers": {"x": "a\r\nHost: evil"}}

    outcome = await box.call("ordinaut.post", arguments)

    assert told(outcome) == ("contract_error", "ORD403", False)
    assert sink.got == []


class Mailbox:
    """What a mail server took, and whom it refuses."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.answer = "250 OK"
        self.refuses: frozenset[str] = frozenset()

    async def handle_RCPT(  # noqa: N802 - its name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return "550 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        if self.answer.startswith("2"):
            self.letters.append(envelope)
        return self.answer

    def admits(self, *facts: Any) -> AuthResult:
        login = facts[-1]
        assert isinstance(login, LoginPassword)
        self.logins.append((login.login, login.password))
        return AuthResult(success=login.password == b"right")


class _Implicit(Controller):
    """Encrypted from the first byte; its own look whether it listens speaks no TLS of ours."""

    def _trigger_server(self) -> None:
        with socket.create_connection((self.hostname, self.port), 5):
            pass


@contextmanager
def mail_server(
    mailbox: Mailbox, tls: ssl.SSLContext | None, *, implicit: bool = False
) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kind = _Implicit if implicit else Controller
    server = kind(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        ssl_context=tls if implicit else None,
        tls_context=None if implicit else tls,
        authenticator=mailbox.admits,
        auth_require_tls=not implicit,
    )
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop()


@pytest.fixture
def authority() -> Authority:
    return Authority()


async def send(authority: Authority | None, folder: Path, **arguments: Any) -> CallOutcome:
    if authority is not None:
        arguments = {"ca": authority.certificate, **arguments}
    senders = Senders(SYSTEM_CLOCK, folder)
    return await senders.call(
        TOOLS["email"].info, {**MAIL, **arguments}, {KEY_META: "key-1"}, limit=None
    )


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_letter_arrives_over_an_encrypted_connection(
    tmp_path: Path, authority: Authority, implicit: bool
) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, authority.server_context(tmp_path), implicit=implicit) as server:
        outcome = await send(
            authority,
            tmp_path,
            server=server,
            security="tls" if implicit else "starttls",
            username="ada",
            password="right",
        )

    assert (outcome.kind, outcome.value) == (
        "ok",
        {"accepted": ["ada@example.com"], "refused": {}},
    )
    assert mailbox.logins == [(b"ada", b"right")]
    [letter] = mailbox.letters
    assert (letter.mail_from, letter.rcpt_tos) == ("ordinaut@example.com", ["ada@example.com"])
    assert isinstance(letter.content, bytes)
    assert "größer".encode() in letter.content


async def test_an_authority_that_is_none_is_said_before_anybody_is_called(
    tmp_path: Path, authority: Authority
) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, authority.server_context(tmp_path)) as server:
        outcome = await send(None, tmp_path, server=server, ca="/etc/ssl/ca.pem")

    assert told(outcome) == ("contract_error", "ORD403", False)
    assert mailbox.letters == []


async def test_a_certificate_that_nobody_signed_for_ends_it_before_the_password(
    tmp_path: Path, authority: Authority
) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, authority.server_context(tmp_path)) as server:
        login = {"username": "ada", "password": "right"}
        outcome = await send(Authority("another"), tmp_path, server=server, **login)

    assert told(outcome) == ("not_sent", "ORD401", False)
    assert (mailbox.logins, mailbox.letters) == ([], [])


async def test_a_server_that_does_not_encrypt_gets_neither_password_nor_letter(
    tmp_path: Path,
) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, None) as server:
        outcome = await send(None, tmp_path, server=server, username="ada", password="right")
        plain = await send(None, tmp_path, server=server, security="none")

    assert told(outcome) == ("not_sent", "ORD401", False)
    assert mailbox.logins == []
    assert plain.kind == "ok"


async def test_a_wrong_password_sends_nothing_and_is_not_told(
    tmp_path: Path, authority: Authority
) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, authority.server_context(tmp_path)) as server:
        outcome = await send(
            authority,
            tmp_path,
            server=server,
            username="ada",
            password="wr0ng-one",
        )

    assert told(outcome) == ("not_sent", "ORD401", False)
    assert "wr0ng" not in str(outcome.error)
    assert mailbox.letters == []


@pytest.mark.parametrize(
    ("answer", "kind"), [("451 later", "tool_error"), ("554 never", "rejected")]
)
async def test_a_letter_that_is_refused_is_tried_again_only_where_that_helps(
    tmp_path: Path, answer: str, kind: str
) -> None:
    mailbox = Mailbox()
    mailbox.answer = answer
    with mail_server(mailbox, None) as server:
        outcome = await send(None, tmp_path, server=server, security="none")

    assert outcome.kind == kind


async def test_who_is_refused_is_told_and_the_others_get_it(tmp_path: Path) -> None:
    mailbox = Mailbox()
    mailbox.refuses = frozenset({"eve@example.com"})
    with mail_server(mailbox, None) as server:
        some = await send(
            None,
            tmp_path,
            server=server,
            security="none",
            to=["ada@example.com", "eve@example.com"],
        )
        nobody = await send(None, tmp_path, server=server, security="none", to=["eve@example.com"])

    assert some.value == {"accepted": ["ada@example.com"], "refused": {"eve@example.com": 550}}
    assert nobody.kind == "rejected"
    assert len(mailbox.letters) == 1


async def test_a_mail_server_that_is_not_there_was_sent_nothing(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{probe.getsockname()[1]}"
    outcome = await send(None, tmp_path, server=server, security="none")

    assert told(outcome) == ("not_sent", "ORD401", False)
