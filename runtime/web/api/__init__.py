"""The HTTP API, version 1: what the command line prints with `--json`, and does, over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from runtime.web import openapi
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
from runtime.web.description import PREFIX

__all__ = ["PREFIX", "router"]

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
    openapi,
):
    router.include_router(_part.router)
