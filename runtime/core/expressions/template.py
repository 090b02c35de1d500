"""Templates in any JSON value, and bare conditions.

A compiled template is a tree of four node kinds, all with `render(frame)`. What holds no expression is returned as it
stands, not copied: whoever renders must not change the result in place.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from runtime.core.expressions.context import (
    JSON,
    TEMPLATE_ROOTS,
    Context,
    Reference,
    merge_references,
)
from runtime.core.expressions.expression import (
    DEFAULT_LIMIT,
    Expression,
    Frame,
    compile_expression,
    is_true,
    too_large,
)
from runtime.core.expressions.interpreter import weight
from runtime.core.expressions.paths import Path
from runtime.core.expressions.scan import Hole, split
from runtime.core.expressions.syntax import DEEPEST
from runtime.errors import ExpressionError

_Key = TypeVar("_Key", str, int)


@dataclass(frozen=True, slots=True)
class _Constant:
    value: JSON


@dataclass(frozen=True, slots=True)
class _Text:
    """Literal pieces and expressions in turn, joined."""

    pieces: tuple[str | Expression, ...]

    def evaluate(self, frame: Frame) -> str:
        return "".join(
            [
                piece if isinstance(piece, str) else piece.interpolate(frame)
                for piece in self.pieces
            ]
        )


@dataclass(frozen=True, slots=True)
class _Object:
    """`base` has every key in order; only the values in `dynamic` are replaced."""

    base: dict[str, JSON]
    dynamic: tuple[tuple[str, _Dynamic], ...]

    def evaluate(self, frame: Frame) -> dict[str, JSON]:
        rendered = self.base.copy()
        for key, node in self.dynamic:
            rendered[key] = node.evaluate(frame)
        return rendered


@dataclass(frozen=True, slots=True)
class _List:
    base: list[JSON]
    dynamic: tuple[tuple[int, _Dynamic], ...]

    def evaluate(self, frame: Frame) -> list[JSON]:
        rendered = self.base.copy()
        for index, node in self.dynamic:
            rendered[index] = node.evaluate(frame)
        return rendered


_Dynamic = Expression | _Text | _Object | _List


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled JSON value.

    Attributes:
        references: the paths that its expressions read.
    """

    references: frozenset[Reference]
    _node: _Constant | _Dynamic
    _fixed_weight: int

    def render(self, context: Context, *, limit: int = DEFAULT_LIMIT) -> JSON:
        """The value with every expression filled in; constant parts are shared, not copied.

        Args:
            context: the run's values.
            limit: characters of compact JSON that the result may have.

        Raises:
            ExpressionError: ORD502 a path is missing, ORD503 an expression fails, ORD506 the result is too large; with
                the path inside the value.
        """
        if self._fixed_weight > limit:
            raise too_large(limit, ())
        if isinstance(self._node, _Constant):
            return self._node.value
        frame = Frame(context, limit)
        frame.left -= self._fixed_weight
        return self._node.evaluate(frame)


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled bare expression, as in `if`, `expect` and `fail_when`."""

    expression: Expression

    @property
    def references(self) -> frozenset[Reference]:
        """The paths that the condition reads."""
        return self.expression.references

    def evaluate(self, context: Context, *, limit: int = DEFAULT_LIMIT) -> JSON:
        """The expression's value.

        Raises:
            ExpressionError: as `Template.render`.
        """
        return self.expression.evaluate(Frame(context, limit))

    def test(self, context: Context) -> bool:
        """Whether it holds, as `is_true` says.

        Raises:
            ExpressionError: as `Template.render`.
        """
        return is_true(self.evaluate(context))


def compile_template(value: JSON) -> Template:
    """Compile any JSON value; its strings may hold `${...}`, its keys may not.

    Raises:
        ExpressionError: ORD501 or ORD502, with the path inside the value and the position inside the string; ORD501 too
            for a value that is not JSON or nested too deeply.
    """
    compiler = _Compiler()
    node = compiler.compile(value, ())
    return Template(merge_references(compiler.references), node, compiler.fixed_weight)


def compile_condition(text: str, *, roots: frozenset[str] = TEMPLATE_ROOTS) -> Condition:
    """Compile a bare expression; `${...}` around the whole of it is allowed and means the same.

    Args:
        text: JMESPath.
        roots: `ANSWER_ROOTS` where `result` may be named.

    Raises:
        ExpressionError: ORD501 or ORD502, with the position in `text`.
    """
    expression, start = bare_expression(text)
    return Condition(compile_expression(expression, roots, (), start))


def bare_expression(text: str) -> tuple[str, int]:
    """The expression of a condition and where it begins: the inside of `${...}` if that is the whole text.

    Raises:
        ExpressionError: ORD501, `${...}` stands around a part only.
    """
    bare = text.strip()
    if not bare.startswith("${"):
        return text, 0
    pieces = split(bare)
    match pieces:
        case (Hole(expression, start),):
            return expression, start + text.index("${")
        case _:
            raise ExpressionError(
                "a condition is one expression, and ${...} stands around a part of it",
                hint="write the whole condition without ${...}",
                position=text.index("${"),
            )


class _Compiler:
    """Gathers references and the weight of everything fixed while it descends."""

    def __init__(self) -> None:
        self.references: set[Reference] = set()
        self.fixed_weight = 0

    def compile(self, value: JSON, path: Path) -> _Constant | _Dynamic:
        if len(path) > DEEPEST:
            raise ExpressionError(f"nested deeper than {DEEPEST} levels", path=path)
        match value:
            case str():
                return self.text(value, path)
            case dict():
                return self.object(value, path)
            case list() | tuple():
                return self.list(value, path)
            case _:
                return self.constant(value, path)

    def text(self, text: str, path: Path) -> _Constant | _Dynamic:
        if "${" not in text:
            return self.constant(text, path)
        try:
            pieces = split(text)
        except ExpressionError as wrong:
            raise ExpressionError(
                wrong.message, hint=wrong.hint, path=path, position=wrong.position
            ) from None
        compiled = tuple(
            piece if isinstance(piece, str) else self.hole(piece, path) for piece in pieces
        )
        match compiled:
            case (str(literal),):
                return self.constant(literal, path)
            case (Expression() as whole,):
                return whole
            case _:
                self.fixed_weight += sum(len(piece) for piece in pieces if isinstance(piece, str))
                return _Text(compiled)

    def hole(self, hole: Hole, path: Path) -> Expression:
        expression = compile_expression(hole.expression, TEMPLATE_ROOTS, path, hole.start)
        self.references |= expression.references
        return expression

    def object(self, value: dict[Any, JSON], path: Path) -> _Constant | _Dynamic:
        for key in value:
            if not isinstance(key, str):
                raise ExpressionError(f"the key {key!r} is not a text", path=path)
        nodes = {key: self.compile(inner, (*path, key)) for key, inner in value.items()}
        self.fixed_weight += 2 + sum(len(key) + 4 for key in nodes)
        base, dynamic = _parted(nodes.items())
        if dynamic:
            return _Object(dict(base), tuple(dynamic))
        constants = dict(base)
        return _Constant(value if _kept(value.values(), constants.values()) else constants)

    def list(self, value: list[JSON] | tuple[JSON, ...], path: Path) -> _Constant | _Dynamic:
        nodes = [self.compile(inner, (*path, index)) for index, inner in enumerate(value)]
        self.fixed_weight += 2 + len(nodes)
        base, dynamic = _parted(enumerate(nodes))
        constants = [inner for _, inner in base]
        if dynamic:
            return _List(constants, tuple(dynamic))
        if isinstance(value, list) and _kept(value, constants):
            return _Constant(value)
        return _Constant(constants)

    def constant(self, value: JSON, path: Path) -> _Constant:
        try:
            self.fixed_weight += weight(value, sys.maxsize)
        except ValueError as wrong:
            raise ExpressionError(str(wrong), path=path) from None
        return _Constant(value)


def _parted(
    nodes: Iterable[tuple[_Key, _Constant | _Dynamic]],
) -> tuple[list[tuple[_Key, JSON]], list[tuple[_Key, _Dynamic]]]:
    """Every entry with its constant (None where there is none yet), and the entries still to be rendered."""
    base: list[tuple[_Key, JSON]] = []
    dynamic: list[tuple[_Key, _Dynamic]] = []
    for key, node in nodes:
        if isinstance(node, _Constant):
            base.append((key, node.value))
        else:
            base.append((key, None))
            dynamic.append((key, node))
    return base, dynamic


def _kept(before: Iterable[JSON], after: Iterable[JSON]) -> bool:
    """Whether compiling changed nothing, so that the value itself can be handed out."""
    return all(map(operator.is_, before, after))
