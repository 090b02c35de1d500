"""What `ordinaut.post` and `ordinaut.email` are told to send, to a request or a letter: whatever is no sound one is refused here.

Nothing that comes from an event or another tool can become a header of its own, another recipient or another address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid5

POST: Final = "ordinaut.post"
EMAIL: Final = "ordinaut.email"
SENDING: Final = frozenset({POST, EMAIL})
"""Tools that send something to somebody else, from this process."""

MOST_BYTES: Final = 262_144
"""The longest body of a request, and the longest text of a letter."""

POST_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "url": {
            "type": "string",
            "pattern": "^https?://",
            "maxLength": 2048,
            "description": "Where to; no redirect is followed.",
        },
        "body": {"description": "What to send, as JSON."},
        "headers": {
            "type": "object",
            "maxProperties": 20,
            "additionalProperties": {"type": "string", "maxLength": 4096},
            "description": "Headers beside those of JSON, such as Authorization.",
        },
    },
    "required": ["url", "body"],
    "additionalProperties": False,
}
_ADDRESS: Final = {"type": "string", "minLength": 3, "maxLength": 320}
EMAIL_ARGUMENTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "server": {
            "type": "string",
            "minLength": 1,
            "maxLength": 260,
            "description": "The mail server, as host:port.",
        },
        "security": {
            "enum": ["starttls", "tls", "none"],
            "default": "starttls",
            "description": "How the connection is encrypted; none takes no password.",
        },
        "ca": {
            "type": "string",
            "minLength": 1,
            "maxLength": 65536,
            "description": "Whose certificates are believed, as PEM; those whom the system believes when left out.",
        },
        "username": {"type": "string", "maxLength": 320},
        "password": {"type": "string", "maxLength": 4096, "description": "A secret."},
        "from": {**_ADDRESS, "description": "Who it is from."},
        "to": {
            "type": "array",
            "items": _ADDRESS,
            "minItems": 1,
            "maxItems": 50,
            "description": "Who gets it.",
        },
        "subject": {"type": "string", "maxLength": 1000, "description": "On one line."},
        "text": {"type": "string", "description": "What it says, as plain text."},
    },
    "required": ["server", "from", "to", "subject", "text"],
    "dependentRequired": {"username": ["password"], "password": ["username"]},
    "additionalProperties": False,
}

_PORT: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Those that say how the body is read, or where the request goes, are ours.
_OURS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip
_LARGEST_PORT: Final = 65_535
_LETTERS: Final = UUID("7b0a3b5e-6a1b-5c57-9d5e-3c1a1b0e7f11")


class Unsendable(ValueError):
    """What is to be sent is no sound request or letter; the message says why."""


@dataclass(frozen=True, slots=True)
class Post:
    """A request."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter, and the mail server it is handed to."""

    host: str
    port: int
    security: str
    login: tuple[str, str] | None = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage = field(repr=False)
    ca: str | None = None


def post_of(arguments: Mapping[str, Any], key: str) -> Post:
    """The request that checked arguments ask for.

    Args:
        arguments: they fit `POST_ARGUMENTS`.
        key: the call's idempotency key; every try of it carries the same.

    Raises:
        Unsendable: it would be no sound request.
    """
    url = arguments["url"]
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Unsendable(f"its address cannot be read: {error}") from None
    if not parts.hostname or _CONTROLS.search(url) or " " in url or port == 0:
        raise Unsendable("its address is none: write https://host/path")
    if parts.username is not None:
        raise Unsendable("its address holds credentials: send them as a header")
    headers = {"idempotency-key": key} if key else {}
    for name, value in arguments.get("headers", {}).items():
        if not _HEADER.fullmatch(name) or _CONTROLS.search(value) or not value.isascii():
            raise Unsendable(f"header {name[:40]!r} is no header that can be sent")
        if name.lower() in _OURS:
            raise Unsendable(f"header {name} is set by Ordinaut")
        headers[name.lower()] = value.strip()
    body = json.dumps(arguments["body"], ensure_ascii=False, separators=(",", ":")).encode(
        errors="replace"
    )
    if len(body) > MOST_BYTES:
        raise Unsendable(f"its body has {len(body):,} bytes, and {MOST_BYTES:,} is the most")
    return Post(url, headers, body)


def letter_of(arguments: Mapping[str, Any], key: str, now: datetime) -> Letter:
    """The letter that checked arguments ask for.

    Args:
        arguments: they fit `EMAIL_ARGUMENTS`.
        key: the call's idempotency key: every try of it has the same Message-ID, by which mail servers know it again.
        now: its date.

    Raises:
        Unsendable: it would be no sound letter.
    """
    host, port = _server(arguments["server"])
    security = arguments.get("security", "starttls")
    login = None
    if "password" in arguments:
        login = arguments["username"], arguments["password"]
        if security == "none":
            raise Unsendable("a password is not sent over a connection that is not encrypted")
    sender = _address(arguments["from"])
    recipients = tuple(_address(one) for one in arguments["to"])
    subject, text = arguments["subject"], arguments["text"]
    if _CONTROLS.search(subject):
        raise Unsendable("its subject has more than one line, or characters that are none")
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise Unsendable(f"its text has more than {MOST_BYTES:,} bytes")
    message = EmailMessage(policy=SMTPUTF8)
    message["From"] = sender
    message["To"] = list(recipients)
    message["Subject"] = subject
    message["Date"] = now
    message["Message-ID"] = f"<{uuid5(_LETTERS, key or subject)}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text.encode(errors="replace").decode())
    return Letter(
        host,
        port,
        security,
        login,
        sender.addr_spec,
        tuple(one.addr_spec for one in recipients),
        message,
        arguments.get("ca"),
    )


def _server(text: str) -> tuple[str, int]:
    found = _PORT.fullmatch(text)
    if found is None or not 0 < int(found["port"]) <= _LARGEST_PORT:
        raise Unsendable(f"{text[:80]!r} is no mail server: write host:port")
    return found["host"].strip("[]"), int(found["port"])


def _address(text: str) -> Address:
    """One address, without a name; whoever could slip in another line or another address is refused."""
    if _CONTROLS.search(text) or text != text.strip():
        raise Unsendable("an address has characters that none has")
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, HeaderParseError):
        raise Unsendable(f"{text[:80]!r} is no address: write name@host") from None
    if not address.username or not address.domain or address.addr_spec != text:
        raise Unsendable(f"{text[:80]!r} is no address: write name@host")
    return address
