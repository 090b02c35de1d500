"""The HTTP API, version 1: what the command line prints with `--json`, and does, over HTTP."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from runtime.web.api import (
    asked,
    audit,
    deciding,
    events,
    operating,
    overview,
    runs,
    tasks,
    telling,
    timeline,
)

PREFIX: Final = "/api/v1"

router = APIRouter(prefix=PREFIX)
for _part in (
    overview,
    tasks,
    runs,
    operating,
    events,
    telling,
    asked,
    deciding,
    timeline,
    audit,
):
    router.include_router(_part.router)
