"""A document against the model of its kind: every misfit, in plain sentences, at its place.

What pydantic reports is rewritten here and nowhere else; no message of its own reaches a person. Leaves to
`references` and `templates` what one document alone cannot tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from reconciler.core.documents import SourceDocument, shown, shown_kind
from reconciler.core.entry import problem_at
from reconciler.core.locate import (
    Path,
    docstring_at,
    field_at,
    fields_by_name,
    models_at,
    path_text,
    place_of,
    written_path,
)
from reconciler.core.suggest import did_you_mean, nearest
from schemas import patterns
from schemas.problem import Problem

MAX_MISFITS: Final = 100
"""Misfits of one document that are told one by one."""


def shape_problems(
    document: SourceDocument, kind: type[BaseModel], errors: Iterable[ErrorDetails]
) -> list[Problem]:
    """One problem for each misfit, up to `MAX_MISFITS`; what only follows from another is left out."""
    found = [error for error in errors if not _is_told_elsewhere(error)]
    problems = [_problem(document, kind, error) for error in found[:MAX_MISFITS]]
    if left := len(found) - len(problems):
        message = f"the document has {left:,} more misfits, which are not told"
        problems.append(problem_at(place_of(document, ()), "ORD010", message, "mend the others"))
    return problems


def _is_told_elsewhere(error: ErrorDetails) -> bool:
    """Whether a list is too short only because its items are wrong, or a text holds a variable that is not defined."""
    given = error["input"]
    if error["type"] == "too_short":
        return bool(len(given) >= error["ctx"]["min_length"])
    return isinstance(given, str) and _UNFILLED.search(given) is not None


def _problem(document: SourceDocument, kind: type[BaseModel], error: ErrorDetails) -> Problem:
    path: Path = error["loc"]
    match error["type"]:
        case "extra_forbidden":
            return _unknown_field(document, kind, path)
        case "missing":
            return _missing_field(document, kind, path)
        case _:
            return _misfit(document, error)


def _unknown_field(document: SourceDocument, kind: type[BaseModel], path: Path) -> Problem:
    name = str(path[-1])
    owner = path_text(written_path(document, path[:-1]))
    known = _fields_of(models_at(kind, path[:-1]))
    place = place_of(document, path, key=True)
    message = f"unknown field `{shown(name)}` in " + (
        f"`{owner}`" if owner else f"this {kind.__name__}"
    )
    return problem_at(place, "ORD005", message, _hint_for_unknown(kind, name, known))


@cache
def _fields_of(models: tuple[type[BaseModel], ...]) -> tuple[str, ...]:
    return tuple(sorted({name for model in models for name in fields_by_name(model)}))


_UNFILLED: Final = re.compile(r"\$\{[^}]*\bvars\b")
_NEARLY_EQUAL: Final = 0.8
_SYNONYMS: Final[dict[str, str]] = {
    "action": "uses", "arguments": "with", "args": "with", "concurrency_key": "concurrency",
    "depends_on": "needs", "depends": "needs", "input": "with", "inputs": "with", "for_each": "foreach",
    "loop": "foreach", "name": "id", "output": "save_as", "retries": "retry", "tool": "uses", "tz": "timezone",
    "time_zone": "timezone", "variables": "params", "when": "if", "condition": "if",
    "dtstart": "start", "interval": "every", "end": "until", "permissions": "scopes", "vars": "variables",
}  # fmt: skip


@lru_cache(maxsize=1024)
def _hint_for_unknown(kind: type[BaseModel], name: str, known: tuple[str, ...]) -> str:
    if meant := nearest(name, known, _NEARLY_EQUAL):
        return f"did you mean `{meant}`?"
    if homes := _homes(kind, name):
        return "it belongs under " + " or ".join(f"`{home}`" for home in homes)
    if (synonym := _SYNONYMS.get(name.lower().replace("-", "_"))) in known:
        return f"did you mean `{synonym}`?"
    return did_you_mean(name, known, f"fields here: {', '.join(known)}")


_HOMES: Final[dict[str, tuple[str, ...]]] = {
    "Task": ("schedule", "pipeline", "catch_up", "retry", "concurrency", "slo", "notify"),
    "Pipeline": ("steps",),
    "ToolServer": ("stdio", "http", "tools", "limits", "sandbox", "rate_limits"),
    "Project": ("defaults", "guards"),
    "Calendar": ("windows", "ranges"),
    "Agent": ("budgets", "rate_limits"),
}


def _homes(kind: type[BaseModel], name: str) -> list[str]:
    """The fields of a document under which a field of this name exists."""
    return [
        home
        for home in _HOMES.get(kind.__name__, ())
        if any(name in fields_by_name(model) for model in models_below(kind, home))
    ]


@cache
def models_below(kind: type[BaseModel], name: str) -> tuple[type[BaseModel], ...]:
    """The models that a field holds, as itself or as its items."""
    tags: tuple[Path, ...] = ((name,), (name, 0), (name, "<use>"), (name, "<steps>", 0))
    return tuple(dict.fromkeys(model for path in tags for model in models_at(kind, path)))


def _missing_field(document: SourceDocument, kind: type[BaseModel], path: Path) -> Problem:
    name = str(path[-1])
    around = written_path(document, path[:-1])
    owner = f"`{path_text(around)}`" if around else f"this {kind.__name__}"
    info = field_at(kind, path)
    hint = f"add `{name}:`" + (_example(info.examples[0]) if info and info.examples else "")
    if text := docstring_at(kind, path):
        hint += f" ({text[0].lower()}{text[1:].rstrip('.')})"
    return problem_at(place_of(document, around), "ORD006", f"{owner} lacks `{name}`", hint)


def _example(value: Any) -> str:
    return ", for example " + (f"`{value}`" if isinstance(value, str) else str(value))


def _misfit(document: SourceDocument, error: ErrorDetails) -> Problem:
    path: Path = error["loc"]
    at_key = bool(path) and path[-1] == "[key]"
    written = written_path(document, path)
    name = f"`{path_text(written)}` " if written else ""
    if error["type"] in ("value_error", "assertion_error"):
        said = str(error["ctx"]["error"])
        message = f"{name.rstrip()}: {said}" if name else said
        hint = ""
    else:
        wanted, hint = _wanted(error)
        message = f"{name or 'the document '}{wanted}"
    return problem_at(place_of(document, path, key=at_key), "ORD007", message, hint)


def _wanted(error: ErrorDetails) -> tuple[str, str]:
    """What a field asks for and what it got, and what to do."""
    context = error.get("ctx", {})
    kind, value = error["type"], error["input"]
    if kind == "string_type":
        hint = (
            f"put it in quotes: '{value}'"
            if isinstance(value, int | float) and not isinstance(value, bool)
            else ""
        )
        return f"is text; this is {shown_kind(value)}", hint
    if kind == "literal_error":
        return _unknown_word(value, context["expected"], error["loc"])
    if kind == "string_pattern_mismatch":
        return _unfit_text(value, context["pattern"])
    for types, thing in _TYPES:
        if kind in types:
            return f"is {thing}; this is {shown_kind(value)}", ""
    if wording := _BOUNDS.get(kind):
        return wording(context, value), ""
    return f"does not fit: {shown_kind(value)}", ""


_TYPES: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("int_type",), "a whole number"),
    (("float_type", "decimal_type", "decimal_parsing", "finite_number"), "a number"),
    (("bool_type",), "`true` or `false`"),
    (("dict_type", "model_type", "model_attributes_type"), "a mapping"),
    (("tuple_type", "list_type"), "a list"),
)
_BOUNDS: Final[dict[str, Callable[[dict[str, Any], Any], str]]] = {
    "greater_than_equal": lambda context, value: f"is at least {context['ge']}; this is {value}",
    "less_than_equal": lambda context, value: f"is at most {context['le']}; this is {value}",
    "greater_than": lambda context, value: f"is more than {context['gt']}; this is {value}",
    "string_too_short": lambda *_: "is empty",
    "string_too_long": lambda context, value: (
        f"has {len(value):,} characters; {context['max_length']:,} are the most"
    ),
    "too_short": lambda *_: "is an empty list; it needs at least one item",
    "too_long": lambda context, value: (
        f"is a {'mapping' if isinstance(value, dict) else 'list'} of more than {context['max_length']:,} items"
    ),
    "decimal_max_digits": lambda context, _: f"has more than {context['max_digits']} digits",
}


def _unknown_word(value: Any, expected: str, path: Path) -> tuple[str, str]:
    """A word that is not among those expected, which are quoted and divided by commas."""
    words = re.findall(r"'([^']+)'", expected) or [expected.lower()]
    meant = nearest(value, words) if isinstance(value, str) else None
    listed = ", ".join(f"`{word}`" for word in words[:-1])
    listed += (" or " if listed else "") + f"`{words[-1]}`"
    listed += ", or a mapping" if path[-1] == "<word>" else ""
    return f"is {listed}; this is {shown_kind(value)}", f"did you mean `{meant}`?" if meant else ""


def _unfit_text(value: str, pattern: str) -> tuple[str, str]:
    """A text of the wrong form, and the nearest one of the right form where it can be told."""
    hint = ""
    if pattern in (patterns.NAME, patterns.IDENTIFIER):
        joint = "-" if pattern == patterns.NAME else "_"
        near = re.sub(r"[^a-z0-9]+", joint, value.lower()).strip(joint)[:63].strip(joint)
        hint = f"did you mean `{near}`?" if re.fullmatch(pattern.strip("^$"), near) else ""
    elif pattern == patterns.TOOL and "." not in value:
        hint = "name the server and the tool, with a dot between them"
    return f"is {patterns.WORDS[pattern]}; this is {shown_kind(value)}", hint
