"""Text to a JMESPath tree: bounded, uncached, and with errors that say what to write instead."""

from __future__ import annotations

import json
import math
import re
from typing import Any, ClassVar, Final

from jmespath.exceptions import IncompleteExpressionError, LexerError, ParseError
from jmespath.parser import Parser

from runtime.core.expressions.functions import refuse_constant
from runtime.core.expressions.scan import QUOTED, original_offset, quote_spans, raw_string
from runtime.errors import ExpressionError

LONGEST_EXPRESSION: Final = 4096
"""Characters of one expression."""

DEEPEST: Final = 64
"""Levels of an expression's tree, of a literal in it, and of a templated value."""

Node = dict[str, Any]
"""A node of a JMESPath tree: `type`, `children`, and for most types `value`."""

_QUOTE = re.compile(rf"(?s:{QUOTED})|['\"`]")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_COMPARATOR = re.compile(r"(?:==|!=|<=|>=|<|>)\s*$")
_WORD_BEFORE = re.compile(r"(\w+)\s*$")
_WORD_OPERATORS: Final = {"and": "&&", "or": "||", "not": "!"}
POSTFIX: Final = frozenset(
    {
        "subexpression",
        "index_expression",
        "projection",
        "value_projection",
        "filter_projection",
        "flatten",
    }
)
"""Nodes whose first child is what they are written behind."""

_SIGNS: Final = {
    "=": "compare with ==",
    "$": "inside an expression a path stands by itself, without ${...}",
    "?": "JMESPath has no ?: operator; write condition && this || that",
    **dict.fromkeys(
        "+-/%", "JMESPath does not calculate; only now takes a span, as in now+24h or now-7d"
    ),
}


class _UncachedParser(Parser):
    """JMESPath's parser without its process-wide cache of 512 trees: every expression is compiled once anyway."""

    _CACHE: ClassVar[dict[str, Any]] = {}
    _MAX_SIZE = 0


def parse(expression: str) -> Node:
    """The tree of `expression`, with `now+24h` as a field of that name.

    Raises:
        ExpressionError: ORD501 with the position in `expression`.
    """
    if not expression.strip():
        raise ExpressionError("the expression is empty", position=0)
    if len(expression) > LONGEST_EXPRESSION:
        raise ExpressionError(
            f"the expression has {len(expression)} characters; at most {LONGEST_EXPRESSION} are allowed",
            position=0,
        )
    _check_quotes(expression)
    quoted = quote_spans(expression)
    try:
        tree: Any = _UncachedParser().parse(quoted).parsed
    except ParseError as wrong:
        raise _syntax_error(expression, quoted, wrong) from None
    except RecursionError:
        raise _too_deep() from None
    if _tree_depth(tree) > DEEPEST:
        raise _too_deep()
    return _with_not_outside(tree)


def _check_quotes(expression: str) -> None:
    """Refuse an open quote, and a literal that is not JSON (JMESPath would read it as a string, and warn)."""
    for found in _QUOTE.finditer(expression):
        text = found.group()
        if len(text) == 1:
            raise ExpressionError(
                f"{_shown(expression)} cannot be parsed: the {text} is never closed",
                position=found.start(),
            )
        if text[0] == "`":
            _check_literal(text[1:-1].replace("\\`", "`"), found.start())


def _check_literal(text: str, position: int) -> None:
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise ExpressionError(
            f"`{text[:40]}` is not JSON",
            hint=f"text is written in single quotes: {raw_string(text[:40].strip())}",
            position=position,
        ) from None
    if json_depth(value) > DEEPEST:
        raise _too_deep()
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError(f"`{text[:40]}` is too large for a number", position=position)


def _with_not_outside(node: Node) -> Node:
    """`!a.b` as `!(a.b)`: jmespath reads it as `(!a).b`, which is null whatever `a` holds."""
    if node["type"] == "slice":
        return node
    children = [_with_not_outside(child) for child in node["children"]]
    if node["type"] in POSTFIX and children[0]["type"] == "not_expression":
        negated = {**node, "children": [*children[0]["children"], *children[1:]]}
        return {**children[0], "children": [negated]}
    return {**node, "children": children}


def _tree_depth(tree: Node) -> int:
    depth, level = 0, [tree]
    while level:
        depth += 1
        # A slice has numbers for children.
        level = [child for node in level for child in node["children"] if isinstance(child, dict)]
    return depth


def json_depth(value: Any) -> int:
    """How deep lists and dicts stand in each other; 0 for a scalar."""
    depth, level = 0, [value]
    while level := [inner for inner in level if isinstance(inner, dict | list)]:
        depth += 1
        level = [
            child
            for inner in level
            for child in (inner.values() if isinstance(inner, dict) else inner)
        ]
    return depth


def _too_deep() -> ExpressionError:
    return ExpressionError(f"the expression is nested deeper than {DEEPEST} levels", position=0)


def _syntax_error(expression: str, quoted: str, wrong: ParseError) -> ExpressionError:
    at = original_offset(quoted, wrong.lex_position)
    if isinstance(wrong, IncompleteExpressionError) or at >= len(expression):
        return ExpressionError(
            f"{_shown(expression)} cannot be parsed: it ends too early", position=len(expression)
        )
    token = str(wrong.token_value)
    if isinstance(wrong, LexerError):
        token = expression[at]
    return ExpressionError(
        f"{_shown(expression)} cannot be parsed: unexpected {token[:40]} at character {at + 1}",
        hint=_hint(expression, at),
        position=at,
    )


def _hint(expression: str, at: int) -> str:
    """What was probably meant by the token at `at`, in the mistakes that people make."""
    before, rest = expression[:at], expression[at:]
    if number := _NUMBER.match(rest):
        operator = _COMPARATOR.search(before)
        shown = f"{operator.group().strip()} " if operator else ""
        return f"numbers are written between backticks: {shown}`{number.group()}`"
    for word in (_WORD_BEFORE.search(before), re.match(r"(\w+)", rest)):
        if word and word[1] in _WORD_OPERATORS:
            return f"write {_WORD_OPERATORS[word[1]]} instead of {word[1]}"
    return _SIGNS.get(rest[0], "")


def _shown(expression: str) -> str:
    """The expression as a message quotes it: bounded."""
    return expression if len(expression) <= 80 else expression[:77] + "..."  # noqa: PLR2004 - a line of a message
