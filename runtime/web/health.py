"""`/healthz` and `/readyz`: for whatever watches over the process. They tell nothing but that, so they take no token."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from runtime.store.migrate import require_usable
from runtime.web.site import Here

router = APIRouter(include_in_schema=False, default_response_class=PlainTextResponse)


@router.get("/healthz")
async def healthz() -> str:
    """Whether the process answers."""
    return "ok\n"


@router.get("/readyz")
def readyz(here: Here) -> str:
    """Whether the database answers, and has a schema that this program works with; 503 if not."""
    with here.lender.reading() as connection:
        require_usable(connection)
    return "ok\n"
