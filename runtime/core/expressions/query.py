"""JMESPath over one JSON value instead of the roots of a run: names are its fields, and what is not there is null.

The functions are those of templates but for `default()`, which has nothing to do here. What evaluating may cost is
counted in steps and in what is built, and not in seconds, so that it ends everywhere with the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from jmespath.exceptions import JMESPathError

from runtime.core.expressions.context import JSON, Context
from runtime.core.expressions.expression import evaluation_failure
from runtime.core.expressions.functions import complaint_about_call
from runtime.core.expressions.interpreter import WORK_FACTOR, Interpreter, TooLarge, weight
from runtime.core.expressions.syntax import Node, parse
from runtime.errors import ExpressionError

# Characters of JSON that may be built by all that share a meter, before the interpreter's factor.
_ROOM: Final = 16 * 1024 * 1024
# A query knows no run, and so nothing that its context could say.
_NO_RUN: Final = Context(now=datetime(1970, 1, 1, tzinfo=UTC))


@dataclass(slots=True)
class Meter:
    """What queries may spend together: nodes of their trees, counted each time that one is evaluated, about a microsecond each;
    and characters of JSON that they build."""

    steps: int
    room: int = WORK_FACTOR * _ROOM


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query.

    Attributes:
        text: as written.
        tree: as JMESPath parses it.
    """

    text: str
    tree: Node

    def evaluate(self, value: JSON, meter: Meter) -> JSON:
        """What the query gives; it shares parts with `value`, which must not be changed.

        Args:
            value: what is asked about.
            meter: what may be spent; queries that share one spend it together.

        Raises:
            ExpressionError: ORD503 it cannot be evaluated, ORD506 it takes more steps than are left, or too much room.
        """
        try:
            return _Counting(meter).visit(self.tree, value)
        except TooLarge:
            raise ExpressionError(
                f"{self.text[:80]} takes too many steps, or too much room",
                code="ORD506",
            ) from None
        except (JMESPathError, ValueError, TypeError, ArithmeticError, RecursionError) as wrong:
            raise evaluation_failure(self.text, wrong) from None


class _Counting(Interpreter):
    def __init__(self, meter: Meter) -> None:
        super().__init__(_NO_RUN, _ROOM)
        self._meter = meter

    def weighed(self, value: Any) -> Any:
        try:
            self._meter.room -= weight(value, self._meter.room)
        except TooLarge:
            # Weighing took the time that building did: whoever shares the meter has none left.
            self._meter.room = 0
            raise
        return value

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._meter.steps -= 1
        if self._meter.steps < 0:
            raise TooLarge
        return super().visit(node, *args, **kwargs)


def compile_query(text: str) -> Query:
    """Parse a query.

    Raises:
        ExpressionError: ORD501, with the position in `text`.
    """
    tree = parse(text)
    for node in _nodes(tree):
        if node["type"] == "function_expression":
            _check_call(node)
    return Query(text, tree)


def _check_call(node: Node) -> None:
    name = node["value"]
    if name == "default":
        raise ExpressionError(
            "there is no function default() here, where what is missing is null",
            hint="write a || b",
        )
    if wrong := complaint_about_call(name, [child["type"] for child in node["children"]]):
        message, hint = wrong
        raise ExpressionError(message, hint=hint)


def _nodes(tree: Node) -> Iterator[Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        # A slice has numbers for children.
        waiting += [child for child in node["children"] if isinstance(child, dict)]
