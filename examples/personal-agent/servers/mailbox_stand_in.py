"""A stand-in for a mail account: an IMAP server and an SMTP server on this machine, over folders of files.

Both speak their protocols in earnest: IMAP by pymap, SMTP by aiosmtpd. What is sent to the owner comes into the owner's inbox;
what is sent to anybody else comes to the account `world`, since nobody else is here. When the folder is made, it gets the
letters of `data`, as old as their header `Age` says; after that it is kept.
"""

from __future__ import annotations

import argparse
import mailbox
import os
import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parseaddr
from pathlib import Path

import pymap.main
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pysasl.hashing import BuiltinHash

DATA = Path(__file__).resolve().parent.parent / "data"
UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


def seed(folder: Path, owner: str, password: str) -> None:
    """Make the accounts of the owner and of the world, and the owner's letters; all of it or, cut off, nothing."""
    whole, folder = folder, folder.with_name(f"{folder.name}.new")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    users = [owner, "world"]
    secret = BuiltinHash().hash(password)
    (folder / "pymap-etc-passwd").write_text(
        "".join(f"{user}:x:::{user}:{user}:\n" for user in users)
    )
    (folder / "pymap-etc-shadow").write_text(
        "".join(f"{user}:{secret}:::::::\n" for user in users)
    )
    for user in users:
        open_maildir(folder, user)
    inbox = open_maildir(folder, owner)
    now = datetime.now(UTC)
    fill(inbox, DATA / "inbox.mbox", now)
    fill(inbox.add_folder("Sent"), DATA / "sent.mbox", now)
    folder.rename(whole)


def open_maildir(folder: Path, user: str) -> mailbox.Maildir:
    """Where letters for a user are."""
    return mailbox.Maildir(folder / user)


def fill(maildir: mailbox.Maildir, source: Path, now: datetime) -> None:
    """Put letters into a folder, dated as long before now as they say."""
    for letter in mailbox.mbox(source):
        kept = mailbox.MaildirMessage(letter)
        at = now - age_of(letter["Age"])
        kept["Date"] = format_datetime(at)
        kept.set_date(at.timestamp())
        del kept["Age"]
        kept.set_subdir("cur")
        maildir.add(kept)


def age_of(text: str) -> timedelta:
    """`4d 2h` as a span."""
    spans = (int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([dhm])", text))
    return sum(spans, timedelta())


class Delivery:
    """Takes letters in: the hooks of aiosmtpd."""

    def __init__(self, folder: Path, owner: str, password: str) -> None:
        self._folder = folder
        self._owner = owner
        self._login = LoginPassword(owner.encode(), password.encode())

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        """Deliver to everybody before the letter is accepted.

        To the owner first: if this is killed in the middle, nobody believes that the letter did not go, and sends it again.
        """
        assert isinstance(envelope.content, bytes)  # noqa: S101 - for the type checker
        to = {parseaddr(recipient)[1].casefold() == self._owner for recipient in envelope.rcpt_tos}
        for is_owner in sorted(to, reverse=True):
            user = self._owner if is_owner else "world"
            open_maildir(self._folder, user).add(envelope.content)
        return "250 OK"

    def authenticate(self, *asked: object) -> AuthResult:
        """Only the owner may send; what they show comes last."""
        return AuthResult(success=asked[-1] == self._login, handled=False)


def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--owner", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--imap", required=True, help="host:port")
    parser.add_argument("--smtp", required=True, help="host:port")
    asked = parser.parse_args()
    password = os.environ["MAILBOX_PASSWORD"]
    if not asked.folder.exists():
        seed(asked.folder, asked.owner, password)
    delivery = Delivery(asked.folder, asked.owner, password)
    host, _, port = asked.smtp.partition(":")
    smtp = Controller(
        delivery,
        hostname=host,
        port=int(port),
        authenticator=delivery.authenticate,
        auth_required=True,
        auth_require_tls=False,
    )
    smtp.start()
    host, _, port = asked.imap.partition(":")
    sys.argv = ["pymap", "--host", host, "--port", port, "--no-tls", "maildir", str(asked.folder)]
    pymap.main.main()


if __name__ == "__main__":
    main()
