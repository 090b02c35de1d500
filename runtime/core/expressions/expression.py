"""One compiled expression: what it reads, and its value in a context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from jmespath.exceptions import JMESPathError, JMESPathTypeError

from runtime.core.expressions.anchor import anchor_tree
from runtime.core.expressions.context import JSON, Context, Reference
from runtime.core.expressions.functions import compact_json
from runtime.core.expressions.interpreter import (
    Interpreter,
    TooLarge,
    instant_of,
    weight,
)
from runtime.core.expressions.paths import Path, PathMissing, missing_error, root_value
from runtime.core.expressions.syntax import Node, parse
from runtime.errors import ExpressionError

DEFAULT_LIMIT: Final = 1024 * 1024
"""Characters of JSON that a rendered value may have."""


class Frame:
    """One rendering: the context, and how much it may still put out."""

    __slots__ = ("_interpreter", "context", "left", "limit")

    def __init__(self, context: Context, limit: int) -> None:
        self.context = context
        self.limit = limit
        self.left = limit
        self._interpreter: Interpreter | None = None

    def interpret(self, node: Any) -> JSON:
        if self._interpreter is None:
            self._interpreter = Interpreter(self.context, self.limit)
        return self._interpreter.visit(node, self.context)

    def charge(self, value: JSON) -> None:
        """Take the value's weight off what is left.

        Raises:
            TooLarge: nothing is left.
        """
        self.left -= weight(value, self.left)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    Attributes:
        text: as written.
        tree: the anchored tree.
        references: the paths it reads.
        path: where it stands in the templated value.
        position: where it begins in its string.
    """

    text: str
    tree: Node
    references: frozenset[Reference]
    path: Path = ()
    position: int = 0

    @property
    def static_path(self) -> Path | None:
        """The path that this expression is, root included, if it is nothing more."""
        path: Path | None = self.tree["value"] if self.tree["type"] == "root_path" else None
        return path

    def evaluate(self, frame: Frame) -> JSON:
        """The expression's value, charged to the frame.

        Raises:
            ExpressionError: ORD502 a path is missing, ORD503 it cannot be evaluated, ORD506 it is too large.
        """
        try:
            value = self._value(frame)
            frame.charge(value)
        except PathMissing as missing:
            raise missing_error(missing, self.path, self.position) from None
        except TooLarge:
            raise too_large(frame.limit, self.path) from None
        except (JMESPathError, ValueError, TypeError, ArithmeticError, RecursionError) as wrong:
            raise self._failure(wrong) from None
        return value

    def interpolate(self, frame: Frame) -> str:
        """The value as it stands inside longer text: text as it is, anything else as compact JSON.

        Raises:
            ExpressionError: as `evaluate`.
        """
        value = self.evaluate(frame)
        if isinstance(value, str):
            return value
        try:
            return compact_json(value)
        except RecursionError as wrong:
            raise self._failure(wrong) from None

    def _value(self, frame: Frame) -> JSON:
        # Most expressions are a path or an instant: they need no interpreter.
        match self.tree["type"]:
            case "root_path":
                return root_value(frame.context, self.tree["value"])
            case "instant":
                return instant_of(frame.context, self.tree)
            case _:
                return frame.interpret(self.tree)

    def _failure(self, wrong: Exception) -> ExpressionError:
        return evaluation_failure(self.text, wrong, self.path, self.position)


def compile_expression(
    text: str, roots: frozenset[str], path: Path = (), position: int = 0
) -> Expression:
    """Parse and check one expression that begins at `position` in the string at `path`.

    Raises:
        ExpressionError: ORD501, or ORD502 for a name that is no root.
    """
    try:
        tree, found = anchor_tree(parse(text), text, roots)
    except ExpressionError as wrong:
        raise ExpressionError(
            wrong.message,
            hint=wrong.hint,
            code=wrong.code,
            path=path,
            position=position + (wrong.position or 0),
        ) from None
    return Expression(text, tree, found, path, position)


def is_true(value: JSON) -> bool:
    """As JMESPath reads truth: false, null and empty text, lists and objects are not true; 0 is."""
    # Written out: Python's own truth would take 0 for false.
    return not (value is None or value is False or value in ("", [], {}))


def evaluation_failure(
    text: str, wrong: Exception, path: Path = (), position: int | None = None
) -> ExpressionError:
    """ORD503: what went wrong, in words that quote no value."""
    return ExpressionError(
        f"{text[:80]} cannot be evaluated: {_reason(wrong)}",
        code="ORD503",
        path=path,
        position=position,
    )


def too_large(limit: int, path: Path) -> ExpressionError:
    """ORD506: more than `limit` characters came out, or several times more was built on the way."""
    return ExpressionError(
        f"the rendered value, or what it is built from, exceeds {limit} characters of JSON",
        hint="pass less of the earlier result on, for example with a filter or a slice",
        code="ORD506",
        path=path,
    )


def _reason(wrong: Exception) -> str:
    """The reason in words, never quoting a value: it might be a secret."""
    match wrong:
        case JMESPathTypeError():
            wanted = " or ".join(_type_name(kind) for kind in wrong.expected_types)
            return (
                f"{wrong.function_name}() takes {wanted}, and got {_type_name(wrong.actual_type)}"
            )
        case OverflowError():
            return "a number or a time is out of range"
        case TypeError():
            return "a text and a number met; to_number() or to_string() brings them to one type"
        case RecursionError():
            return "a value is nested too deeply"
        case _:
            return str(wrong)


def _type_name(kind: Any) -> str:
    names = {"expref": "an &expression", "NoneType": "null", "str": "string", "dict": "object"}
    return names.get(str(kind), str(kind))
