"""What calls used up."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from shlex import quote
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from runtime.store.usage import sum_usage
from runtime.web.pages.look import environment, page
from runtime.web.pages.route import PageRoute, frame
from runtime.web.pages.viewer import Seen
from runtime.web.site import Here
from schemas.spend import LABEL, SPEND_BYS, SpendBy, Spent

router = APIRouter(route_class=PageRoute)

_BY: Final = TypeAdapter(SpendBy)
_SINCES: Final = (("1d", "a day"), ("7d", "a week"), ("30d", "30 days"), ("90d", "90 days"))
_LEAST: Final = Decimal("0.0001")


@router.get("/spend")
def spend(request: Request, here: Here, viewer: Seen, by: str = "task", since: str = "30d") -> Response:  # fmt: skip
    """What calls used up, by what was asked for."""
    chosen = by if _is_one(by) else "task"
    span = since if since in dict(_SINCES) else "30d"
    with here.lender.reading() as connection:
        found = sum_usage(connection, chosen, timedelta(days=int(span.removesuffix("d"))))
    return page(
        viewer,
        "spend.html",
        **frame(request, "/spend", cli=(f"ordinaut spend --by {quote(chosen)} --since {span}",), json=f"/api/v1/spend?{urlencode({'by': chosen, 'since': found.since.isoformat()})}"),
        spend=found,
        bys=SPEND_BYS if chosen in SPEND_BYS else (*SPEND_BYS, chosen),
        what=chosen.removeprefix(LABEL),
        sinces=_SINCES,
        since=span,
        most=max((row.input_tokens + row.output_tokens for row in found.rows), default=0),
    )  # fmt: skip


def _is_one(by: str) -> bool:
    try:
        _BY.validate_python(by)
    except ValidationError:
        return False
    return True


def amount(spent: Spent) -> str:
    """Money as people read it: two places where that says enough, four where it is little."""
    places = Decimal("0.01") if spent.amount >= 1 else _LEAST
    least = f"< {_LEAST}" if 0 < spent.amount < _LEAST else f"{spent.amount.quantize(places):,}"
    return f"{least} {spent.currency}"


environment().filters["amount"] = amount
