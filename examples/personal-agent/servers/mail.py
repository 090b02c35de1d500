"""A mail account by IMAP and SMTP: what is unread, what nobody answered, and letters that follow up on that.

Nobody is followed up on twice. The Message-ID of a follow-up is made of that of the letter which it is about, so that it can
be looked for; and it goes to its recipient and to the account itself in one transaction of SMTP, so that it is in the mailbox
if and only if it was sent. Before anything is sent the mailbox is asked.
"""

from __future__ import annotations

import hashlib
import imaplib
import os
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, parseaddr
from typing import Any
from urllib.parse import SplitResult, urlsplit

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
EVER = datetime.min.replace(tzinfo=UTC)
IMAPS, SMTPS = 993, 465
REFUSED = 400
FOLLOW_UP = "<follow-up."
LOOKS = ToolAnnotations(read_only_hint=True)
SENDS = ToolAnnotations(destructive_hint=False, idempotent_hint=True)
HEADERS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID IN-REPLY-TO REFERENCES FROM TO SUBJECT DATE)]"

server = MCPServer("mail")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose the mail is, and where: `host:port`. It is TLS from the first byte at the ports for that, 993 and 465."""

    address: str
    name: str
    imap: SplitResult
    smtp: SplitResult
    user: str
    password: str
    sent: str

    @classmethod
    def from_environment(cls) -> Account:
        """The account that the server was started for."""
        address = os.environ["MAIL_ADDRESS"]
        return cls(
            address=address,
            name=os.environ.get("MAIL_NAME", ""),
            imap=urlsplit(f"//{os.environ['MAIL_IMAP']}"),
            smtp=urlsplit(f"//{os.environ['MAIL_SMTP']}"),
            user=os.environ.get("MAIL_USER") or address,
            password=os.environ["MAIL_PASSWORD"],
            sent=os.environ.get("MAIL_SENT", "Sent"),
        )


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter of the mailbox."""

    folder: str
    message: EmailMessage

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"]).strip()

    @property
    def at(self) -> datetime:
        """When it was sent, as it says itself; long ago where it says nothing."""
        at: datetime | None = getattr(self.message["Date"], "datetime", None)
        return at.astimezone(UTC) if at else EVER

    @property
    def sender(self) -> tuple[str, str]:
        """Name and address."""
        return parseaddr(str(self.message["From"]))

    @property
    def recipients(self) -> list[tuple[str, str]]:
        return getaddresses([str(line) for line in self.message.get_all("To", [])])

    @property
    def answers(self) -> set[str]:
        """The letters that it is an answer to, or goes on from."""
        return set(
            re.findall(
                r"<[^<>\s]+>", f"{self.message['In-Reply-To']} {self.message['References']}"
            )
        )


@server.tool(annotations=LOOKS)
def list_unread(limit: int = 10, sender: str | None = None) -> dict[str, Any]:
    """The newest letters that nobody has read; with `sender`, those from this address."""
    account = Account.from_environment()
    with open_mailbox(account) as box:
        wanted = f'UNSEEN FROM "{quoted(sender)}"' if sender else "UNSEEN"
        unread = [one for one in read(box, "INBOX", wanted) if one.sender[1] != account.address]
    unread.sort(key=lambda letter: letter.at, reverse=True)
    newest = [
        {"sender": one.sender[0] or one.sender[1], "address": one.sender[1], "subject": str(one.message["Subject"]), "at": one.at.isoformat()}
        for one in unread[:limit]
    ]  # fmt: skip
    return {"unread": len(unread), "newest": newest}


@server.tool(annotations=LOOKS)
def list_unanswered(now: datetime, hours: int = 72, days: int = 30) -> dict[str, Any]:
    """Letters sent by this account that had no answer for so many hours, of the last days; oldest first.

    A letter is left out once it was followed up on, or is no longer in the folder of what was sent.
    """
    account = Account.from_environment()
    with open_mailbox(account) as box:
        since = f"{now - timedelta(days=days):SENTSINCE %d-%b-%Y}"
        letters = [one for folder in ("INBOX", account.sent) for one in read(box, folder, since)]
        answered = {one for letter in letters for one in letter.answers}
        waiting = [
            letter
            for letter in letters
            if letter.folder == account.sent
            and letter.id not in answered
            and not letter.id.startswith(FOLLOW_UP)
            and now - timedelta(days=days) <= letter.at <= now - timedelta(hours=hours)
        ]
    waiting.sort(key=lambda letter: letter.at)
    return {"letters": [described(letter, now) for letter in waiting]}


@server.tool(annotations=LOOKS)
def find_follow_up(letter: str) -> dict[str, Any]:
    """Whether a letter was followed up on from this account, by its Message-ID."""
    account = Account.from_environment()
    with open_mailbox(account) as box:
        sent = find(box, account, follow_up_id(account, letter))
    if sent is None:
        return {"found": False}
    return {"found": True, "message_id": sent.id, "sent_at": sent.at.isoformat()}


@server.tool(annotations=SENDS)
def send_follow_up(letter: str, text: str) -> dict[str, Any]:
    """Follow up on a letter, given by its Message-ID, unless that was done before."""
    account = Account.from_environment()
    with open_mailbox(account) as box:
        sent = find(box, account, follow_up_id(account, letter))
        original = find(box, account, letter)
    if sent is not None:
        return {"sent": False, "message_id": sent.id, "sent_at": sent.at.isoformat()}
    if original is None:
        raise ValueError(f"there is no letter {letter} in {account.sent} or INBOX")
    message = compose(account, original, text)
    submit(account, message, str(original.message["To"]))
    return {"sent": True, "message_id": str(message["Message-ID"]), "to": str(message["To"])}


def follow_up_id(account: Account, letter: str) -> str:
    """The Message-ID of the follow-up on a letter: the same whoever asks, and whenever."""
    digest = hashlib.sha256(letter.encode()).hexdigest()[:32]
    return f"{FOLLOW_UP}{digest}@{account.address.partition('@')[2]}>"


def described(letter: Letter, now: datetime) -> dict[str, Any]:
    """What a person, or a model, needs to know of a letter."""
    name, address = letter.recipients[0]
    return {
        "id": letter.id,
        "name": name or address,
        "address": address,
        "subject": str(letter.message["Subject"]),
        "sent_at": letter.at.isoformat(),
        "days": (now - letter.at).days,
    }


def compose(account: Account, original: Letter, text: str) -> EmailMessage:
    """A letter that stands in the thread of the one it follows up on."""
    message = EmailMessage()
    subject = str(original.message["Subject"])
    message["Message-ID"] = follow_up_id(account, original.id)
    message["In-Reply-To"] = original.id
    message["References"] = f"{original.message['References'] or ''} {original.id}".strip()
    message["From"] = f"{account.name} <{account.address}>" if account.name else account.address
    message["To"] = str(original.message["To"])
    message["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    message["Date"] = format_datetime(datetime.now(UTC))
    message.set_content(text)
    return message


def submit(account: Account, message: EmailMessage, to: str) -> None:
    """Hand a letter in, for its recipients and for ourselves, as one: the server takes it for all of them or for none."""
    with connect_smtp(account) as smtp:
        smtp.login(account.user, account.password)
        smtp.mail(account.address)
        for _, address in [*getaddresses([to]), ("", account.address)]:
            code, said = smtp.rcpt(address)
            if code >= REFUSED:
                raise ValueError(f"{address} is refused: {said.decode(errors='replace')}")
        code, said = smtp.data(message.as_bytes(policy=policy.SMTP))
        if code >= REFUSED:
            raise ValueError(f"the letter is refused: {said.decode(errors='replace')}")


@contextmanager
def open_mailbox(account: Account) -> Iterator[imaplib.IMAP4]:
    """A session of IMAP, which is encrypted unless the server is on this machine."""
    host, tls = account.imap.hostname or "", ssl.create_default_context()
    port = account.imap.port or IMAPS
    if port == IMAPS:
        box: imaplib.IMAP4 = imaplib.IMAP4_SSL(host, port, ssl_context=tls)
    else:
        box = imaplib.IMAP4(host, port)
        if host not in LOOPBACK:
            box.starttls(tls)
    try:
        box.login(account.user, account.password)
        yield box
    finally:
        box.logout()


def connect_smtp(account: Account) -> smtplib.SMTP:
    """A session of SMTP, which is encrypted unless the server is on this machine."""
    host, tls = account.smtp.hostname or "", ssl.create_default_context()
    port = account.smtp.port or SMTPS
    if port == SMTPS:
        return smtplib.SMTP_SSL(host, port, context=tls)
    smtp = smtplib.SMTP(host, port)
    if host not in LOOPBACK:
        smtp.starttls(context=tls)
    return smtp


def find(box: imaplib.IMAP4, account: Account, message_id: str) -> Letter | None:
    """A letter by its Message-ID, wherever it came or went."""
    wanted = f'HEADER Message-ID "{quoted(message_id)}"'
    for folder in (account.sent, "INBOX"):
        for letter in read(box, folder, wanted):
            # The search is for a part of the header.
            if letter.id == message_id:
                return letter
    return None


def read(box: imaplib.IMAP4, folder: str, wanted: str) -> list[Letter]:
    """The letters of a folder that a search finds, by their headers; nothing is marked as read."""
    answer(box.select(quote(folder), readonly=True))
    uids = answer(box.uid("SEARCH", wanted))[0].split()
    if not uids:
        return []
    letters = []
    for part in answer(box.uid("FETCH", b",".join(uids).decode(), f"({HEADERS})")):
        if isinstance(part, tuple):
            message = message_from_bytes(part[1], policy=policy.default)
            letters.append(Letter(folder, message))
    return letters


def answer(reply: tuple[str, list[Any]]) -> list[Any]:
    """What an IMAP server answered, if it did as it was asked."""
    status, data = reply
    if status != "OK":
        raise ValueError(f"the mailbox refuses: {data[0]!r}")
    return data


def quote(text: str) -> str:
    """A string of IMAP."""
    return f'"{quoted(text)}"'


def quoted(text: str) -> str:
    """The inside of a string of IMAP. It has no line breaks, or it would be two commands."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"not a text for IMAP: {text!r}")
    return text.replace("\\", "\\\\").replace('"', '\\"')


if __name__ == "__main__":
    server.run()
