"""The HTTP API, version 1: what the command line prints with `--json`, and does, over HTTP."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from runtime.web.api import overview

PREFIX: Final = "/api/v1"

router = APIRouter(prefix=PREFIX)
router.include_router(overview.router)
