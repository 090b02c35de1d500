"""The table of rules, and what comes of them under the severities that the Project sets and the comments that silence them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from reconciler.core.lint.conduct import (
    destructive_without_approval,
    instructed_by_data,
    stale_rename,
    without_owner,
)
from reconciler.core.lint.loops import own_events
from reconciler.core.lint.secrets import literal_secrets
from reconciler.core.lint.suppressions import (
    Suppression,
    suppression_problems,
    suppressions_in,
)
from reconciler.core.lint.times import (
    clock_changes,
    ended,
    outlasts_interval,
    skipped_months,
    zone_without_place,
)
from reconciler.core.lint.together import budgets, herds, unlike_limits
from reconciler.core.lint.unused import unused_documents, unused_values
from reconciler.core.lint.world import World
from schemas.problem import Problem, Severity
from schemas.project import LintLevel

Rule: TypeAlias = Callable[[World], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Advice:
    """One rule: its severity unless the Project says otherwise, and what finds it; a comment's own rules look elsewhere."""

    severity: Severity
    rule: Rule | None = None


RULES: Final[Mapping[str, Advice]] = {
    "ORD801": Advice("warning", clock_changes),
    "ORD802": Advice("warning", herds),
    "ORD803": Advice("warning", ended),
    "ORD804": Advice("warning", outlasts_interval),
    "ORD805": Advice("warning", without_owner),
    "ORD806": Advice("warning", unused_documents),
    "ORD807": Advice("error", literal_secrets),
    "ORD808": Advice("warning", zone_without_place),
    "ORD809": Advice("warning", skipped_months),
    "ORD810": Advice("warning", budgets),
    "ORD811": Advice("warning", destructive_without_approval),
    "ORD812": Advice("note", stale_rename),
    "ORD813": Advice("warning", unused_values),
    "ORD814": Advice("warning"),
    "ORD815": Advice("warning"),
    "ORD816": Advice("warning", unlike_limits),
    "ORD817": Advice("warning", instructed_by_data),
    "ORD818": Advice("warning", own_events),
}
"""Every rule by its code."""


ALONE: Final = frozenset({"ORD801", "ORD803", "ORD804", "ORD805", "ORD807", "ORD808", "ORD809", "ORD812", "ORD817", "ORD818"})  # fmt: skip
"""The rules that look at one document, and what it refers to, at a time: these can be asked about a part of a folder."""


def lint(
    world: World, environment: str, rules: Collection[str] | None = None
) -> tuple[Problem, ...]:
    """All that the rules find and no comment silences, in reading order, at the severities of an environment.

    Args:
        rules: the codes of those that are asked, which leaves out whether comments are needed; None for all.
    """
    texts = {file: text for file, text in world.texts.items() if file not in world.elsewhere}
    suppressions = suppressions_in(texts)
    found = [
        problem
        for code, advice in RULES.items()
        if advice.rule is not None and (rules is None or code in rules)
        for problem in advice.rule(world)
    ]
    kept = list(_unsilenced(found, suppressions))
    if rules is None:
        kept += [problem for one in suppressions for problem in suppression_problems(one)]
    return tuple(sorted(_weighed(kept, _levels(world, environment)), key=_reading_order))


def _unsilenced(
    problems: Iterable[Problem], suppressions: Iterable[Suppression]
) -> Iterator[Problem]:
    for problem in problems:
        # Each comment is asked, since each is to know whether it is needed.
        if not [one for one in suppressions if one.silences(problem)]:
            yield problem


def _levels(world: World, environment: str) -> dict[str, LintLevel]:
    _, project = world.project
    there = project.environments.get(environment)
    own: dict[str, LintLevel] = {code: advice.severity for code, advice in RULES.items()}
    return {**own, **(project.lint or {}), **((there.lint if there else None) or {})}


def _weighed(problems: Iterable[Problem], levels: Mapping[str, LintLevel]) -> Iterator[Problem]:
    for problem in problems:
        level = levels[problem.code]
        if level != "off":
            yield problem.model_copy(update={"severity": level})


def _reading_order(problem: Problem) -> tuple[str, int, int, str, str]:
    return problem.file, problem.line, problem.column, problem.code, problem.message
