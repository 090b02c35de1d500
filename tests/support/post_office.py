"""A mail server on this machine, which keeps what is sent to it, and how mcp-email-server reaches it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


@dataclass(frozen=True, slots=True)
class Letter:
    """What was delivered."""

    recipients: list[str]
    message: Message

    @property
    def text(self) -> str:
        """Its only part."""
        (part,) = [part for part in self.message.walk() if not part.is_multipart()]
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        return content.decode()


@dataclass(slots=True)
class PostOffice:
    """A running mail server.

    Attributes:
        port: of SMTP, on the loopback interface.
        letters: everything delivered so far.
    """

    port: int
    letters: list[Letter] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        """Called by the server for every letter."""
        assert isinstance(envelope.content, bytes)
        self.letters.append(Letter(envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"

    def client_settings(self, folder: Path, *, recipient: str) -> dict[str, str]:
        """The environment in which mcp-email-server sends through here, to this recipient alone."""
        settings = {
            "CONFIG_PATH": str(folder / "mail.toml"),
            "EMAIL_ADDRESS": "ordinaut@example.com",
            "PASSWORD": "unused-but-required",
            "IMAP_HOST": "127.0.0.1",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.port),
            "SMTP_SSL": "false",
            "SAVE_TO_SENT": "false",
            "ALLOWED_RECIPIENTS": recipient,
        }
        return {f"MCP_EMAIL_SERVER_{name}": value for name, value in settings.items()}


@contextmanager
def open_post_office() -> Iterator[PostOffice]:
    """A mail server for the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        office = PostOffice(probe.getsockname()[1])
    server = Controller(
        office,
        hostname="127.0.0.1",
        port=office.port,
        authenticator=_welcome,
        auth_require_tls=False,
    )
    server.start()
    try:
        yield office
    finally:
        server.stop()


def _welcome(*anybody: object) -> AuthResult:
    """The client insists on logging in."""
    return AuthResult(success=True)
