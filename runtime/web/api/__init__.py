"""The HTTP API, version 1: what the command line prints with `--json`, and does, over HTTP."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from runtime.web.api import asked, deciding, events, operating, overview, runs, tasks, telling

PREFIX: Final = "/api/v1"

router = APIRouter(prefix=PREFIX)
for _part in (overview, tasks, runs, operating, events, telling, asked, deciding):
    router.include_router(_part.router)
