"""Serves the description of the API to programs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from runtime.web.api.route import ThreadRoute
from runtime.web.auth import needs
from runtime.web.description import described
from runtime.web.problems import refusals

router = APIRouter(route_class=ThreadRoute, tags=["description"], dependencies=[needs("read")])


@router.get(
    "/openapi.json", operation_id="getDescription", responses=refusals(401, 403, 422, 429, 503)
)
async def get_description(request: Request) -> dict[str, Any]:
    """This description."""
    return described(request.app)
