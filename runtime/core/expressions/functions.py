"""The functions of expressions: JMESPath's own and the few that templates need besides.

`default` is not here: it decides whether its argument is evaluated at all, so the interpreter does it.
"""

from __future__ import annotations

import difflib
import json
from typing import Any, Final, NoReturn

from jmespath.functions import Functions, signature

from runtime.core.expressions.times import format_time

MAX_TEXT: Final = 4 * 1024 * 1024
"""Characters that `join` and `replace` may produce: a short expression must not fill the memory."""

_TEXT: Final[Any] = {"types": ["string"]}
_ANY: Final[Any] = {"types": []}


class TemplateFunctions(Functions):
    """The function table; stateless, so one instance serves every evaluation."""

    @signature(_TEXT, _TEXT, _TEXT)
    def _func_format_time(self, time: str, fmt: str, tz: str) -> str:
        return format_time(time, fmt, tz)

    @signature(_TEXT)
    def _func_from_json(self, text: str) -> Any:
        try:
            return json.loads(text, parse_constant=refuse_constant)
        except json.JSONDecodeError as wrong:
            raise ValueError(
                f"from_json() got text that is not JSON: {wrong.msg} at character {wrong.pos}"
            ) from None

    @signature(_ANY)
    def _func_to_json(self, value: Any) -> str:
        return compact_json(value)

    @signature(_TEXT)
    def _func_lower(self, text: str) -> str:
        return text.lower()

    @signature(_TEXT)
    def _func_upper(self, text: str) -> str:
        return text.upper()

    @signature(_TEXT, _TEXT)
    def _func_split(self, text: str, separator: str) -> list[str]:
        if not separator:
            raise ValueError("split() needs a separator that is not empty")
        return text.split(separator)

    @signature(_TEXT, _TEXT, _TEXT)
    def _func_replace(self, text: str, old: str, new: str) -> str:
        _bound("replace", len(text) + text.count(old) * max(0, len(new) - len(old)))
        return text.replace(old, new)

    @signature(_TEXT, {"types": ["array-string"]})
    def _func_join(self, separator: str, parts: list[str]) -> str:
        _bound("join", sum(map(len, parts)) + len(separator) * len(parts))
        return separator.join(parts)

    @signature({"types": ["array"], "variadic": True})
    def _func_zip(self, *lists: list[Any]) -> list[list[Any]]:
        return [list(row) for row in zip(*lists, strict=False)]


FUNCTIONS: Final = TemplateFunctions()

NAMES: Final = frozenset(FUNCTIONS.FUNCTION_TABLE) | {"default"}

GROWING: Final = frozenset(
    {"from_json", "join", "map", "replace", "split", "to_json", "to_string", "zip"}
)
"""Functions whose result can be larger than their arguments; the interpreter weighs what they return."""


def complaint_about_call(name: str, arguments: list[str]) -> tuple[str, str] | None:
    """What is wrong with a call before anything runs, as (message, hint); None if nothing is.

    Args:
        name: the function's name.
        arguments: the node type of each argument.
    """
    if name not in NAMES:
        close = difflib.get_close_matches(name, sorted(NAMES), n=1)
        hint = f"did you mean {close[0]}()?" if close else f"there are {', '.join(sorted(NAMES))}"
        return f"there is no function {name}()", hint
    takes = _signature(name)
    variadic = bool(takes[-1].get("variadic"))
    if len(arguments) < len(takes) or (len(arguments) > len(takes) and not variadic):
        least = "at least " if variadic else ""
        counted = f"{len(takes)} argument{'' if len(takes) == 1 else 's'}"
        return f"{name}() takes {least}{counted}, and got {len(arguments)}", ""
    for position, kind in enumerate(arguments):
        wanted = takes[min(position, len(takes) - 1)]["types"]
        if ("expref" in wanted) != (kind == "expref"):
            word = "needs" if "expref" in wanted else "does not take"
            return f"argument {position + 1} of {name}() {word} an expression such as &price", ""
    return None


def _signature(name: str) -> tuple[dict[str, Any], ...]:
    if name == "default":
        return (_ANY, _ANY)
    found: tuple[dict[str, Any], ...] = FUNCTIONS.FUNCTION_TABLE[name]["signature"]
    return found


def compact_json(value: Any) -> str:
    """JSON without spaces, keys in their order, text as it is.

    Raises:
        ValueError: NaN or an infinity, which JSON has not.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def refuse_constant(name: str) -> NoReturn:
    """For `json.loads`: NaN and the infinities are not JSON."""
    raise ValueError(f"{name} is not JSON")


def _bound(name: str, size: int) -> None:
    if size > MAX_TEXT:
        raise ValueError(f"{name}() would make {size} characters; at most {MAX_TEXT} are allowed")
