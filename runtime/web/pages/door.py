"""Signing in and out, and what a browser likes to see; static files."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runtime.actor import Actor
from runtime.store.audit import Deed, write_audit
from runtime.store.sessions import add_session, end_session, use_sign_in_link
from runtime.web.auth import identify
from runtime.web.pages.look import page, static_answer
from runtime.web.pages.route import PageRoute
from runtime.web.pages.viewer import (
    COOKIE,
    THEME_COOKIE,
    THEMES,
    Seen,
    actor_of,
    address_of,
    nobody,
    remember,
    remember_taste,
    require_own_form,
    require_own_origin,
)
from runtime.web.problems import Refused
from runtime.web.site import Here

router = APIRouter(route_class=PageRoute)

_MAX_SECRET: Final = 200
Text = Annotated[str, Form()]


@router.get("/static/{digest}/{name}")
async def static(name: str) -> Response:
    """A static file; its digest in the address lets browsers keep it for ever."""
    return static_answer(name) or Response(status_code=404)


@router.get("/sign-in")
def sign_in(request: Request, back: str = "/", link: str = "") -> Response:
    """The door: a token, or a link that was made on the machine that reaches the database."""
    return page(nobody(request), "sign_in.html", problem=None, back=own_path(back), link=link[:_MAX_SECRET])  # fmt: skip


@router.post("/sign-in")
def let_in(
    request: Request, here: Here, token: Text = "", link: Text = "", back: Text = "/"
) -> Response:
    """Begin a session."""
    require_own_origin(request, here)
    try:
        secret = _begin(request, here, token.strip(), link[:_MAX_SECRET])
    except Refused as refused:
        return page(nobody(request), "sign_in.html", code=refused.status, problem=refused.message, back=own_path(back), link=None)  # fmt: skip
    answer = RedirectResponse(own_path(back), 303)
    remember(answer, request, here, secret)
    return answer


def _begin(request: Request, here: Here, token: str, link: str) -> str:
    """Begin a session in place of the one that this browser had; its secret."""
    by = None if link else identify(here, token, address_of(request) or "")
    with here.lender.writing() as connection, connection.transaction():
        if by is not None:
            name, scopes = by.name, by.scopes
        elif (found := use_sign_in_link(connection, link)) is not None:
            name, scopes = found
        else:
            raise Refused(401, "this link was used already, or its five minutes are over", code="ORD319")  # fmt: skip
        end_session(connection, request.cookies.get(COOKIE, ""))
        secret = add_session(connection, name, scopes, token_id=by.token_id if by else None)
        actor = Actor(name, "dashboard", by.name if by else None, address_of(request))
        facts = {"by": "token" if by else "link", "scopes": sorted(scopes)}
        write_audit(connection, actor, Deed("session.begin", name, details=facts))
    return secret


@router.post("/sign-out")
def sign_out(request: Request, here: Here, viewer: Seen, csrf: Text = "") -> Response:
    """End the session."""
    require_own_form(request, viewer, here, csrf)
    with here.lender.writing() as connection, connection.transaction():
        # To sign out twice is to sign out once.
        if end_session(connection, request.cookies.get(COOKIE, "")):
            actor = actor_of(request, viewer)
            write_audit(connection, actor, Deed("session.end", actor.name))
    request.app.state.live.drop(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE)
    answer.headers["clear-site-data"] = '"cache"'
    return answer


@router.post("/taste")
def prefer(
    request: Request, here: Here, viewer: Seen, *, csrf: Text = "", theme: Text = "auto", back: Text = "/"
) -> Response:  # fmt: skip
    """Choose a theme."""
    require_own_form(request, viewer, here, csrf)
    answer = RedirectResponse(own_path(back), 303)
    remember_taste(answer, THEME_COOKIE, theme if theme in THEMES else "auto")
    return answer


def own_path(text: str) -> str:
    """A path of ours; anything else, such as another site's address, is the overview."""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_ours and text.isascii() and "\\" not in text else "/"
