"""A mail account by IMAP and SMTP: what is unread, what nobody answered, and letters that follow up on that.

Nobody is followed up on twice. The Message-ID of a follow-up is made of that of the letter which it is about, so that it can
be looked for; and it goes to its recipient and to the account itself in one transaction of SMTP, so that it is in the mailbox
if and only if it was sent. Before anything is sent the mailbox is asked.
"""

from __future__ import annotations

import hashlib
import imaplib
import os
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from letters import REPLIES, Answers, Letter
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
IMAPS, SMTPS = 993, 465
NOTHING = "(no subject)"
REFUSED = 400
SECONDS = 30
AT_ONCE = 200
FOLLOW_UP = "<follow-up."
LOOKS = ToolAnnotations(read_only_hint=True)
SENDS = ToolAnnotations(destructive_hint=False, idempotent_hint=True)
HEADERS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID IN-REPLY-TO REFERENCES FROM TO SUBJECT DATE AUTO-SUBMITTED)]"

server = MCPServer("mail")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose the mail is, and where: `host:port`. It is TLS from the first byte at the ports for that, 993 and 465.

    Attributes:
        sent: the folder of what was sent.
        answers: the folders to which answers come, or are put.
    """

    address: str
    name: str
    imap: SplitResult
    smtp: SplitResult
    user: str
    password: str
    sent: str
    answers: Sequence[str]

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
            sent=os.environ.get("MAIL_SENT") or "Sent",
            answers=[
                one.strip() for one in (os.environ.get("MAIL_ANSWERS") or "INBOX").split(",")
            ],
        )


@server.tool(annotations=LOOKS)
def list_unread(limit: int = 10, sender: str | None = None) -> dict[str, Any]:
    """The newest letters that nobody has read; with `sender`, those from this address, of the last 200."""
    # Follow-ups come here, too, and are no mail.
    wanted = f'UNSEEN NOT HEADER Message-ID "{FOLLOW_UP}"'
    if sender:
        wanted += f' FROM "{quoted(sender)}"'
    with open_mailbox(Account.from_environment()) as box:
        found = search(box, "INBOX", wanted)
        unread = fetch(box, "INBOX", found[-max(limit, AT_ONCE) :])
    count = len(found)
    if sender:
        # The search is for a part of the header.
        unread = [one for one in unread if one.sender[1].casefold() == sender.casefold()]
        count = len(unread)
    unread.sort(key=lambda letter: letter.at, reverse=True)
    newest = [
        {"sender": one.sender[0] or one.sender[1], "address": one.sender[1], "subject": one.subject or NOTHING, "at": one.at.isoformat()}
        for one in unread[:limit]
    ]  # fmt: skip
    return {"unread": count, "newest": newest}


@server.tool(annotations=LOOKS)
def list_unanswered(now: datetime, hours: int = 72, days: int = 30) -> dict[str, Any]:
    """Letters sent by this account that had no answer for so many hours, of the last days; oldest first.

    A letter is left out once it was followed up on, or is no longer in the folder of what was sent.
    """
    account = Account.from_environment()
    begin = now - timedelta(days=days)
    with open_mailbox(account) as box:
        sent = read(box, account.sent, f"SENTSINCE {day(begin)}")
        answered = Answers.of([*sent, *come_since(box, account, begin)])
    waiting = [
        letter
        for letter in sent
        if letter.id
        and letter.recipients
        and letter not in answered
        and not letter.id.startswith(FOLLOW_UP)
        and begin <= letter.at <= now - timedelta(hours=hours)
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
    """Follow up on a letter, given by its Message-ID, unless that was done before, or the answer has come meanwhile."""
    account = Account.from_environment()
    with open_mailbox(account) as box:
        sent = find(box, account, follow_up_id(account, letter))
        original = find(box, account, letter)
        if sent is not None:
            return {"sent": False, "message_id": sent.id, "sent_at": sent.at.isoformat()}
        if original is None:
            raise ToolError(f"there is no letter {letter} in {account.sent} or INBOX")
        if original in Answers.of(come_since(box, account, original.at)):
            return {"sent": False, "answered": True}
    message = compose(account, original, text)
    submit(account, message, [address for _, address in original.recipients])
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
        "subject": letter.subject or NOTHING,
        "sent_at": letter.at.isoformat(),
        "days": (now - letter.at).days,
    }


def compose(account: Account, original: Letter, text: str) -> EmailMessage:
    """A letter that stands in the thread of the one it follows up on."""
    message = EmailMessage()
    message["Message-ID"] = follow_up_id(account, original.id)
    message["In-Reply-To"] = original.id
    message["References"] = " ".join(dict.fromkeys([*original.answers, original.id]))
    message["From"] = Address(account.name, addr_spec=account.address)
    message["To"] = [Address(name, addr_spec=address) for name, address in original.recipients]
    message["Subject"] = original.subject if REPLIES.match(original.subject) else f"Re: {original.subject}"  # fmt: skip
    message["Date"] = format_datetime(datetime.now(UTC))
    message.set_content(text, cte="quoted-printable")
    return message


class Threads(EmailPolicy):
    """Writes the names of letters as they are, however long: encoded, as other long words are, they would name nothing."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        """A header as it is sent."""
        if name in {"In-Reply-To", "References"}:
            return f"{name}: {f'{self.linesep} '.join(value.split())}{self.linesep}".encode()
        return super().fold_binary(name, value)


def submit(account: Account, message: EmailMessage, to: Sequence[str]) -> None:
    """Hand a letter in, for its recipients and for ourselves, as one: the server takes it for all of them or for none."""
    with told("SMTP", account.smtp), connect_smtp(account) as smtp:
        smtp.login(account.user, account.password)
        smtp.mail(account.address)
        for address in [*to, account.address]:
            code, said = smtp.rcpt(address)
            if code >= REFUSED:
                raise ToolError(f"{address} is refused: {said.decode(errors='replace')}")
        code, said = smtp.data(message.as_bytes(policy=Threads(linesep="\r\n")))
        if code >= REFUSED:
            raise ToolError(f"the letter is refused: {said.decode(errors='replace')}")


@contextmanager
def told(protocol: str, server: SplitResult) -> Iterator[None]:
    """Say what went wrong: of other errors the client is told that there was one, and no more."""
    try:
        yield
    except (imaplib.IMAP4.error, smtplib.SMTPException, OSError) as error:
        raise ToolError(f"{protocol} at {server.netloc}: {error}") from error


@contextmanager
def open_mailbox(account: Account) -> Iterator[imaplib.IMAP4]:
    """A session of IMAP, which is encrypted unless the server is on this machine."""
    host, tls = account.imap.hostname or "", ssl.create_default_context()
    port = account.imap.port or IMAPS
    with told("IMAP", account.imap):
        if port == IMAPS:
            box: imaplib.IMAP4 = imaplib.IMAP4_SSL(host, port, ssl_context=tls, timeout=SECONDS)
        else:
            box = imaplib.IMAP4(host, port, timeout=SECONDS)
        try:
            if port != IMAPS and host not in LOOPBACK:
                box.starttls(tls)
            box.login(account.user, account.password)
            yield box
        finally:
            # A connection that broke cannot say goodbye, and what broke it is the news.
            with suppress(imaplib.IMAP4.error, OSError):
                box.logout()


def connect_smtp(account: Account) -> smtplib.SMTP:
    """A session of SMTP, which is encrypted unless the server is on this machine."""
    host, tls = account.smtp.hostname or "", ssl.create_default_context()
    port = account.smtp.port or SMTPS
    if port == SMTPS:
        return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=tls)
    smtp = smtplib.SMTP(host, port, timeout=SECONDS)
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


def come_since(box: imaplib.IMAP4, account: Account, begin: datetime) -> list[Letter]:
    """What came since then, by the clock of the server: what letters say of themselves may be missing, or wrong."""
    # A day is that of the server's zone, which is not known.
    since = f"SINCE {day(begin - timedelta(days=1))}"
    return [letter for folder in account.answers for letter in read(box, folder, since)]


def read(box: imaplib.IMAP4, folder: str, wanted: str) -> list[Letter]:
    """The letters of a folder that a search finds, by their headers; nothing is marked as read."""
    return fetch(box, folder, search(box, folder, wanted))


def search(box: imaplib.IMAP4, folder: str, wanted: str) -> list[bytes]:
    """The numbers of the letters of a folder that a search finds, in the order in which they came."""
    answer(box.select(quote(folder), readonly=True))
    found = b" ".join(one for one in answer(box.uid("SEARCH", wanted)) if one)
    return sorted(found.split(), key=int)


def fetch(box: imaplib.IMAP4, folder: str, uids: Sequence[bytes]) -> list[Letter]:
    """The headers of letters of the folder that is open, some at a time: servers bound how long a command is."""
    return [
        Letter(folder, message_from_bytes(part[1]))
        for start in range(0, len(uids), AT_ONCE)
        for part in answer(box.uid("FETCH", b",".join(uids[start : start + AT_ONCE]).decode(), f"({HEADERS})"))
        if isinstance(part, tuple)
    ]  # fmt: skip


def day(at: datetime) -> str:
    """A date of IMAP."""
    return f"{at:%d-%b-%Y}"


def answer(reply: tuple[str, list[Any]]) -> list[Any]:
    """What an IMAP server answered, if it did as it was asked."""
    status, data = reply
    if status != "OK":
        raise ToolError(f"the mailbox refuses: {data[0]!r}")
    return data


def quote(text: str) -> str:
    """A string of IMAP."""
    return f'"{quoted(text)}"'


def quoted(text: str) -> str:
    """The inside of a string of IMAP. It has no line breaks, or it would be two commands."""
    if not (text.isascii() and text.isprintable()):
        raise ToolError(f"not a text for IMAP: {text!r}")
    return text.replace("\\", "\\\\").replace('"', '\\"')


if __name__ == "__main__":
    server.run()
