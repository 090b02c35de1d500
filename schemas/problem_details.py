"""What the web side says when it refuses a request, or fails (RFC 9457, `application/problem+json`)."""

from __future__ import annotations

from schemas.base import Model


class Misfit(Model):
    """One place of a request that is not as it should be."""

    where: str
    """The place: `query.limit`, `body.until`."""
    message: str
    """What is wrong there."""


class ProblemDetails(Model):
    """Why a request was not served."""

    type: str
    """`urn:ordinaut:error:` and the code; `docs/errors.md` explains each."""
    title: str
    """What the code means; the same for every request that ends so."""
    status: int
    """The HTTP status."""
    detail: str
    """What happened here."""
    code: str
    """The stable code."""
    hint: str | None = None
    """What to do about it."""
    request_id: str
    """The request, as the log names it."""
    errors: tuple[Misfit, ...] = ()
    """What is wrong with the request, place by place, where that is it."""
