"""Refuses what an operation does not know: a parameter that is misspelt would else be passed over in silence."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request

from runtime.web.description import described
from runtime.web.problems import Refused


def refuse_unknown(request: Request) -> None:
    """Refuse parameters of the query that the operation does not know.

    Raises:
        Refused: 422.
    """
    if not request.scope["query_string"]:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101 - what this is a dependency of
    known = _parameters(request.app).get(str(route.operation_id))
    if known is None:
        return
    for name in request.query_params:
        if name not in known:
            takes = ", ".join(sorted(known)) or "none"
            raise Refused(
                422, f"query: there is no parameter {name[:64]!r}", hint=f"there is: {takes}"
            )


def _parameters(app: FastAPI) -> Mapping[str, frozenset[str]]:
    """What operations take in the query, as programs are told; worked out once."""
    if not hasattr(app.state, "parameters"):
        app.state.parameters = {
            operation["operationId"]: frozenset(
                one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"
            )
            for item in described(app)["paths"].values()
            for operation in item.values()
        }
    known: Mapping[str, frozenset[str]] = app.state.parameters
    return known
