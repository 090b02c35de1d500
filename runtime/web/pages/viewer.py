"""Who looks: the session behind a cookie, what it may do, in which zone and theme; and that what is posted comes from our pages.

A cookie alone changes nothing. Whoever posts shows the session's own word (`csrf`), which only our pages hold, and comes from
our own origin as the browser says. Cookies are `SameSite=Strict`, so that other sites cannot even have them sent.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from runtime.actor import Actor
from runtime.cli.output import zone_of
from runtime.clock import SYSTEM_CLOCK
from runtime.errors import OrdinautError
from runtime.store.sessions import SESSION_LIFETIME, find_session
from runtime.store.status import load_asked
from runtime.web.auth import Principal, require
from runtime.web.problems import Refused
from runtime.web.site import Here, Site
from schemas.status import AskedStatus
from schemas.token import Scope

COOKIE: Final = "ordinaut_session"
ZONE_COOKIE: Final = "ordinaut_zone"
THEME_COOKIE: Final = "ordinaut_theme"
THEMES: Final = ("auto", "light", "dark")
_A_YEAR_SECONDS: Final = 365 * 24 * 3600


class SignedOut(Exception):
    """Nobody is signed in."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever looks at a page.

    Attributes:
        principal: who, and what they may do.
        csrf: what their forms show.
        zone: the zone that their browser told, or UTC.
        zone_name: its name.
        theme: `auto`, `light` or `dark`.
        now: the database's clock.
        asked: what waits for people.
        is_seen: whether a session stands behind it; not on the sign-in page.
    """

    principal: Principal
    csrf: str
    zone: tzinfo
    zone_name: str
    theme: str
    now: datetime
    asked: AskedStatus
    is_seen: bool = True

    @property
    def waiting(self) -> int:
        """How much waits for people."""
        return self.asked.approvals + self.asked.unsettled

    def may(self, scope: Scope) -> bool:
        """Whether they may do what takes this scope."""
        return self.principal.may(scope)


def address_of(request: Request) -> str | None:
    """Where a request came from."""
    return request.client.host if request.client else None


def actor_of(request: Request, viewer: Viewer, reason: str = "") -> Actor:
    """Who does something here, for records of who did what."""
    principal = viewer.principal
    token = principal.name if principal.token_id else None
    return Actor(principal.name, "dashboard", token, address_of(request), reason)


def viewing(request: Request, here: Here) -> Viewer:
    """The viewer of a page.

    Raises:
        SignedOut: nobody is signed in.
        Refused: 403 ORD320, they may not read.
    """
    secret = request.cookies.get(COOKIE, "")
    if not secret:
        raise SignedOut
    with here.lender.reading() as connection:
        session = find_session(connection, secret)
        if session is None:
            raise SignedOut
        asked = load_asked(connection)
    principal = Principal(session.name, session.scopes, session.token_id or 0)
    require(principal, "read")
    zone, theme = taste(request)
    return Viewer(principal, csrf_of(secret), zone_of(zone), zone, theme, session.now, asked)


def viewing_if(request: Request) -> Viewer | None:
    """The viewer; None where nobody is signed in, or the database does not say."""
    try:
        return viewing(request, request.app.state.site)
    except (SignedOut, OrdinautError):
        return None


def nobody(request: Request) -> Viewer:
    """Who stands at the door."""
    zone, theme = taste(request)
    now = SYSTEM_CLOCK.now()
    unknown = Principal("", frozenset(), 0)
    asked = AskedStatus(approvals=0, unsettled=0)
    return Viewer(unknown, "", zone_of(zone), zone, theme, now, asked, is_seen=False)


def taste(request: Request) -> tuple[str, str]:
    """The zone and the theme that a browser asks for; `UTC` and `auto` where it asks for none that is known."""
    zone = request.cookies.get(ZONE_COOKIE, "").replace("%2F", "/")
    theme = request.cookies.get(THEME_COOKIE, "")
    known = zone if zone and str(zone_of(zone)) == zone else "UTC"
    return known, theme if theme in THEMES else "auto"


def csrf_of(secret: str) -> str:
    """What forms of a session show: made of its secret, which it does not betray."""
    return hmac.new(secret.encode(), b"forms of this session", hashlib.sha256).hexdigest()


def require_own_origin(request: Request, site: Site) -> None:
    """Refuse what another site has a browser post.

    Raises:
        Refused: 403 ORD320.
    """
    told, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    names = own_names(request, site)
    # An old browser does not say where a request comes from, but names the origin of what it posts.
    is_ours = urlsplit(origin or "").netloc in names if told is None else told == "same-origin"
    is_named = origin is None or urlsplit(origin).netloc in names
    if not (is_ours and is_named):
        raise Refused(
            403,
            "this did not come from a page of ours",
            hint="open the dashboard and do it there; behind a proxy, set ORDINAUT_PUBLIC_URL",
            code="ORD320",
        )


def own_names(request: Request, site: Site) -> set[str]:
    """What the origins of our own pages are called."""
    public = site.config.public_url
    return {request.headers.get("host", ""), *([urlsplit(public).netloc] if public else [])}


def require_own_form(request: Request, viewer: Viewer, site: Site, shown: str) -> None:
    """Refuse a form that does not show its session's word, or came from elsewhere.

    Raises:
        Refused: 403 ORD320.
    """
    require_own_origin(request, site)
    if not hmac.compare_digest(shown.encode(), viewer.csrf.encode()):
        raise Refused(
            403,
            "this form is not one of this session",
            hint="open the page again, and send the form from there",
            code="ORD320",
        )


def remember(response: Response, request: Request, site: Site, secret: str) -> None:
    """Let the browser keep a session."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=is_secure(request, site),
    )


def is_secure(request: Request, site: Site) -> bool:
    """Whether browsers reach us with TLS, be it through a proxy."""
    public = site.config.public_url or ""
    return request.url.scheme == "https" or public.startswith("https:")


def remember_taste(response: Response, name: str, value: str) -> None:
    """Let the browser keep what it likes; nothing secret."""
    response.set_cookie(name, value, max_age=_A_YEAR_SECONDS, samesite="strict")


Seen = Annotated[Viewer, Depends(viewing)]
