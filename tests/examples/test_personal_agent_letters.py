"""Letters as they come from anywhere: broken, folded, undated, answered without saying so, and very many."""

from __future__ import annotations

import mailbox
from datetime import UTC, timedelta
from email import message_from_string
from email.utils import format_datetime

import pytest

from tests.examples.test_personal_agent import OWNER, SUBJECTS
from tests.examples.test_personal_agent_servers import NOW, Account, account, loaded, pytestmark

__all__ = ["account", "pytestmark"]
LONG = f"<{'a' * 90}@{'b' * 40}.example>"
DATED = f"Date: {format_datetime(NOW - timedelta(days=5))}"


def put(account: Account, *lines: str, folder: str = "Sent") -> None:
    """A letter is in a folder of the owner, from wherever."""
    text = "\n".join([*lines, "", "Hello."])
    inbox = mailbox.Maildir(account.folder / OWNER, create=False)
    (inbox if folder == "INBOX" else inbox.get_folder(folder)).add(text.encode())


BROKEN = [
    'From: "\nSubject: 1',
    "From: =?x?y?z?=@\nSubject: 2",
    "From: <a@[\nSubject: 3",
    "From: =?utf-8?q?a=0d=0ab?= <x@y.example>\nSubject: =?utf-8?q?a=0Ab?=",
    "From: a@b.example\nMessage-ID: <>\nSubject: 5",
    "From: a@b.example\nMessage-ID: <a@[x\nSubject: =?nonsense?b?/w?=",
    "From: a@b.example\nDate: Fri, 31 Dec 9999 23:59:59 -1200\nSubject: 7",
    "From: a@b.example\nDate: Mon, 05 Jan 2026 08:00:00 -0000",
    "From: a@b.example",
    "From: \xff\xfe <a@b.example>\nTo: ,",
]


@pytest.mark.parametrize("headers", BROKEN)
def test_a_broken_letter_is_read_as_some_text(headers: str) -> None:
    letters = loaded("letters")

    letter = letters.Letter("INBOX", message_from_string(f"{headers}\n\nHello."))

    assert (letter.id, letter.at.tzinfo) == ("", UTC)
    assert "\n" not in letter.subject + letter.sender[0] + letter.sender[1]
    assert letter not in letters.Answers.of([letter])


def test_who_is_not_told_to_whom_a_letter_went_cannot_follow_up_on_it(account: Account) -> None:
    put(account, DATED, "Message-ID: <blind@home.example>", "Subject: To nobody that it tells")
    put(account, DATED, "To: ana@orchard.example")
    put(account, DATED, "Message-ID: <bare@home.example>", "To: ana@orchard.example")

    assert account.unanswered() == [SUBJECTS[0], SUBJECTS[1], "(no subject)", SUBJECTS[2]]
    put(account, "From: x@y.example", folder="INBOX")
    assert "(no subject)" in [one["subject"] for one in account.mail.list_unread()["newest"]]


def test_who_is_asked_for_by_address_is_nobody_whose_address_is_longer(account: Account) -> None:
    put(account, "From: Helena <helena@office.example>", "Subject: Lunch", folder="INBOX")
    put(account, "From: E. <ELENA@office.example>", "Subject: Numbers", folder="INBOX")

    told = account.mail.list_unread(sender="elena@office.example")

    assert (told["unread"], [one["subject"] for one in told["newest"]]) == (1, ["Numbers"])


@pytest.mark.parametrize(
    ("lines", "is_answer"),
    [
        (["Subject: Re: Lift on Saturday", f"Date: {format_datetime(NOW)}"], True),
        (["Subject: AW: RE: lift on\n Saturday", f"Date: {format_datetime(NOW)}"], True),
        (["Subject: Re: Lift on Saturday", DATED], False),
        (["Subject: Re: Lift on Sunday", f"Date: {format_datetime(NOW)}"], False),
        (["In-Reply-To: <lift-1@home.example>"], True),
        (["References:\n <lift-1@home.example>", "Date: Thu, 01 Jan 1970 00:00:00 +0000"], True),
        (["In-Reply-To: <lift-1@home.example>", "Auto-Submitted: auto-replied"], False),
    ],
)
def test_what_is_an_answer(account: Account, lines: list[str], is_answer: bool) -> None:
    put(account, "From: Ion <Ion@Bus.example>", *lines, folder="INBOX")

    assert ("Lift on Saturday" not in account.unanswered()) is is_answer
    # Who agreed before the answer came does not write once more.
    sent = account.mail.send_follow_up("<lift-1@home.example>", "Still?")
    assert sent["sent"] is not is_answer
    assert len(account.world) == (not is_answer)


def test_a_follow_up_keeps_its_thread_and_its_people_whatever_they_are_called(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_NAME", "Moraru, Kim")
    put(
        account,
        DATED,
        f"Message-ID:\n {LONG}",
        f"References: {LONG.replace('a', 'c')}",
        f"From: {OWNER}",
        "To: =?utf-8?q?Ru=C8=99u=2C_Ana?= <ana@orchard.example>,\n Ben <ben@orchard.example>",
        "Subject: =?utf-8?q?=C8=98edin=C8=9B=C4=83?=",
    )
    [waits] = [one for one in account.mail.list_unanswered(NOW)["letters"] if one["id"] == LONG]
    assert (waits["name"], waits["subject"]) == ("Rușu, Ana", "Ședință")

    account.mail.send_follow_up(LONG, "Încă?\n" + "long " * 300)

    [letter] = account.world
    assert "".join(letter["In-Reply-To"].split()) == LONG
    assert letter["References"].split() == [LONG.replace("a", "c"), LONG]
    assert letter["From"] == '"Moraru, Kim" <kim@home.example>'
    assert letter["To"].count("@orchard.example>") == 2
    assert letter.get_payload(decode=True).decode().startswith("Încă?")
    assert all(len(line) < 200 and line.isascii() for line in letter.as_string().splitlines())
    assert LONG not in [one["id"] for one in account.mail.list_unanswered(NOW)["letters"]]


def test_a_flood_of_letters_is_read_some_at_a_time(account: Account) -> None:
    for number in range(450):
        put(account, "From: a@b.example", f"Subject: {number}", DATED, folder="INBOX")

    told = account.mail.list_unread(3)

    assert (told["unread"], len(told["newest"])) == (453, 3)
    assert account.mail.list_unread(sender="a@b.example")["unread"] == 200
    assert account.unanswered() == SUBJECTS


def test_answers_that_were_put_elsewhere_are_looked_for_there(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(account, "From: ion@bus.example", "In-Reply-To: <lift-1@home.example>", folder="Sent")
    monkeypatch.setenv("MAIL_ANSWERS", "INBOX, Sent")

    assert account.unanswered() == SUBJECTS[:2]
