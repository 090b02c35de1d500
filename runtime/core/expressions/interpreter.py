"""Evaluates an anchored tree: JMESPath's interpreter, strict paths, and a bound on what an expression may build."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, Final

from jmespath.visitor import Options, TreeInterpreter

from runtime.core.expressions.context import Context, instant_text
from runtime.core.expressions.functions import FUNCTIONS, GROWING
from runtime.core.expressions.paths import PathMissing, root_value, walk
from runtime.core.expressions.syntax import Node

WORK_FACTOR: Final = 4
"""How many times the output's limit all that the expressions build on the way may weigh.

Without a bound `[@,@] | [@,@] | ...` doubles a value with every few characters.
"""

_OPTIONS: Final = Options(custom_functions=FUNCTIONS)


class TooLarge(Exception):
    """A value weighs more than it may."""


class Interpreter(TreeInterpreter):
    """Serves one rendering: it carries the context and the weight that may still be built."""

    def __init__(self, context: Context, limit: int) -> None:
        super().__init__(_OPTIONS)
        self.context = context
        self.work_left = WORK_FACTOR * limit
        self.instants: dict[timedelta | None, str] = {}

    def visit_root_path(self, node: Node, _: Any) -> Any:
        return root_value(self.context, node["value"])

    def visit_path(self, node: Node, value: Any) -> Any:
        segments, prefix = node["value"]
        return walk(value, segments, prefix)

    def visit_instant(self, node: Node, _: Any) -> str:
        # A filter asks for the same instant at each element.
        span = node["value"]
        if span not in self.instants:
            self.instants[span] = instant_of(self.context, node)
        return self.instants[span]

    def visit_default(self, node: Node, value: Any) -> Any:
        wanted, otherwise = node["children"]
        try:
            found = self.visit(wanted, value)
        except PathMissing:
            return self.visit(otherwise, value)
        if found is None and not node["value"]:
            return self.visit(otherwise, value)
        return found

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        return self.weighed(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        return self.weighed(super().visit_multi_select_dict(node, value))

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        result = super().visit_function_expression(node, value)
        return self.weighed(result) if node["value"] in GROWING else result

    def weighed(self, value: Any) -> Any:
        self.work_left -= weight(value, self.work_left)
        return value


def instant_of(context: Context, node: Node) -> str:
    """The text of `now`, moved by the node's span.

    Raises:
        OverflowError: outside the years 1 to 9999.
    """
    span = node["value"]
    return instant_text(context.now if span is None else context.now + span)


def weight(value: Any, limit: int) -> int:
    """Characters of the value's compact JSON, escapes not counted; stops as soon as it exceeds `limit`.

    Raises:
        TooLarge: it does.
        ValueError: something in it is not JSON.
    """
    total, stack = 0, [value]
    while stack:
        inner = stack.pop()
        kind = type(inner)
        if kind is dict:
            total += 2
            for key, part in inner.items():
                # Text is most of any value, so it is weighed without a detour.
                if type(part) is str:
                    total += len(key) + len(part) + 6
                else:
                    total += len(key) + 4
                    stack.append(part)
        elif kind is list:
            total += len(inner) + 2
            # One list may stand in many places and hold itself many times over, so it is not unfolded beyond the limit.
            if total <= limit:
                stack += inner
        elif kind is str:
            total += len(inner) + 2
        else:
            total += _scalar_weight(inner)
        if total > limit:
            raise TooLarge
    return total


def _scalar_weight(value: Any) -> int:
    if value is None or isinstance(value, bool):
        return 4
    if not isinstance(value, int | float):
        raise ValueError(f"a {type(value).__name__} is not a JSON value")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    return len(repr(value))
