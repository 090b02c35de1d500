"""What a filter can only hold for, so that nothing else need be put before it."""

from __future__ import annotations

from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError

_LONGEST_SECONDS: Final = 366 * 86400.0


def task_meant(filter_text: str) -> str | None:
    """The task without whose name in `data.task` the filter cannot hold; None where it does not say so plainly."""
    found = _meant(filter_text, "task")
    return found if isinstance(found, str) else None


def lateness_meant(filter_text: str) -> float | None:
    """The seconds that `data.after_seconds` has to be for the filter to hold: above 0, and a year at most; else None."""
    found = _meant(filter_text, "after_seconds")
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number and 0 < found <= _LONGEST_SECONDS else None


def _meant(filter_text: str, field: str) -> Any:
    """What a field of `data` has to equal for a filter to hold; None where it does not say so plainly."""
    names = ({"type": "field", "children": [], "value": name} for name in ("data", field))
    path = {"type": "subexpression", "children": list(names)}
    try:
        return _equal(jmespath.compile(filter_text).parsed, path)
    except JMESPathError:
        # Whoever compiles the spec says so.
        return None


def _equal(node: Any, path: Any) -> Any:
    if node["type"] == "and_expression":
        found = (_equal(one, path) for one in node["children"])
        return next((one for one in found if one is not None), None)
    if node["type"] != "comparator" or node["value"] != "eq":
        return None
    left, right = node["children"]
    if left != path:
        left, right = right, left
    return right["value"] if left == path and right["type"] == "literal" else None
