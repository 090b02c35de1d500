"""Where expressions begin and end inside text, before any JMESPath is parsed.

`${` opens a hole and the `}` that balances it closes it; braces inside strings, quoted names and literals do not
count. `$${` is a literal `${`. `now+24h` is not JMESPath: it becomes a quoted name that the parser knows again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from runtime.errors import ExpressionError
from schemas.durations import parse_duration

QUOTED: Final = r"""'(?:\\.|[^'\\])*+'|"(?:\\.|[^"\\])*+"|`(?:\\.|[^`\\])*+`"""
"""A raw string, a quoted name or a literal; a backslash takes the next character with it, as in JMESPath."""

_SPAN = r"(?:[0-9]+(?:ms|[wdhms]))+"
_OPENING = re.compile(r"\$?\$\{")
_BRACKETING = re.compile(rf"(?s:{QUOTED})|[{{}}'\"`]")
_NOW_SPAN = re.compile(rf"(?s:{QUOTED})|\.\s*\w+|now\s*[+-]\s*{_SPAN}(?!\w)|\w+", re.ASCII)
_SPAN_NAME = re.compile(rf"now\s*([+-])\s*({_SPAN})", re.ASCII)
_QUOTED_SPAN_NAME = re.compile(rf'"(now\s*[+-]\s*{_SPAN})"', re.ASCII)


@dataclass(frozen=True, slots=True)
class Hole:
    """A `${...}`: the expression between the braces, and the offset in the text where that expression begins."""

    expression: str
    start: int


def split(text: str) -> tuple[str | Hole, ...]:
    """Text as literal pieces, their `$${` already read as `${`, and holes; `join` is the inverse.

    Raises:
        ExpressionError: ORD501, a hole or a quote in it is never closed.
    """
    pieces: list[str | Hole] = []
    literal, at = "", 0
    while opening := _OPENING.search(text, at):
        literal += text[at : opening.start()]
        at = opening.end()
        if opening.end() - opening.start() > len("${"):
            literal += "${"
            continue
        if literal:
            pieces.append(literal)
            literal = ""
        end = _hole_end(text, at)
        pieces.append(Hole(text[at:end], at))
        at = end + 1
    literal += text[at:]
    if literal:
        pieces.append(literal)
    return tuple(pieces)


def raw_string(text: str) -> str:
    """The expression whose value is this text."""
    return "'" + text.replace("'", r"\'") + "'"


def escape(literal: str) -> str:
    """Text that a template renders as `literal`."""
    return literal.replace("${", "$${")


def _hole_end(text: str, start: int) -> int:
    """The offset of the `}` that closes the hole whose expression begins at `start`."""
    depth = 0
    for mark in _BRACKETING.finditer(text, start):
        match mark.group():
            case "{":
                depth += 1
            case "}" if depth:
                depth -= 1
            case "}":
                return mark.start()
            case quote if len(quote) == 1:
                raise ExpressionError(
                    f"the {quote} inside ${{...}} is never closed", position=mark.start()
                )
            case _:
                pass
    raise ExpressionError(
        "${ is never closed",
        hint="close it with }, or write $${ for a literal ${",
        position=start - len("${"),
    )


def quote_spans(expression: str) -> str:
    """The expression with each `now+24h` as the quoted name `"now+24h"`, which JMESPath can parse."""

    def quoted(token: re.Match[str]) -> str:
        text = token.group()
        return f'"{text}"' if _SPAN_NAME.fullmatch(text) else text

    return _NOW_SPAN.sub(quoted, expression)


def original_offset(quoted_expression: str, offset: int) -> int:
    """The place in the expression as written of `offset` in what `quote_spans` made of it."""
    return len(_QUOTED_SPAN_NAME.sub(r"\1", quoted_expression[:offset]))


def span_of(name: str) -> timedelta | None:
    """The signed span of a name such as `now+24h`; None if it is another name.

    Raises:
        ValueError: it has the form of a span and is none.
    """
    matched = _SPAN_NAME.fullmatch(name)
    if matched is None:
        return None
    span = parse_duration(matched[2])
    return -span if matched[1] == "-" else span
