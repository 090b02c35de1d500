"""Everything at a glance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from runtime.health import bus_status
from runtime.store.status import load_status
from runtime.web.auth import needs
from runtime.web.site import Here
from schemas.status import Status

router = APIRouter(tags=["overview"], dependencies=[needs("read")])


@router.get("/status", operation_id="getStatus")
def get_status(
    here: Here,
    limit: Annotated[int, Query(ge=0, le=1000)] = 15,
) -> Status:
    """What is applied, what runs and what is due, as `ordinaut status` tells it."""
    bus = bus_status(here.config)
    with here.lender.reading() as connection:
        return load_status(connection, bus, limit=limit)
