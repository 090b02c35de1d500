"""What people have allowed in their browsers, one file for each tool server, shared by all processes of the machine.

    logins/crm.json         who gave tokens, to whom, which, and what the server last wanted; for the owner's eyes alone
    logins/crm.json.lock    flock of whoever uses the refresh token, which may be worth something only once

Nothing here imports `mcp`.
"""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from runtime.clock import Clock
from runtime.errors import ToolServerError
from runtime.files import write_private
from runtime.tools.definition import BrowserLogin, HttpTransport, ServerDefinition

_LOOK_AGAIN_SECONDS: Final = 0.02
# What a server says of how long a token lasts need not make sense.
_LONGEST: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Login:
    """What somebody allowed us.

    Attributes:
        issuer: the authorization server.
        token_endpoint: where it gives tokens.
        revocation_endpoint: where it takes them back; empty if nowhere.
        resource: what the tokens are for (RFC 8707).
        client: who we are there, as it registered us (RFC 7591).
        access_token: goes with every request.
        refresh_token: gets another; empty if nothing does.
        scope: what was allowed; empty if it was not told.
        expires_at: until when the access token is good, if that was told.
    """

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    resource: str
    client: dict[str, Any] = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """How the server refused a request for want of a login.

    Attributes:
        status: of HTTP.
        header: WWW-Authenticate.
    """

    status: int = 401
    header: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    url: str
    login: Login | None = None
    challenge: Challenge = field(default_factory=Challenge)


def logins_in(state_dir: Path) -> Path:
    """The folder of all logins."""
    return state_dir / "logins"


def browser_login(definition: ServerDefinition) -> tuple[str, BrowserLogin]:
    """The address of a server that people log in at, and how they do.

    Raises:
        ToolServerError: ORD425, nobody does.
    """
    transport = definition.transport
    if isinstance(transport, HttpTransport) and isinstance(transport.auth, BrowserLogin):
        return transport.url, transport.auth
    raise ToolServerError(
        f"nobody logs in at {definition.key} by a browser",
        hint="`http: {auth: {login: browser}}` of the ToolServer says that somebody does",
        code="ORD425",
    )


def expiry(seconds: int | None, now: datetime) -> datetime | None:
    """When something ends that is good for so many seconds."""
    if seconds is None:
        return None
    return now + min(timedelta(seconds=min(seconds, int(_LONGEST.total_seconds()))), _LONGEST)


class LoginFile:
    """The login at one tool server.

    Args:
        folder: of all logins.
        key: the server's.
        url: its address: what was allowed at another is not for it.
        issuer: the only one whose tokens count; None lets any.
    """

    def __init__(self, folder: Path, key: str, url: str, issuer: str | None = None) -> None:
        self._path = folder / f"{key.replace('/', '.')}.json"
        self._url = url
        self._issuer = issuer

    @property
    def login(self) -> Login | None:
        """What is allowed now; None if nothing is, or nothing that can be read."""
        return self._kept.login

    @property
    def challenge(self) -> Challenge:
        """How the server last refused us."""
        return self._kept.challenge

    def write(self, login: Login) -> None:
        """Keep a login, in the place of any other."""
        self._write(replace(self._kept, login=login))

    def note(self, challenge: Challenge) -> None:
        """Keep what whoever logs in has to know."""
        if self._kept.challenge != challenge:
            self._write(replace(self._kept, challenge=challenge))

    def remove(self) -> None:
        """Forget it all."""
        self._path.unlink(missing_ok=True)

    @asynccontextmanager
    async def locked(self, clock: Clock) -> AsyncIterator[None]:
        """No other process uses the login meanwhile."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await clock.sleep(_LOOK_AGAIN_SECONDS)
            yield

    @property
    def _kept(self) -> _Kept:
        try:
            found = orjson.loads(self._path.read_bytes())
            if found["url"] != self._url:
                return _Kept(self._url)
            login = _login(found["login"])
            if login and self._issuer and login.issuer.rstrip("/") != self._issuer.rstrip("/"):
                login = None
            return _Kept(self._url, login, Challenge(**found["challenge"]))
        except (OSError, ValueError, TypeError, KeyError):
            return _Kept(self._url)

    def _write(self, kept: _Kept) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._path, orjson.dumps(asdict(kept)))


def _login(found: dict[str, Any] | None) -> Login | None:
    if found is None:
        return None
    until = found["expires_at"]
    return Login(**{**found, "expires_at": until and datetime.fromisoformat(until)})
