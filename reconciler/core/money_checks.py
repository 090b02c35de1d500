"""Money in documents: prices that contradict one another, and budgets that bound nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from reconciler.core.entry import Entry
from reconciler.core.references import refusal
from schemas.agent import Agent
from schemas.base import Document
from schemas.problem import Problem
from schemas.project import Project
from schemas.spec import BUILTIN_TOOLS


def money_problems(entry: Entry, documents: Iterable[Document]) -> Iterator[Problem]:
    """Everything that is wrong with money in a document.

    Args:
        entry: the document.
        documents: all of them; the Project among them knows the prices.
    """
    match entry.document:
        case Project() as project:
            yield from _price_problems(entry, project)
            yield from _unbounded_problems(entry, project, documents)
        case Agent(budgets=[_, *_]) as agent:
            projects = [one for one in documents if isinstance(one, Project)]
            yield from _budget_problems(entry, agent, projects)
        case _:
            pass


def _price_problems(entry: Entry, project: Project) -> Iterator[Problem]:
    """Two prices of the same models that hold from the same day on."""
    known = set()
    for number, price in enumerate(project.prices or ()):
        if (price.model, price.from_) in known:
            yield from entry.problem(
                ("prices", number, "from"),
                "ORD018",
                f"`{price.model}` has another price from {price.from_} on",
                "let it hold from another day, or take out one of the two",
            )
        known.add((price.model, price.from_))


def _unbounded_problems(
    entry: Entry, project: Project, documents: Iterable[Document]
) -> Iterator[Problem]:
    """Agents that merge what they propose, and whose runs nothing bounds when they run."""
    agents = {(one.namespace, one.name): one for one in documents if isinstance(one, Agent)}
    for number, rule in enumerate(project.proposals.merge if project.proposals else ()):
        namespace, _, name = rule.agent.rpartition("/")
        agent = agents.get((namespace or "default", name))
        if agent is not None and not any(one.per == "day" and one.runs for one in agent.budgets):
            yield from entry.problem(
                ("proposals", "merge", number, "agent"),
                "ORD018",
                f"the agent {rule.agent} has no budget of runs per day, so nothing bounds what it merges",
                f"give it `budgets: [{{per: day, runs: {rule.max_runs_per_day}}}]`",
            )


def _budget_problems(entry: Entry, agent: Agent, projects: Iterable[Project]) -> Iterator[Problem]:
    """Budgets that bound nothing, and money for models of which nobody may know what they spend."""
    asks_models = any(refusal(agent, f"llm.{tool}") is None for tool in BUILTIN_TOOLS["llm"])
    for number, budget in enumerate(agent.budgets):
        at = ("budgets", number)
        if budget.runs is None and budget.tokens is None and budget.cost is None:
            message = "the budget bounds nothing"
            yield from entry.problem(at, "ORD018", message, "give it `runs`, `tokens` or `cost`")
        if budget.per == "run" and budget.runs is not None:
            message = "a run is one run, so `runs` bounds nothing here"
            hint = "write `per: day`, or take it out"
            yield from entry.problem((*at, "runs"), "ORD018", message, hint, "warning")
        if budget.cost is not None and asks_models:
            for model in _unpriced(projects, budget.currency):
                yield from entry.problem(
                    (*at, "cost"),
                    "ORD018",
                    f"the model `{model}` has no price in {budget.currency}, so it spends nothing of this budget",
                    f"give the Project a price of it in {budget.currency}, or bound `tokens`",
                    "warning",
                )


def _unpriced(projects: Iterable[Project], currency: str) -> Iterator[str]:
    """The models that may be asked, and have no price in a currency."""
    for project in projects:
        prices = [price for price in project.prices or () if price.currency == currency]
        models = sorted({one.model for one in (project.models or {}).values()})
        for model in models:
            if not any(fnmatchcase(model, price.model) for price in prices):
                yield model
