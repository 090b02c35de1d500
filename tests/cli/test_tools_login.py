"""`ordinaut tools login` has a person allow what a server wants, and keeps it; `logout` ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from schemas.tools import LoginReport, LogoutReport
from tests.runtime.tools.http_server import RawHttp
from tests.runtime.tools.token_server import TokenServer
from tests.support.cli import Cli
from tests.support.processes import ROOT


@pytest.fixture
def issuer() -> Iterator[TokenServer]:
    """An authorization server with its tool server, beside the commands, which have a loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    issuer = TokenServer(RawHttp())
    asyncio.run_coroutine_threadsafe(issuer.tools.start(), loop).result(10)
    asyncio.run_coroutine_threadsafe(issuer.start(), loop).result(10)

    async def stop() -> None:
        issuer.stop()
        issuer.tools.stop()

    yield issuer
    asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def specs(folder: Path, issuer: TokenServer) -> Path:
    specs = folder / "specs"
    specs.mkdir()
    head = "apiVersion: ordinaut/v1\nkind: {}\nname: {}\n"
    (specs / "ordinaut.yaml").write_text(head.format("Project", "demo"))
    (specs / "web.yaml").write_text(
        head.format("ToolServer", "web")
        + f"http: {{url: '{issuer.tools.url}', auth: {{login: browser}}}}\n"
        + "---\n"
        + head.format("ToolServer", "open")
        + f"http: {{url: '{issuer.tools.url}'}}\n"
    )
    return specs


def where_sent(address: str) -> str:
    """Where somebody who allows everything is sent."""
    return str(httpx2.get(address).headers["location"])


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A browser whose person allows everything; the pages that it ended at."""
    pages: list[str] = []
    threads: list[threading.Thread] = []

    def visit(address: str) -> None:
        back = where_sent(address)
        stranger = f"{back.partition('?')[0]}?state=guessed&code=wrong"
        pages.extend(str(httpx2.get(each).status_code) for each in (stranger, back))

    def opened(address: str) -> bool:
        threads.append(threading.Thread(target=visit, args=(address,)))
        threads[-1].start()
        return True

    monkeypatch.setattr(webbrowser, "open", opened)
    yield pages
    for thread in threads:
        thread.join(10)


@pytest.mark.usefixtures("specs")
def test_a_person_who_is_logged_in_lets_the_tools_be_used(
    alone: Cli, issuer: TokenServer, browser: list[str]
) -> None:
    before = alone("tools", "list", "web")

    answer = alone("tools", "login", "web", "--json")

    assert before.status == 1
    assert "`ordinaut tools login web`" in before.stderr
    assert answer.status == 0
    report = LoginReport.model_validate(answer.json)
    assert (report.server, report.issuer, report.renews) == ("web", issuer.issuer, True)
    assert report.expires_at is not None
    assert f"{issuer.issuer}/authorize?" in answer.stderr
    assert alone("tools", "list", "web").lines == ["web.act"]
    assert browser == ["404", "200"]
    printed = answer.stdout + answer.stderr
    assert not [each for each in (issuer.tools.token, issuer.refresh_token) if each in printed]


@contextmanager
def running(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`ordinaut tools login web`, as a process of its own, at which nobody has typed anything."""
    program = "import sys; from reconciler.cli import main; sys.exit(main())"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program, "tools", "login", "web", *options]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.defpath}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as child:
        timer = threading.Timer(30, child.kill)
        timer.start()
        try:
            yield child
        finally:
            timer.cancel()
            child.kill()


def address_told(child: subprocess.Popen[str]) -> str:
    """The page that it wants a person to visit."""
    assert child.stderr is not None
    return next(line.strip() for line in child.stderr if "/authorize?" in line)


@pytest.mark.usefixtures("specs")
def test_without_a_browser_here_the_address_is_pasted(folder: Path, issuer: TokenServer) -> None:
    with running(folder, "--paste") as child:
        back = where_sent(address_told(child))
        out, _ = child.communicate(f"{back}\n")

    assert child.returncode == 0
    assert f"logged in at {issuer.issuer}" in out
    assert ", and renewed then" in out


@pytest.mark.usefixtures("specs")
@pytest.mark.parametrize("option", ["--paste", "--no-browser"])
def test_ctrl_c_ends_the_wait_for_a_person(folder: Path, issuer: TokenServer, option: str) -> None:
    with running(folder, option) as child:
        address_told(child)
        child.send_signal(signal.SIGINT)
        child.wait(20)

    assert child.returncode == 130
    assert issuer.asked == []
    assert not list(folder.glob(".ordinaut/logins/*.partial"))


@pytest.mark.usefixtures("specs", "browser")
def test_logout_forgets_the_login_and_has_it_taken_back(alone: Cli, issuer: TokenServer) -> None:
    assert alone("tools", "login", "web").status == 0

    answer = alone("tools", "logout", "web", "--json")

    report = LogoutReport.model_validate(answer.json)
    assert (report.removed, report.revoked) == (True, True)
    assert issuer.revoked == [issuer.refresh_token]
    assert alone("tools", "list", "web").status == 1
    assert alone("tools", "logout", "web").lines == ["nobody was logged in at web"]


@pytest.mark.usefixtures("specs", "browser")
def test_logout_where_nothing_can_be_taken_back_says_so(alone: Cli, issuer: TokenServer) -> None:
    issuer.claims = {"revocation_endpoint": None}
    assert alone("tools", "login", "web").status == 0

    answer = alone("tools", "logout", "web")

    assert (answer.status, issuer.revoked) == (0, [])
    assert "logged out" in answer.stdout
    assert "did not take it back" in answer.stdout


@pytest.mark.usefixtures("specs")
@pytest.mark.parametrize("command", ["login", "logout"])
@pytest.mark.parametrize(("server", "code"), [("open", "ORD425"), ("absent", "ORD310")])
def test_where_nobody_can_log_in_that_is_said(
    alone: Cli, command: str, server: str, code: str
) -> None:
    answer = alone("tools", command, server)

    assert answer.status == 1
    assert code in answer.stderr


@pytest.mark.usefixtures("specs")
def test_a_person_who_does_not_allow_it_is_not_logged_in(
    alone: Cli, issuer: TokenServer, browser: list[str]
) -> None:
    issuer.sends_back = {"code": "", "error": "access_denied"}

    answer = alone("tools", "login", "web")

    assert (answer.status, answer.stdout) == (1, "")
    assert (
        "ORD425: nobody was logged in at web: it was not allowed: access_denied" in answer.stderr
    )


@pytest.mark.usefixtures("specs")
def test_what_is_pasted_has_to_be_where_the_browser_was_sent(alone: Cli) -> None:
    answer = alone("tools", "login", "web", "--paste", stdin="the page said hello\n")

    assert answer.status == 1
    assert "the address that the browser was sent to has no code in it" in answer.stderr


@pytest.mark.usefixtures("specs")
def test_nobody_is_waited_for_for_ever(alone: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.cli.tools_login._MINUTES", 0)

    answer = alone("tools", "login", "web", "--no-browser")

    assert answer.status == 1
    assert "nobody came back in 0 minutes" in answer.stderr


@pytest.mark.usefixtures("specs", "browser")
def test_what_was_allowed_is_told(alone: Cli, issuer: TokenServer) -> None:
    issuer.tools.challenge += ', scope="read write"'

    answer = alone("tools", "login", "web")

    assert answer.lines[:2] == [f"web  logged in at {issuer.issuer}", "  for read write"]
    assert answer.lines[2].endswith(", and renewed then")
