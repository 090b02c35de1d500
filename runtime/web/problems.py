"""Errors as answers: every refusal and failure is a problem document with a stable code (RFC 9457).

What a tool or the database said is told as the command line would tell it; what is a defect is told in the log, and the
answer names the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from runtime.errors import OrdinautError
from runtime.logs import get_logger
from schemas.codes import CODES
from schemas.problem_details import Misfit, ProblemDetails

MEDIA_TYPE: Final = "application/problem+json"
_MAX_MISFITS: Final = 20
_log = get_logger("web")

_STATUS: Final[Mapping[str, int]] = {
    "ORD202": 409,
    "ORD301": 503,
    "ORD302": 503,
    "ORD303": 503,
    "ORD304": 503,
    "ORD305": 503,
    "ORD310": 404,
    "ORD311": 409,
    "ORD314": 409,
    "ORD410": 503,
    "ORD418": 403,
}
"""The status of an error by its code, where that is not 422: what was asked for cannot be done."""
_CODES: Final[Mapping[int, str]] = {401: "ORD319", 403: "ORD320", 404: "ORD310", 429: "ORD321"}
_PHRASES: Final[Mapping[int, str]] = {413: "Content Too Large", 422: "Unprocessable Content"}
"""What RFC 9110 section 15.5 calls statuses that Python before 3.13 has under an older name."""


class Refused(OrdinautError):
    """A request that is not served.

    Args:
        status: the HTTP status.
        message: what is the matter.
        hint: what to do.
        code: the stable code.
        headers: what the answer says beside.
    """

    default_code = "ORD322"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.status = status
        self.headers = dict(headers or {})


def status_of(error: OrdinautError) -> int:
    """The HTTP status that says best what an error means."""
    return error.status if isinstance(error, Refused) else _STATUS.get(error.code, 422)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the description of an operation says of the ways in which it refuses, for `responses=`."""
    return {
        status: {
            "model": ProblemDetails,
            "description": _PHRASES.get(status, HTTPStatus(status).phrase),
        }
        for status in statuses
    }


def install_problems(app: FastAPI) -> None:
    """Let the application answer errors so."""
    app.add_exception_handler(OrdinautError, _expected)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _unfit)


def problem(
    request_id: str,
    status: int,
    code: str,
    detail: str,
    *,
    hint: str = "",
    headers: Mapping[str, str] | None = None,
    errors: tuple[Misfit, ...] = (),
) -> Response:
    """The answer to a request that is not served."""
    details = ProblemDetails(
        type=f"urn:ordinaut:error:{code}",
        title=CODES[code],
        status=status,
        detail=detail,
        code=code,
        hint=hint or None,
        request_id=request_id,
        errors=errors,
    )
    body = details.model_dump_json(exclude_none=True)
    return Response(body, status, dict(headers or {}), MEDIA_TYPE)


def refusal(request_id: str, error: OrdinautError) -> Response:
    """An error of ours as an answer."""
    headers = error.headers if isinstance(error, Refused) else None
    return problem(
        request_id, status_of(error), error.code, error.message, hint=error.hint, headers=headers
    )


def request_id_of(request: Request) -> str:
    """What the log calls a request."""
    return str(request.scope.get("ordinaut.request_id", ""))


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, OrdinautError)  # noqa: S101 - what it is installed for
    tell_log(request, error)
    is_known = hasattr(request.state, "principal")
    return refusal(request_id_of(request), error if is_known else for_strangers(error))


def tell_log(request: Request, error: OrdinautError) -> None:
    """Tell in the log what is not for whoever asked to mend."""
    if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("%s", error, extra={"request": request_id_of(request)})


def for_strangers(error: OrdinautError) -> OrdinautError:
    """An error as it is told to whoever showed no token: where the database is, and what it says, is not for them."""
    if isinstance(error, Refused) or status_of(error) < HTTPStatus.INTERNAL_SERVER_ERROR:
        return error
    return Refused(
        status_of(error),
        CODES[error.code],
        hint="the log of the process says more",
        code=error.code,
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if isinstance(error.__cause__, OrdinautError):
        # FastAPI wraps whatever goes wrong while it reads a body.
        return await _expected(request, error.__cause__)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # That is how FastAPI tells of a body that is not text; of one that is no JSON it says 422, and so do we.
        return problem(request_id_of(request), 422, "ORD322", "the body is no JSON")
    code = _CODES.get(error.status_code, "ORD322")
    detail = error.detail or HTTPStatus(error.status_code).phrase
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(sorted(_methods_at(request)))}
    return problem(request_id_of(request), error.status_code, code, detail, headers=headers)


def _methods_at(request: Request) -> set[str]:
    """Every method that is served at a path: each has a route of its own, which knows its alone."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path and compile_path(route.path)[0].match(request.scope["path"]):
            found |= set(route.methods or ())
    return found


async def _unfit(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    found = error.errors()
    misfits = tuple(
        Misfit(where=".".join(map(str, one["loc"])), message=one["msg"])
        for one in found[:_MAX_MISFITS]
    )
    return problem(
        request_id_of(request),
        422,
        "ORD322",
        "the request is not what this operation takes",
        errors=misfits,
    )


def defect(request_id: str, path: str, error: Exception) -> Response:
    """The answer to a request that failed for no fault of its own; what it was is told in the log alone."""
    where = {"request": request_id, "path": path}
    _log.error("a request failed: a defect", extra=where, exc_info=error)
    detail = "this is a defect; the log of the web process tells more"
    return problem(request_id, 500, "ORD323", detail)
