"""What a model answered, read: the text of it or the data in it, held against what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.core.binding import canonical
from runtime.core.contracts import UnusableSchema, contract

_SCHEMA = "output_schema"


class Misfit(Exception):
    """The answer is not what was asked for; the text says why, one problem or several."""


def keep_to_schema(arguments: Mapping[str, Any], value: Mapping[str, Any]) -> None:
    """Hold the `data` of a result against the `output_schema` among the arguments, if there is one.

    Raises:
        Misfit: it does not fit.
    """
    if _SCHEMA not in arguments:
        return
    try:
        problems = contract(canonical(arguments[_SCHEMA])).problems(value["data"])
    except UnusableSchema as error:
        problems = [f"the output_schema cannot be used: {error}"]
    if problems:
        raise Misfit("; ".join(problems))
