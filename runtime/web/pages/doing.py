"""A confirmation for each act, and what is done when it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runtime.errors import NotFound, OrdinautError
from runtime.web.auth import require
from runtime.web.pages.acts import ACTS, REASON, Act, Doing, Field, Form, Unfit, hidden_of
from runtime.web.pages.look import environment, page
from runtime.web.pages.route import PageRoute, frame
from runtime.web.pages.viewer import Seen, Viewer, actor_of, require_own_form
from runtime.web.problems import status_of
from runtime.web.site import Here, Site

router = APIRouter(route_class=PageRoute)

_BULK: Final = ("pause", "snooze", "resume")
_MAX_FIELDS: Final = 1000
_LONGEST_REASON: Final = 2000
_SECTION: Final[Mapping[tuple[str, ...], str]] = {
    ("task",): "/tasks",
    ("run",): "/runs",
    ("digest",): "/changes",
}

environment().globals["acts"] = ACTS


@router.get("/do/{name}")
def ask(request: Request, here: Here, viewer: Seen, name: str) -> Response:
    """The confirmation of an act."""
    form = parse_qs(request.url.query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    if name == "bulk":
        name = next(iter(form.get("act", ())), "")
        if name not in _BULK:
            raise Unfit("say what to do with them", hint="choose pause, snooze or resume")
    _act(name, viewer)
    return _form(request, here, viewer, name=name, form=form)


@router.post("/do/{name}")
async def do(request: Request, here: Here, viewer: Seen, name: str) -> Response:
    """Do it."""
    body = (await request.body()).decode("utf-8", "replace")
    form = parse_qs(body, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    return await run_in_threadpool(_do, request, here, viewer, name, form)


def _do(request: Request, here: Site, viewer: Viewer, name: str, form: Form) -> Response:
    require_own_form(request, viewer, here, next(iter(form.get("csrf", ())), ""))
    act = _act(name, viewer)
    try:
        reason = next(iter(form.get("reason", ())), "").strip()
        if not reason or len(reason) > _LONGEST_REASON:
            raise Unfit("a reason is needed", hint="in a few words; it is kept in the audit log")
        with here.lender.writing() as connection:
            key = next(iter(form.get("key", ())), "") or uuid.uuid4().hex
            place = act.perform(Doing(connection, form, actor_of(request, viewer, reason), reason, key[:64]))  # fmt: skip
        here.recent.forget()
    except OrdinautError as error:
        return _form(request, here, viewer, name=name, form=form, error=error)
    return RedirectResponse(f"{place}?done={name}", 303)


def _act(name: str, viewer: Viewer) -> Act:
    act = ACTS.get(name)
    if act is None:
        raise NotFound(f"there is nothing to be done as {name[:40]}", hint="pages link what there is")  # fmt: skip
    require(viewer.principal, act.scope)
    return act


def _form(
    request: Request,
    here: Site,
    viewer: Viewer,
    *,
    name: str,
    form: Form,
    error: OrdinautError | None = None,
) -> Response:
    act = ACTS[name]
    with here.lender.reading() as connection:
        try:
            about, fields = act.about(connection, form), act.fields(connection, form)
        except OrdinautError as gone:
            # What it was to be done to is gone meanwhile: nothing is left to be filled in.
            raise (error or gone) from None
    section = _SECTION.get(act.targets, "/approvals")
    return page(
        viewer,
        "act.html",
        code=200 if error is None else status_of(error),
        **frame(request, section),
        act=name,
        title=act.title,
        lead=act.lead,
        button=act.button,
        is_grave=act.is_grave,
        about=about,
        hidden=hidden_of(act, form),
        fields=[_filled(one, form) for one in (*fields, REASON)],
        key=next(iter(form.get("key", ())), "") or uuid.uuid4().hex,
        back=act.back(form),
        problem=error,
    )


def _filled(one: Field, form: Form) -> Mapping[str, Any]:
    """A field with what was filled in before."""
    value = next(iter(form.get(one.name, ())), one.value)
    return {"name": one.name, "words": one.words, "hint": one.hint, "kind": one.kind, "value": value, "choices": one.choices, "required": one.required}  # fmt: skip
