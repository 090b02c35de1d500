"""`${vars.x}` filled in from the Project, before documents are fitted to their models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.core.documents import SourceDocument
from reconciler.core.entry import problem_at
from reconciler.core.locate import Path, place_in_text
from runtime.core.expressions import render_condition_vars, render_vars
from runtime.errors import ExpressionError
from schemas.problem import Problem

READ_BEFORE: Final = frozenset({"defaults", "environments", "variables"})
"""The fields of a Project that are read before anything can be filled in."""
_CONDITION_FIELDS: Final = frozenset({"if", "fail_when", "expect", "usage", "when", "rearm"})


def with_variables(
    value: Mapping[str, Any],
    source: SourceDocument,
    variables: Mapping[str, Any],
    problems: list[Problem],
) -> dict[str, Any]:
    """A document with its variables filled in; an unknown one is reported where it stands, and stays."""
    if not source.dynamic:
        return dict(value)
    filled = _Filling(source, variables, problems).mapping
    if value.get("kind") == "Project":
        later = {name: inner for name, inner in value.items() if name not in READ_BEFORE}
        return {**value, **filled(later, ())}
    return filled(value, ())


class _Filling:
    """One walk through a document."""

    def __init__(
        self, source: SourceDocument, variables: Mapping[str, Any], problems: list[Problem]
    ) -> None:
        self._source = source
        self._variables = variables
        self._problems = problems

    def mapping(self, value: Mapping[str, Any], path: Path) -> dict[str, Any]:
        return {key: self._value(inner, (*path, key)) for key, inner in value.items()}

    def _value(self, value: Any, path: Path) -> Any:
        match value:
            case str() if "vars" in value:
                return self._text(value, path)
            case dict():
                return self.mapping(value, path)
            case list():
                return [self._value(inner, (*path, number)) for number, inner in enumerate(value)]
            case _:
                return value

    def _text(self, text: str, path: Path) -> Any:
        try:
            if _is_condition(path):
                return render_condition_vars(text, self._variables)
            return render_vars(text, self._variables)
        except ExpressionError as error:
            place = place_in_text(self._source, path, text, error.position or 0)
            self._problems.append(problem_at(place, error.code, error.message, error.hint))
            return text


def _is_condition(path: Path) -> bool:
    """Whether a path leads to a bare expression of a step or schedule, and not into arguments."""
    head = path[0] in ("pipeline", "steps", "finally", "schedule") and "with" not in path
    return head and any(part in _CONDITION_FIELDS for part in path[1:])
