"""A page's route: what goes wrong becomes a page, and whoever is not signed in is led to the door."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runtime.errors import OrdinautError
from runtime.web.pages.look import page
from runtime.web.pages.viewer import SignedOut, Viewer, nobody, viewing_if
from runtime.web.problems import for_strangers, request_id_of, status_of, tell_log

SECTIONS: Final = (
    ("/", "Overview", "o", False),
    ("/tasks", "Tasks", "t", False),
    ("/runs", "Runs", "r", False),
    ("/timeline", "Timeline", "l", False),
    ("/changes", "Changes", "c", True),
    ("/approvals", "Approvals", "a", False),
    ("/spend", "Spend", "s", True),
    ("/health", "Health", "h", False),
    ("/audit", "Audit", "u", False),
)
"""Path, name and key of each section, and whether it stands apart from the one before."""

_TITLES: Final = {403: "Not allowed", 404: "Not found", 409: "Not possible now", 503: "Away"}
_MOST_BACK: Final = 500


def frame(request: Request, section: str, *, cli: tuple[str, ...] = (), json: str | None = None, live: str = "") -> dict[str, Any]:  # fmt: skip
    """What every page says around its own content.

    Args:
        request: the request.
        section: the path of the section that it belongs to.
        cli: the command lines that say the same.
        json: where the same is JSON.
        live: which kinds of events change it, by the first part of their types.
    """
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return {
        "sections": SECTIONS,
        "section": section,
        "cli": cli,
        "json": json,
        "live": live,
        "here": asked[:_MOST_BACK],
        "done": _DONE.get(request.query_params.get("done", "")),
    }


_DONE: Final = {
    "run": "It is asked for, and is here.",
    "pause": "Paused.",
    "snooze": "Snoozed.",
    "resume": "Resumed.",
    "cancel": "Cancelled.",
    "rerun": "It is asked for again, and is here.",
    "approve": "Approved: it goes on.",
    "deny": "Denied: it ends here.",
    "settle": "Settled: the run goes on with that.",
    "approve-plan": "Approved: the next look of `ordinaut sync` applies exactly that plan.",
}
"""What a page says after something was done; only these words, whatever the address holds."""


def _answering(route: APIRoute) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """What answers a route's requests, with pages for what goes wrong."""
    answer = APIRoute.get_route_handler(route)

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except SignedOut:
            return to_door(request)
        except OrdinautError as error:
            tell_log(request, error)
            return await run_in_threadpool(_refusal, request, error)
        except RequestValidationError:
            facts = {"message": "the address or the form is not one of ours", "hint": "", "errcode": "ORD322"}  # fmt: skip
            return await run_in_threadpool(_problem, request, 422, facts)
        except HTTPException as error:
            facts = {"message": str(error.detail), "hint": "", "errcode": "ORD322"}
            return await run_in_threadpool(_problem, request, error.status_code, facts)

    return answered


# FastAPI's word for what is replaced is none of ours.
PageRoute: type[APIRoute] = type("PageRoute", (APIRoute,), {"get_route_handler": _answering})
"""A route whose errors are pages."""


def to_door(request: Request) -> Response:
    """To the sign-in page, and back to where they wanted to go."""
    wanted = request.url.path if request.method == "GET" else "/"
    back = f"{wanted}?{request.url.query}" if request.url.query and wanted != "/" else wanted
    return RedirectResponse(f"/sign-in?back={quote(back[:_MOST_BACK], safe='')}", 303)


def _refusal(request: Request, error: OrdinautError) -> Response:
    viewer = viewing_if(request) or nobody(request)
    told = error if viewer.is_seen else for_strangers(error)
    facts = {"message": told.message, "hint": told.hint, "errcode": told.code}
    return _problem(request, status_of(told), facts, viewer)


def _problem(
    request: Request, status: int, facts: dict[str, str], viewer: Viewer | None = None
) -> Response:
    viewer = viewer or viewing_if(request) or nobody(request)
    title = _TITLES.get(status, "That did not work")
    if not viewer.is_seen:
        return page(viewer, "sign_in.html", code=status, problem=facts["message"], link=None, back="/")  # fmt: skip
    around = frame(request, "", cli=()) | {"request_id": request_id_of(request), "title": title}
    return page(viewer, "problem.html", code=status, **(around | facts))
