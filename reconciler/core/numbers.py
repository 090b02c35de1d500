"""Numbers as they are written in specs, and as the database gives them back.

`jsonb` keeps numbers as decimals: it knows no exponents and no zero below zero, so a float from 1e16 on comes back as a
whole number. Here it is one from the beginning, and what would not fit into 64 bits is refused. So every number has one
digest, before it was applied and after.
"""

from __future__ import annotations

import math
import re
from typing import Final

NUMBER_STARTS: Final = frozenset("-+.0123456789")
"""What numbers, and texts that are like them, begin with."""

_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_LONGEST_INTEGER: Final = len("-9223372036854775808")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,4})?"
)
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INT64: Final = range(-(2**63), 2**63)
# From here on JSON writes floats with exponents.
_EXPONENTS_FROM: Final = 1e16


class NumberError(ValueError):
    """Why a number cannot be kept, in words that follow it."""


def number_of(text: str) -> int | float | None:
    """The number that a plain scalar is; None if it is text.

    Raises:
        NumberError: it is one that JSON or the database cannot hold.
    """
    if _INTEGER.fullmatch(text):
        if len(text) > _LONGEST_INTEGER:
            raise _too_long()
        return _whole(int(text))
    if _FLOAT.fullmatch(text) and math.isfinite(real := float(text)):
        has_exponent = abs(real) >= _EXPONENTS_FROM and real.is_integer()
        return _whole(int(real)) if has_exponent else real or 0.0
    if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        raise NumberError("is not a number that JSON can hold")
    return None


def _whole(number: int) -> int:
    if number not in _INT64:
        raise _too_long()
    return number


def _too_long() -> NumberError:
    return NumberError("does not fit into 64 bits")
