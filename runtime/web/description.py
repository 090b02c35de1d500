"""What the API is, for programs: OpenAPI 3.1, made from the routes that serve it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from runtime.web.problems import MEDIA_TYPE

PREFIX: Final = "/api/v1"
_DESCRIPTION: Final = """\
What `ordinaut` prints with `--json`, and does, over HTTP.

Every request shows a token of `ordinaut token create`; each operation names the scope that it takes. Refusals are problem \
documents (RFC 9457) with the codes of the command line. Lists come in pages: the `Link` header leads to the next. Every POST \
takes an `Idempotency-Key`.
"""
# Made by the framework for answers that we give otherwise.
_UNUSED: Final = ("HTTPValidationError", "ValidationError")


def described(app: FastAPI) -> dict[str, Any]:
    """The description of an application, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title="Ordinaut",
            version="1",
            openapi_version="3.1.0",
            description=_DESCRIPTION,
            routes=app.routes,
        )
        paths = {path: item for path, item in schema["paths"].items() if path.startswith(PREFIX)}
        for item in paths.values():
            for operation in item.values():
                _tell_problems(operation)
        schema["paths"] = paths
        for name in _UNUSED:
            schema["components"]["schemas"].pop(name, None)
        app.openapi_schema = schema
    return app.openapi_schema


def _tell_problems(operation: dict[str, Any]) -> None:
    """Refusals have a media type of their own."""
    for status, response in operation["responses"].items():
        if status >= "4" and "application/json" in response.get("content", {}):
            content = response["content"].pop("application/json")
            if content["schema"].get("$ref", "").endswith("/HTTPValidationError"):
                content["schema"] = {"$ref": "#/components/schemas/ProblemDetails"}
            response["content"][MEDIA_TYPE] = content
