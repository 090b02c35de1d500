"""Servers over HTTPS: whom we believe, and what we show of ourselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.core.outcomes import CallOutcome
from runtime.core.tls import Tls
from runtime.tools.definition import HttpTransport, ServerDefinition
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.http_server import RawHttp
from tests.support.certificates import Authority

AUTHORITY = Authority()
OURS = AUTHORITY.pair()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RawHttp]:
    """A server that shows a certificate and wants none."""
    server = RawHttp()
    server.tls = AUTHORITY.server_context(tmp_path)
    async with server:
        yield server


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[RawHttp]:
    """A server that serves nobody without a certificate."""
    server = RawHttp()
    server.tls = AUTHORITY.server_context(tmp_path, asks_clients=True)
    async with server:
        yield server


async def outcome_with(open_toolbox: OpenToolbox, url: str, **tls: str) -> CallOutcome:
    transport = HttpTransport(url, tls=Tls(**tls) if tls else None)
    box = await open_toolbox(ServerDefinition(key="web", transport=transport, protocol="legacy"))
    return await box.call("web.act", {})


def reason(outcome: CallOutcome) -> str:
    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert outcome.error is not None
    return outcome.error.message


async def test_an_authority_of_ones_own_is_believed_as_text_and_as_a_file(
    open_toolbox: OpenToolbox, server: RawHttp, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(AUTHORITY.certificate)

    assert (await outcome_with(open_toolbox, server.url, ca=AUTHORITY.certificate)).kind == "ok"
    assert (await outcome_with(open_toolbox, server.url, ca="ca.pem")).kind == "ok"


async def test_nobody_is_believed_whom_neither_the_system_nor_the_spec_believes(
    open_toolbox: OpenToolbox, server: RawHttp
) -> None:
    other = Authority("another").certificate

    for answer in (
        await outcome_with(open_toolbox, server.url),
        await outcome_with(open_toolbox, server.url, ca=other),
    ):
        assert "certificate verify failed" in reason(answer)
    assert server.requests == []


async def test_an_authority_is_believed_for_the_names_it_signed_and_for_no_other(
    open_toolbox: OpenToolbox, server: RawHttp
) -> None:
    url = server.url.replace("127.0.0.1", "localhost")

    answer = await outcome_with(open_toolbox, url, ca=AUTHORITY.certificate)

    assert "Hostname mismatch" in reason(answer)


@pytest.mark.parametrize("form", ["texts", "one text", "files", "one file"])
async def test_a_server_that_asks_who_calls_is_shown_a_certificate(
    open_toolbox: OpenToolbox, strict: RawHttp, tmp_path: Path, form: str
) -> None:
    both = OURS.certificate + OURS.key
    (tmp_path / "ours.pem").write_text(OURS.certificate)
    (tmp_path / "ours.key").write_text(OURS.key)
    (tmp_path / "both.pem").write_text(both)
    shown = {
        "texts": {"certificate": OURS.certificate, "key": OURS.key},
        "one text": {"certificate": both},
        "files": {"certificate": "ours.pem", "key": "ours.key"},
        "one file": {"certificate": "both.pem"},
    }[form]

    answer = await outcome_with(open_toolbox, strict.url, ca=AUTHORITY.certificate, **shown)

    assert answer.kind == "ok"


async def test_without_a_certificate_such_a_server_is_not_called(
    open_toolbox: OpenToolbox, strict: RawHttp
) -> None:
    answer = await outcome_with(open_toolbox, strict.url, ca=AUTHORITY.certificate)

    assert "web could not be started" in reason(answer)
    assert strict.requests == []


async def test_a_renewed_file_is_in_force_with_the_next_connection(
    open_toolbox: OpenToolbox, server: RawHttp, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(Authority("another").certificate)
    transport = HttpTransport(server.url, tls=Tls(ca="ca.pem"))
    box = await open_toolbox(ServerDefinition(key="web", transport=transport, protocol="legacy"))
    assert "certificate verify failed" in reason(await box.call("web.act", {}))

    path.write_text(AUTHORITY.certificate)

    assert (await box.call("web.act", {})).kind == "ok"


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        ({"ca": "absent.pem"}, "absent.pem' of tls.ca cannot be read: No such file or directory"),
        ({"ca": "binary.pem"}, "binary.pem' of tls.ca cannot be read: it is no PEM"),
        ({"ca": "empty.pem"}, "tls.ca is no PEM, or more than 16,384 bytes of it"),
        ({"ca": "-----BEGIN CERTIFICATE-----\nx"}, "tls.ca cannot be used"),
        (
            {"certificate": OURS.certificate, "key": AUTHORITY.pair().key},
            "tls.certificate and tls.key cannot be used",
        ),
        (
            {"certificate": OURS.certificate, "key": AUTHORITY.pair(password=b"x").key},
            "tls.certificate and tls.key cannot be used",
        ),
        ({"certificate": OURS.certificate}, "tls.certificate and tls.key cannot be used"),
    ],
)
async def test_what_is_not_what_it_should_be_is_told(
    open_toolbox: OpenToolbox, server: RawHttp, tmp_path: Path, tls: dict[str, str], said: str
) -> None:
    (tmp_path / "binary.pem").write_bytes(b"\xff")
    (tmp_path / "empty.pem").write_text("nothing")

    answer = await outcome_with(open_toolbox, server.url, **tls)

    assert said in reason(answer)
    assert answer.error is not None
    assert "PEM" in answer.error.detail or "empty.pem" in str(tls)
    assert server.requests == []
