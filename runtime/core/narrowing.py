"""Which task's events a filter means, so that those of all others need not be put before it."""

from __future__ import annotations

from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError

_TASK: Final = {
    "type": "subexpression",
    "children": [
        {"type": "field", "children": [], "value": "data"},
        {"type": "field", "children": [], "value": "task"},
    ],
}


def task_meant(filter_text: str) -> str | None:
    """The task without whose name in `data.task` the filter cannot hold; None where it does not say so plainly."""
    try:
        return _meant(jmespath.compile(filter_text).parsed)
    except JMESPathError:
        # Whoever compiles the spec says so.
        return None


def _meant(node: Any) -> str | None:
    if node["type"] == "and_expression":
        return next((name for one in node["children"] if (name := _meant(one)) is not None), None)
    if node["type"] != "comparator" or node["value"] != "eq":
        return None
    left, right = node["children"]
    if left != _TASK:
        left, right = right, left
    is_plain = left == _TASK and right["type"] == "literal" and isinstance(right["value"], str)
    return right["value"] if is_plain else None
