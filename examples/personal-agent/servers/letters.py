"""Letters by their headers, and which of them answers which.

What comes by mail was written by anybody: a header may lack, lie, be folded, encoded or broken. Whatever it is, it is read as
some text, and no letter keeps the others from being read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

EVER = datetime.min.replace(tzinfo=UTC)
IDENTITY = re.compile(r"<[^<>\s]+>")
REPLIES = re.compile(r"^(?:\s*(?:re|aw|antw|sv|vs|odp|tr|rif)\s*(?:\[\d+\])?:\s*)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter of the mailbox."""

    folder: str
    message: Message

    def said(self, name: str) -> str:
        """A header as it came, on one line; empty where there is none."""
        return " ".join(" ".join(map(str, self.message.get_all(name, []))).split())

    @property
    def id(self) -> str:
        """Its name; empty where it has none, and then nothing can be an answer to it."""
        found = IDENTITY.search(self.said("Message-ID"))
        return found[0] if found else ""

    @property
    def subject(self) -> str:
        return decoded(self.said("Subject"))

    @property
    def topic(self) -> str:
        """The subject without what says that it is an answer."""
        return REPLIES.sub("", self.subject).strip().casefold()

    @property
    def at(self) -> datetime:
        """When it was sent, as it says itself; long ago where it says nothing."""
        try:
            at = parsedate_to_datetime(self.said("Date"))
            # Without an offset it is UTC, wherever this runs.
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return EVER

    @property
    def sender(self) -> tuple[str, str]:
        """Name and address."""
        return next(iter(addresses(self.said("From"))), ("", ""))

    @property
    def recipients(self) -> list[tuple[str, str]]:
        return addresses(", ".join(map(str, self.message.get_all("To", []))))

    @property
    def answers(self) -> list[str]:
        """The letters that it is an answer to, or goes on from."""
        return IDENTITY.findall(f"{self.said('References')} {self.said('In-Reply-To')}")

    @property
    def is_automatic(self) -> bool:
        """Whether nobody wrote it: that somebody is away is no answer."""
        return self.said("Auto-Submitted").casefold() not in {"", "no"}


@dataclass(slots=True)
class Answers:
    """What letters answer.

    Attributes:
        names: the letters that are answered, by Message-ID.
        topics: when somebody last wrote `Re: …`, by address and topic, in a letter that does not say what it answers.
    """

    names: set[str] = field(default_factory=set)
    topics: dict[tuple[str, str], datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, letters: Iterable[Letter]) -> Answers:
        """What these letters answer."""
        found = cls()
        for letter in letters:
            if letter.is_automatic:
                continue
            found.names.update(letter.answers)
            if not letter.answers and REPLIES.match(letter.subject):
                key = letter.sender[1].casefold(), letter.topic
                found.topics[key] = max(letter.at, found.topics.get(key, EVER))
        return found

    def __contains__(self, letter: Letter) -> bool:
        """Whether a letter has its answer."""
        keys = ((address.casefold(), letter.topic) for _, address in letter.recipients)
        return letter.id in self.names or any(
            self.topics.get(one, EVER) > letter.at for one in keys
        )


def addresses(line: str) -> list[tuple[str, str]]:
    """The names and addresses of a header; what is no address is left out."""
    return [(decoded(name), address) for name, address in getaddresses([line]) if "@" in address]


def decoded(text: str) -> str:
    """What an encoded header says, on one line; as it is where that cannot be told."""
    with suppress(HeaderParseError, LookupError, ValueError):
        text = str(make_header(decode_header(text)))
    return " ".join(text.split())
