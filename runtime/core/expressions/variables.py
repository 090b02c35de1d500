"""Fills `${vars.x}` at plan time and leaves every other expression as it was written, byte for byte.

A variable's value is data: a `${` in it is escaped, so that it can never become an expression. Text that cannot be
parsed is left alone too; compiling it afterwards says what is wrong with it, once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from runtime.core.expressions.anchor import static_path
from runtime.core.expressions.context import ANSWER_ROOTS, JSON
from runtime.core.expressions.expression import Expression, compile_expression
from runtime.core.expressions.functions import compact_json
from runtime.core.expressions.paths import Path, PathMissing, walk, what_is_there
from runtime.core.expressions.scan import QUOTED, Hole, escape, split
from runtime.core.expressions.syntax import DEEPEST, parse
from runtime.core.expressions.template import bare_expression
from runtime.errors import ExpressionError

_KEY = r'\s*\.\s*(?:[A-Za-z_]\w*+(?!\s*\()|"(?:\\.|[^"\\])*+")'
_INDEX = r"\s*\[\s*-?[0-9]+\s*\]"
_VARIABLE: Final = re.compile(
    rf"(?s:{QUOTED})|\.\s*\w+|(?P<path>vars\b(?!\s*[:(])(?:{_KEY}|{_INDEX})*+)|\w+", re.ASCII
)
"""Finds paths that begin at `vars`; strings, other names, names behind a dot and keys of `{vars: ...}` are passed over."""


def render_vars(value: JSON, variables: Mapping[str, JSON], path: Path = ()) -> JSON:
    """The value with its variables filled in.

    A string that is one `${vars.x}` takes the variable's type; inside longer text it is interpolated; inside an
    expression that reads more, it becomes a literal. A missing variable that only `default()` reads stays for it.

    Args:
        value: any JSON value; keys are left alone.
        variables: the environment's variables.
        path: where `value` itself stands, for errors.

    Raises:
        ExpressionError: ORD012, a variable is not defined; with path and position.
    """
    if len(path) > DEEPEST:
        return value
    match value:
        case str():
            return _filled_text(value, variables, path)
        case dict():
            return {k: render_vars(inner, variables, (*path, k)) for k, inner in value.items()}
        case list() | tuple():
            return [render_vars(inner, variables, (*path, i)) for i, inner in enumerate(value)]
        case _:
            return value


def render_condition_vars(text: str, variables: Mapping[str, JSON]) -> str:
    """A bare condition with its variables as literals.

    Raises:
        ExpressionError: ORD012, a variable is not defined; with the position.
    """
    try:
        bare, start = bare_expression(text)
        expression = compile_expression(bare, ANSWER_ROOTS, (), start)
    except ExpressionError:
        return text
    return text[:start] + _with_literals(expression, variables) + text[start + len(bare) :]


def _filled_text(text: str, variables: Mapping[str, JSON], path: Path) -> JSON:
    try:
        pieces = split(text) if "vars" in text else ()
    except ExpressionError:
        return text
    compiled = [p if isinstance(p, str) else _compiled(p, path) for p in pieces]
    if not any(isinstance(piece, Expression) for piece in compiled):
        return text
    match compiled:
        case [Expression() as whole] if _is_variable(whole):
            return _inert(_value(whole, variables))
        case [Expression() as whole]:
            return _joined([whole], variables)
        case _:
            return _still_text(_joined(compiled, variables))


def _still_text(text: str) -> str:
    """Text of several pieces must not become the one expression that keeps its type, whatever variables left out."""
    match split(text):
        case [Hole()]:
            return "${''}" + text
        case _:
            return text


def _joined(pieces: list[str | Hole | Expression], variables: Mapping[str, JSON]) -> str:
    """The pieces as template text again; from the end, because what a `$` means hangs on what follows it."""
    text = ""
    for piece in reversed(pieces):
        match piece:
            case str():
                text = escape(piece) + text
            case Hole():
                text = f"${{{piece.expression}}}{text}"
            case Expression() if _is_variable(piece):
                text = _interpolated(_value(piece, variables), text)
            case _:
                text = f"${{{_with_literals(piece, variables)}}}{text}"
    return text


def _compiled(hole: Hole, path: Path) -> Hole | Expression:
    """The hole's expression if it parses and may read variables."""
    if "vars" not in hole.expression:
        return hole
    try:
        return compile_expression(hole.expression, ANSWER_ROOTS, path, hole.start)
    except ExpressionError:
        return hole


def _is_variable(expression: Expression) -> bool:
    path = expression.static_path
    return path is not None and path[0] == "vars"


def _value(expression: Expression, variables: Mapping[str, JSON]) -> JSON:
    path = expression.static_path or ()
    try:
        return walk(dict(variables), path[1:], ("vars",))
    except PathMissing as missing:
        raise _undefined(missing, expression) from None


def _with_literals(expression: Expression, variables: Mapping[str, JSON]) -> str:
    """The expression's text with each variable as a JMESPath literal."""
    guarded = {r.path for r in expression.references if r.root == "vars" and r.guarded}

    def literal(token: re.Match[str]) -> str:
        written = token.group()
        if token["path"] is None:
            return written
        path = static_path(parse(written), ()) or ()
        try:
            return _literal(walk(dict(variables), path[1:], ("vars",)))
        except PathMissing as missing:
            if path[1:] in guarded:
                return written
            raise _undefined(missing, expression) from None

    return _VARIABLE.sub(literal, expression.text)


def _undefined(missing: PathMissing, expression: Expression) -> ExpressionError:
    instead, meant = what_is_there(missing)
    wanted = ".".join(str(segment) for segment in (*missing.path, missing.segment))
    return ExpressionError(
        f"the variable {wanted} is not defined{instead}",
        hint=meant or "define it for this environment in specs/ordinaut.yaml",
        code="ORD012",
        path=expression.path,
        position=expression.position,
    )


def _literal(value: JSON) -> str:
    """A JMESPath literal; a backtick inside it would end it, so it is written as its code point."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return "`" + text.replace("`", "\\u0060") + "`"


def _inert(value: JSON) -> JSON:
    """The value with every string escaped, so that a template renders it as it is."""
    match value:
        case str():
            return escape(value)
        case dict():
            return {key: _inert(inner) for key, inner in value.items()}
        case list():
            return [_inert(inner) for inner in value]
        case _:
            return value


def _interpolated(value: JSON, following: str) -> str:
    """A value as template text before `following`."""
    text = value if isinstance(value, str) else compact_json(value)
    if text.endswith("$") and following.startswith(("$", "{")):
        # Together they would read as the beginning or the escape of an expression.
        kept = text.rstrip("$")
        return f"{escape(kept)}${{'{text[len(kept) :]}'}}{following}"
    return escape(text) + following
