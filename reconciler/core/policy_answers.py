"""What the expressions of policies answer: nothing, what breaks them, or why there is no answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runtime.core.expressions import Meter, compile_query, is_true
from runtime.core.expressions.functions import compact_json
from runtime.errors import ExpressionError

# What all policies may spend on a plan: enough for dozens of them and ten thousand changes, and some seconds at most.
_STEPS: Final = 4_000_000
# How much of a value that is no change is shown.
_LONGEST: Final = 120


@dataclass(frozen=True, slots=True)
class Answer:
    """What one expression answers.

    Attributes:
        ok: whether nothing breaks the policy.
        found: what does: changes by key, or whatever else there is.
        failure: why there is no answer.
    """

    ok: bool
    found: tuple[str, ...] = ()
    failure: str | None = None


def answers(expressions: Iterable[str], plan: Mapping[str, Any]) -> list[Answer]:
    """The answers of expressions about a plan as JSON; they spend together what asking may cost."""
    meter = Meter(_STEPS)
    return [_answer(expression, plan, meter) for expression in expressions]


def _answer(expression: str, plan: Mapping[str, Any], meter: Meter) -> Answer:
    try:
        given = compile_query(expression).evaluate(plan, meter)
    except ExpressionError as error:
        return Answer(ok=False, failure=error.message)
    if is_true(given):
        return Answer(ok=False, found=tuple(dict.fromkeys(_found(given))))
    return Answer(ok=True)


def _found(given: Any) -> Iterator[str]:
    if isinstance(given, list):
        yield from map(_called, given)
    elif given is not True:
        yield _called(given)


def _called(part: Any) -> str:
    """A change by its key, with its kind if it is no task; anything else as it is."""
    match part:
        case {"kind": "Task", "key": str(key)}:
            return key
        case {"kind": str(kind), "key": str(key)}:
            return f"{kind} {key}"
        case str():
            return part[:_LONGEST]
        case _:
            return compact_json(part)[:_LONGEST]
