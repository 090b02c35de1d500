"""The personal agent's own servers, against the accounts that stand in: IMAP, SMTP and HTTP in earnest."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import mailbox
import os
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import ModuleType
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from tests.examples.test_personal_agent import EXAMPLE, OWNER, SUBJECTS
from tests.support.probes import eventually
from tests.support.processes import ROOT
from tests.support.valkey import free_port

PYTHON = ROOT / ".servers" / "examples" / "bin" / "python"
pytestmark = pytest.mark.skipif(
    not (PYTHON.parent / "pymap").exists(),
    reason="what examples need is not installed: make .servers/examples/.installed",
)
NOW = datetime.now(UTC)  # noqa: TID251 - the mailbox is as old as it says from now on


class Account:
    """The mailbox that stands in, running, and the server over it as a module."""

    def __init__(self, folder: Path, mail: ModuleType, smtp: int) -> None:
        self.mail = mail
        self.smtp = smtp
        self.folder = folder

    @property
    def world(self) -> list[mailbox.MaildirMessage]:
        return list(mailbox.Maildir(self.folder / "world", create=False))

    def unanswered(self, **asked: int) -> list[str]:
        return [one["subject"] for one in self.mail.list_unanswered(NOW, **asked)["letters"]]

    def comes_in(self, *lines: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp) as smtp:
            smtp.login(OWNER, "word")
            date = f"Date: {format_datetime(NOW)}"
            smtp.sendmail("ana@orchard.example", OWNER, "\n".join([date, *lines, "", "Hello."]))


def loaded(name: str) -> ModuleType:
    """A server of the example, which is a script, as a module."""
    path = EXAMPLE / "servers" / f"{name}.py"
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"personal_agent_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def wait_for(port: int) -> None:
    """Until somebody listens there."""

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    asyncio.run(eventually(answers, f"port {port}"))


def begun(folder: Path) -> None:
    """As a stand-in leaves it that was killed while it made the mailbox."""
    (folder.with_name("mailbox.new") / OWNER / "new").mkdir(parents=True)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    imap, smtp = free_port(), free_port()
    monkeypatch.setenv("MAIL_ADDRESS", OWNER)
    monkeypatch.setenv("MAIL_NAME", "Kim Moraru")
    monkeypatch.setenv("MAIL_IMAP", f"127.0.0.1:{imap}")
    monkeypatch.setenv("MAIL_SMTP", f"127.0.0.1:{smtp}")
    monkeypatch.setenv("MAIL_PASSWORD", "word")
    folder = tmp_path / "mailbox"
    begun(folder)
    command = [PYTHON, "-W", "ignore", EXAMPLE / "servers" / "mailbox_stand_in.py", f"--owner={OWNER}", f"--folder={folder}", f"--imap=127.0.0.1:{imap}", f"--smtp=127.0.0.1:{smtp}"]  # fmt: skip
    env = {"PATH": os.environ["PATH"], "MAILBOX_PASSWORD": "word"}  # noqa: TID251 - for a process
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:
        wait_for(imap)
        yield Account(folder, loaded("mail"), smtp)
    finally:
        process.kill()
        process.wait()


def test_what_is_unread_is_told_newest_first_and_stays_unread(account: Account) -> None:
    for _ in range(2):
        unread = account.mail.list_unread(2)

        assert unread["unread"] == 3
        assert [one["sender"] for one in unread["newest"]] == ["Ion Munteanu", "Maria Bejan"]
    assert account.mail.list_unread(sender="desk@library.example")["unread"] == 1
    assert account.mail.list_unread(sender="elena@office.example")["unread"] == 0


def test_a_letter_without_a_date_is_an_old_one(account: Account) -> None:
    with smtplib.SMTP("127.0.0.1", account.smtp) as smtp:
        smtp.login(OWNER, "word")
        smtp.sendmail("x@y.example", OWNER, "From: x@y.example\nSubject: Undated\n\nHello.")

    assert [one["subject"] for one in account.mail.list_unread()["newest"]][-1] == "Undated"


def test_letters_that_nobody_answered_for_72_hours_wait(account: Account) -> None:
    assert account.unanswered() == SUBJECTS
    assert account.unanswered(hours=48) == [*SUBJECTS, "Rehearsal room"]
    assert account.unanswered(days=5) == ["Lift on Saturday"]


def test_an_answer_ends_the_waiting_and_a_mention_of_its_subject_does_not(
    account: Account,
) -> None:
    account.comes_in(f"From: ion@bus.example\nSubject: {SUBJECTS[2]}\nMessage-ID: <x@bus.example>")
    account.comes_in("From: desk@archive.example\nSubject: Re: yours\nMessage-ID: <y@archive.example>\nReferences: <other@home.example> <register-1@home.example>")  # fmt: skip

    assert account.unanswered() == SUBJECTS[1:]


def test_a_follow_up_stands_in_its_thread_and_goes_to_whom_the_letter_went(
    account: Account,
) -> None:
    sent = account.mail.send_follow_up("<frames-1@home.example>", "Still?\n")

    [letter] = account.world
    assert sent == {"sent": True, "message_id": letter["Message-ID"], "to": "Workshop <post@workshop.example>"}  # fmt: skip
    assert (letter["In-Reply-To"], letter["Subject"]) == ("<frames-1@home.example>", "Re: Offer for two window frames")  # fmt: skip
    assert letter["From"] == "Kim Moraru <kim@home.example>"
    assert letter.get_payload().strip() == "Still?"


def test_nobody_is_followed_up_on_twice(account: Account) -> None:
    letter = "<register-1@home.example>"
    assert account.mail.find_follow_up(letter) == {"found": False}

    first = account.mail.send_follow_up(letter, "Still?")
    second = account.mail.send_follow_up(letter, "Still??")

    assert (first["sent"], second["sent"]) == (True, False)
    assert second["message_id"] == first["message_id"]
    assert account.mail.find_follow_up(letter)["found"] is True
    assert len(account.world) == 1
    # The follow-up is no letter that waits, however old it gets.
    assert SUBJECTS[0] not in account.unanswered()
    later = account.mail.list_unanswered(NOW + timedelta(days=8))["letters"]
    assert not any(one["subject"].startswith("Re: ") for one in later)


def test_the_own_copy_of_a_follow_up_is_not_unread_mail(account: Account) -> None:
    account.mail.send_follow_up("<lift-1@home.example>", "Still?")

    assert account.mail.list_unread()["unread"] == 3


def test_a_letter_that_there_is_not_is_not_followed_up_on(account: Account) -> None:
    with pytest.raises(ToolError, match="there is no letter <none@"):
        account.mail.send_follow_up("<none@home.example>", "Still?")
    assert account.world == []


@pytest.mark.parametrize("text", ['x"\r\nA1 LOGOUT', "ünïcode", 'a\n"'])
def test_nothing_that_is_asked_for_becomes_a_command_of_imap(account: Account, text: str) -> None:
    with pytest.raises(ToolError, match="not a text for IMAP"):
        account.mail.list_unread(sender=text)


def test_a_wrong_password_opens_nothing(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "wrong")

    with pytest.raises(
        ToolError, match=r"IMAP at 127.0.0.1:\d+: .*(?i:credentials|authentication)"
    ):
        account.mail.list_unread()
    with smtplib.SMTP("127.0.0.1", account.smtp) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):  # fmt: skip
        smtp.login(OWNER, "wrong")


@pytest.fixture
def stand_in(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A stand-in that speaks HTTP, running: its address."""
    address = f"http://127.0.0.1:{free_port()}"
    arguments = [f"--keep={tmp_path / 'kept' / 'messages.jsonl'}"] if request.param == "chat" else [address]  # fmt: skip
    command = [sys.executable, EXAMPLE / "servers" / f"{request.param}_stand_in.py", *arguments]
    process = subprocess.Popen(command, env={"CHAT_ADDRESS": address})
    try:
        wait_for(int(address.rpartition(":")[2]))
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("stand_in", ["weather"], indirect=True)
def test_the_weather_is_that_of_open_meteo_in_words(
    stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHER_URL", stand_in)

    days = loaded("weather").forecast(47.0, 28.9, 3)["days"]
    monkeypatch.setenv("WEATHER_URL", f"{stand_in}/nowhere")
    with pytest.raises(ToolError, match="404"):
        loaded("weather").forecast(47.0, 28.9, 3)

    assert [day["words"] for day in days] == ["partly cloudy", "clear", "light snow"]
    assert [day["low_celsius"] for day in days] == [0.4, -6.2, -4.8]
    first, second, _ = (datetime.fromisoformat(day["date"]) for day in days)
    assert second - first == timedelta(days=1)
    assert abs(first.replace(tzinfo=UTC) - NOW) < timedelta(days=2)


@pytest.mark.parametrize("stand_in", ["chat"], indirect=True)
def test_the_chat_keeps_a_message_once_and_shows_it_as_text(stand_in: str) -> None:
    for key, text in [("a", "<b>one</b>"), ("a", "<b>one</b>"), ("b", "two")]:
        body = json.dumps({"text": text}).encode()
        with urlopen(Request(stand_in, body, {"Idempotency-Key": key})) as answer:
            assert answer.status == 204

    for nonsense in (b"", b"[]", b"{", b'{"words": 1}', b'"' + b"x" * 1_000_001 + b'"'):
        # What is too much is not even read, so that whoever sends it may find the door shut.
        with pytest.raises(URLError, match=r"400|Broken pipe|reset"):
            urlopen(Request(stand_in, nonsense))
    with urlopen(stand_in) as page:
        shown = page.read().decode()
    assert shown.count("<pre>") == 2
    assert shown.index("two") < shown.index("&lt;b&gt;one")
