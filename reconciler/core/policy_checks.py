"""Whether a policy can ever say something: its expression is followed through what a plan may hold.

JMESPath gives null for what is not there, so a policy with a slip of the pen would keep quiet for ever. Told are names
that no plan has, words that a field never holds, values of types that are never equal or fit no function, and what is
false whatever the plan is. What might be true of some plan is never told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from reconciler.core import plan_shape
from reconciler.core.desired import DEFAULT_ENVIRONMENT
from reconciler.core.entry import Entry, Finding
from reconciler.core.plan_shape import ANYTHING, Type
from reconciler.core.policies import VERDICTS
from reconciler.core.suggest import did_you_mean
from runtime.core.expressions import compile_query
from runtime.core.expressions.functions import FUNCTIONS
from runtime.core.expressions.times import check_format, choices_of, zone_named
from runtime.errors import ExpressionError
from schemas.problem import Problem
from schemas.project import Project

_BOOLEAN: Final = plan_shape.plain("boolean")
_WORDS: Final = {
    "array": "a list",
    "object": "a mapping",
    "string": "a text",
    "number": "a number",
    "boolean": "true or false",
}
_GIVES: Final = {
    "boolean": ("contains", "ends_with", "starts_with"),
    "number": ("abs", "avg", "ceil", "floor", "length", "sum", "to_number"),
    "string": ("format_time", "join", "lower", "replace", "to_json", "to_string", "type", "upper"),
}
_TEXTS: Final = plan_shape.list_of(plan_shape.plain("string"))
_RESULTS: Final = {
    "keys": _TEXTS,
    "split": _TEXTS,
    **{name: plan_shape.plain(kind) for kind, many in _GIVES.items() for name in many},
}


def policy_problems(entry: Entry) -> Iterator[Problem]:
    """What is wrong with the policies of a Project."""
    project = entry.document
    if not isinstance(project, Project):
        return
    environments = {DEFAULT_ENVIRONMENT, *project.environments}
    # Of environments that hold a mistake it is not known which there are.
    known = () if entry.repaired_field("environments") else sorted(environments)
    for name, policy in (project.policies or {}).items():
        for number, one in enumerate(policy.environments or ()):
            if known and one not in environments:
                yield from entry.problem(
                    ("policies", name, "environments", number),
                    "ORD009",
                    f"the Project has no environment `{one}`",
                    did_you_mean(one, environments),
                )
        for position, found in query_findings(policy.when, known):
            yield from entry.problem_in_text(
                ("policies", name, "when"), policy.when, position, found
            )


def query_findings(text: str, environments: Iterable[str]) -> list[tuple[int, Finding]]:
    """What is wrong with the expression of a policy, each with its place in the text.

    Args:
        environments: those that plans of its Project may be for, in order; none where that is not known.
    """
    try:
        query = compile_query(text)
    except ExpressionError as error:
        return [(error.position or 0, Finding(error.code, error.message, error.hint))]
    follower = _Follower(text, plan_shape.plan_type(environments))
    given = follower.follow(query.tree, follower.plan)
    if plan_shape.is_never_true(given):
        follower.tell_never()
    if plan_shape.kinds(given) == frozenset({"number"}):
        mistake = "this gives a number, and JMESPath takes every number for true, even 0"
        follower.tell(text, mistake, "compare it, as in > `0`", code="ORD007")
    return follower.found


class _Follower:
    """Follows one expression through a plan, and keeps what it finds."""

    def __init__(self, text: str, plan: Type) -> None:
        self.text = text
        self.plan = plan
        self.found: list[tuple[int, Finding]] = []

    def tell(self, word: str, message: str, hint: str, code: str = "ORD502") -> None:
        at = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self.text)
        one = (at.start() if at else 0, Finding(code, message, hint))
        if one not in self.found:
            self.found.append(one)

    def tell_never(self) -> None:
        """That a part of the expression is false whatever the plan is; whoever knows why has told already."""
        if not self.found:
            mistake = "nothing in any plan makes this true, so the policy would never speak"
            self.tell(
                self.text, mistake, "ask for something of the plan, as in summary.retire > `0`"
            )

    def follow(self, node: Any, here: Type) -> Type:
        """What a node gives where this may stand."""
        known: Callable[[Any, Type], Type] | None = getattr(self, f"on_{node['type']}", None)
        # What stands there itself, and slices of it.
        return here if known is None else known(node, here)

    def on_subexpression(self, node: Any, here: Type) -> Type:
        for child in node["children"]:
            here = self.follow(child, here)
        return here

    on_index_expression = on_pipe = on_subexpression

    def on_index(self, _: Any, here: Type) -> Type:
        return plan_shape.elements(self.of_kind("array", here, "["))

    def on_literal(self, node: Any, _: Type) -> Type:
        return plan_shape.of_value(node["value"])

    def on_comparator(self, node: Any, here: Type) -> Type:
        left, right = (self.follow(child, here) for child in node["children"])
        self.compare(node["value"], left, right)
        return _BOOLEAN

    def on_not_expression(self, node: Any, here: Type) -> Type:
        inner = self.follow(node["children"][0], here)
        if plan_shape.is_never_true(inner):
            return plan_shape.of_value(True)
        return _BOOLEAN if plan_shape.if_false(inner) else plan_shape.of_value(False)

    def on_or_expression(self, node: Any, here: Type) -> Type:
        left, right = (self.follow(child, here) for child in node["children"])
        return (*plan_shape.if_true(left), *right)

    def on_and_expression(self, node: Any, here: Type) -> Type:
        left, right = (self.follow(child, here) for child in node["children"])
        reached = () if plan_shape.is_never_true(left) else right
        return (*plan_shape.if_false(left), *reached)

    def on_multi_select_list(self, node: Any, here: Type) -> Type:
        parts = (self.follow(child, here) for child in node["children"])
        return plan_shape.list_of(tuple(one for part in parts for one in part))

    def on_multi_select_dict(self, node: Any, here: Type) -> Type:
        parts = {one["value"]: one["children"][0] for one in node["children"]}
        return plan_shape.mapping_of({k: self.follow(one, here) for k, one in parts.items()})

    def on_projection(self, node: Any, here: Type) -> Type:
        base, inner, *condition = node["children"]
        whole = self.follow(base, here)
        if node["type"] == "value_projection":
            part = plan_shape.values(self.of_kind("object", whole, "*"))
        else:
            part = plan_shape.elements(self.of_kind("array", whole, "["))
        for one in condition:
            if plan_shape.is_never_true(self.follow(one, part)):
                self.tell_never()
        return plan_shape.list_of(self.follow(inner, part))

    on_value_projection = on_filter_projection = on_projection

    def on_flatten(self, node: Any, here: Type) -> Type:
        whole = self.of_kind("array", self.follow(node["children"][0], here), "[]")
        flat: list[Any] = []
        for one in plan_shape.elements(whole):
            flat += plan_shape.elements((one,)) if one.get("type") == "array" else (one,)
        return plan_shape.list_of(tuple(flat))

    def on_function_expression(self, node: Any, here: Type) -> Type:
        name, arguments = node["value"], node["children"]
        given = [self.follow(one, here) for one in arguments if one["type"] != "expref"]
        part = plan_shape.elements(given[0]) if given else ANYTHING
        each = [one["children"][0] for one in arguments if one["type"] == "expref"]
        of_each = [self.follow(one, part) for one in each]
        if not each:
            self.check_arguments(name, given)
        self.check_texts(name, given)
        return plan_shape.list_of(of_each[0]) if name == "map" else _result(name, given, part)

    def on_field(self, node: Any, here: Type) -> Type:
        name = node["value"]
        held = plan_shape.field(here, name)
        if held is not None:
            return held
        inside = plan_shape.field(plan_shape.elements(here), name) if here else None
        known = plan_shape.fields(here)
        message, hint = f"a plan has no `{name}` here", did_you_mean(name, known)
        if name in VERDICTS and here is self.plan:
            message = f"`{name}` is a verdict itself: policies judge what would be written"
            hint = ""
        elif name in {"true", "false", "null"}:
            hint = f"write `{name}` between backticks"
        elif json.dumps(name) in self.text:
            hint = f"double quotes name a field; text is written in single quotes: '{name}'"
        elif inside is not None and not known:
            message = f"`{name}` is looked for in a list, which has no fields"
            hint = f"its elements have: [*].{name}, or [?{name} == ...]"
        self.tell(name, message, hint)
        return ANYTHING

    def of_kind(self, wanted: str, here: Type, sign: str) -> Type:
        """What may stand there and is of a kind; tells where nothing is."""
        kinds = plan_shape.kinds(here)
        if kinds is None or wanted in kinds:
            return tuple(one for one in here if one.get("type", wanted) == wanted) or ANYTHING
        mistake = f"`{sign}` needs {_WORDS[wanted]}, and finds {_either(kinds)}"
        self.tell(sign, mistake, "", code="ORD007")
        return ANYTHING

    def compare(self, operator: str, left: Type, right: Type) -> None:
        """Two values that are never equal, or never in an order."""
        one, other = plan_shape.kinds(left), plan_shape.kinds(right)
        if one is not None and other is not None:
            in_order = operator in {"eq", "ne"} or one & other & {"number", "string"}
            if not one & other or not in_order:
                mistake = f"{_either(one)} and {_either(other)} cannot be compared"
                self.tell(self.text, mistake, _hint_for_lists(one, other), code="ORD007")
        if operator in {"eq", "ne"}:
            self.tell_texts(left, right)
            self.tell_texts(right, left)

    def check_texts(self, name: str, given: list[Type]) -> None:
        """Texts that a function is asked for, and that what it looks at never holds; zones and formats of times."""
        match name:
            case "contains":
                self.tell_texts(given[1], plan_shape.elements(given[0]))
                self.tell_texts(plan_shape.elements(given[0]), given[1])
                self.tell_texts(given[0], given[1], lambda word, text: text in word)
            case "starts_with":
                self.tell_texts(given[0], given[1], str.startswith)
            case "ends_with":
                self.tell_texts(given[0], given[1], str.endswith)
            case "format_time":
                self.check_time(given[1], check_format)
                self.check_time(given[2], zone_named)
            case _:
                pass

    def check_time(self, written: Type, check: Callable[[str], object]) -> None:
        """A format or a zone that is written out, and does not exist."""
        for text in _written(written):
            try:
                check(text)
            except ValueError as error:
                self.tell(text, f"format_time() refuses it: {error}", "")

    def tell_texts(
        self, here: Type, written: Type, fits: Callable[[str, str], bool] = str.__eq__
    ) -> None:
        """Texts that are written out, none of which what stands here ever is, or fits."""
        wanted = _written(written)
        if not wanted or not here or any(plan_shape.may_hold(here, fits, one) for one in wanted):
            return
        known = plan_shape.words(here) or plan_shape.beginnings(here)
        for text in wanted if known else ():
            self.tell(text, f"nothing is ever `{text}` there", did_you_mean(text, known))

    def check_arguments(self, name: str, given: list[Type]) -> None:
        """Arguments that a function refuses whatever the plan is."""
        takes = FUNCTIONS.FUNCTION_TABLE[name]["signature"]
        for number, one in enumerate(given):
            wanted = {
                kind.partition("-")[0] for kind in takes[min(number, len(takes) - 1)]["types"]
            }
            kinds = plan_shape.kinds(one)
            if wanted and kinds is not None and not kinds & wanted:
                mistake = f"{name}() takes {_either(wanted)}, and gets {_either(kinds)}"
                self.tell(name, mistake, "", code="ORD007")


def _written(here: Type) -> list[str]:
    """The texts that a query names there; none where it may be something else too."""
    if not all(one.get("written") and one["type"] == "string" for one in here):
        return []
    return [one["const"] for one in here]


def _result(name: str, given: list[Type], part: Type) -> Type:
    """What a function gives for these arguments, the first of which may be a list of such parts."""
    match name:
        case "reverse" | "sort" | "sort_by":
            return given[0]
        case "max" | "min" | "max_by" | "min_by":
            return part
        case "not_null":
            return tuple(one for several in given for one in several)
        case "values":
            return plan_shape.list_of(plan_shape.values(given[0]))
        case _:
            return _few_words(name, given) or _RESULTS.get(name, ANYTHING)


def _few_words(name: str, given: list[Type]) -> Type:
    """What a function gives where that is one of a few texts; else nothing."""
    if name == "format_time":
        return plan_shape.texts(word for one in _written(given[1]) for word in choices_of(one))
    known = plan_shape.words(given[0]) if name in {"lower", "upper"} else None
    return plan_shape.texts(sorted(getattr(word, name)() for word in known or ()))


def _either(kinds: Iterable[str]) -> str:
    return " or ".join(sorted(_WORDS.get(kind, kind) for kind in kinds))


def _hint_for_lists(one: frozenset[str], other: frozenset[str]) -> str:
    if "array" not in one ^ other:
        return ""
    return (
        "length(list) counts it"
        if "number" in one | other
        else "contains(list, part) looks into it"
    )
