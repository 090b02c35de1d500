"""Pages of lists: at most so many at once, and a link to the rest (RFC 8288) that stays true while more is added."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

MAX_PAGE: Final = 500
_NUMBER: Final = re.compile(r"\s*[-+]?[\d._eE+-]*\s*")

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=256, description="Where to go on: that of the `Link` to the next page."),
]


def _written_out(value: object) -> object:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        raise ValueError("write ISO 8601 with an offset")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""An instant as ISO 8601; not a number, which could be seconds or milliseconds."""


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Say in the answer where the next page is; nothing where there is none."""
    if cursor is not None:
        asked = [
            (name, value) for name, value in request.query_params.multi_items() if name != "cursor"
        ]
        query = urlencode([*asked, ("cursor", cursor)])
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
