"""The dashboard: pages that the server renders, read-mostly, over the same readers and acts as the command line and the API.

words, drawing    what is said, and where marks go
look              templates and static files
viewer            who looks, and that a form is one of ours
route             a page's route: errors become pages, and whoever is not signed in is led to the door
door              signing in and out
overview, tasks, runs, timeline, changes, approvals, spend, audit    the pages
acts, doing       what may be done, a confirmation each
live              what changed, told to open pages
"""

from __future__ import annotations

from fastapi import APIRouter

from runtime.web.pages import (
    approvals,
    audit,
    changes,
    doing,
    door,
    live,
    overview,
    runs,
    spend,
    tasks,
    timeline,
)

router = APIRouter(include_in_schema=False)
for _part in (
    door,
    overview,
    tasks,
    runs,
    timeline,
    changes,
    approvals,
    spend,
    audit,
    doing,
    live,
):
    router.include_router(_part.router)
