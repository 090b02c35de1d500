"""Rules about what tasks do together: herds, shared keys, and the budgets of agents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.core.desired import Key
from reconciler.core.lint.world import DAYS, World
from reconciler.core.simulation_agents import agents_of
from reconciler.core.simulation_load import begins_by_minute, herds_of
from schemas.agent import Agent
from schemas.durations import format_duration
from schemas.problem import Problem
from schemas.simulation import CallRate, Herd
from schemas.task import Task

HERD: Final = 10
"""Runs that make a herd when they begin in one minute."""

_NAMED: Final = 3


def herds(world: World) -> Iterator[Problem]:
    """ORD802: many tasks begin in the same minute."""
    found, _ = herds_of(begins_by_minute(world.runs), world.runs, HERD, world.period.zone)
    told: set[tuple[str, ...]] = set()
    for herd in found:
        # The same tasks meet at another hour when clocks change within these days.
        if len(herd.without_jitter) > 1 and herd.tasks not in told:
            told.add(herd.tasks)
            key = Key.of("Task", herd.without_jitter[0], "default")
            yield from world.entries[key].problem(
                ("schedule",),
                "ORD802",
                _herd_words(herd),
                "`jitter: 5m` spreads their beginnings, always in the same way",
            )


def _herd_words(herd: Herd) -> str:
    tasks = herd.tasks[:_NAMED]
    more = len(herd.tasks) - len(tasks)
    names = ", ".join(tasks) + (f" and {more} more" if more else "")
    often = f", {herd.times} times in {DAYS} days" if herd.times > 1 else ""
    return f"{herd.runs} runs begin in one minute, {herd.minute:%a %H:%M %Z}{often}: {names}"


def unlike_limits(world: World) -> Iterator[Problem]:
    """ORD816: tasks share a concurrency key and give it different limits; told of all but the first of them."""
    first: dict[str, tuple[str, int]] = {}
    for key, entry in sorted(world.entries.items(), key=lambda one: one[0].label):
        task = entry.document
        if not isinstance(task, Task) or task.concurrency is None or "${" in task.concurrency.key:
            continue
        slots = task.concurrency
        label, limit = first.setdefault(slots.key, (key.label, slots.limit))
        if slots.limit != limit:
            yield from entry.problem(
                ("concurrency", "limit"),
                "ORD816",
                f"the key `{slots.key}` has {slots.limit} slots here, and {limit} in {label}:"
                " the limit of the run that has waited longest counts",
                "give it the same limit everywhere, or the tasks keys of their own",
            )


def budgets(world: World) -> Iterator[Problem]:
    """ORD810: more runs or calls are due than an agent is allowed."""
    agents = {
        key.label: (entry, entry.document)
        for key, entry in world.entries.items()
        if isinstance(entry.document, Agent)
    }
    expected = agents_of(
        {label: agent for label, (_, agent) in agents.items()}, world.runs, world.period
    )
    for found in expected:
        entry, agent = agents[found.agent]
        if found.days_exceeded:
            number = next(
                n
                for n, budget in enumerate(agent.budgets)
                if budget.per == "day" and budget.runs == found.allowed_runs
            )
            yield from entry.problem(
                ("budgets", number, "runs"),
                "ORD810",
                f"{found.most_runs} runs are due on {found.most_runs_on:%a %d %b}, and the budget allows"
                f" {found.allowed_runs} a day: the others are refused",
                "raise the budget, or let the agent's tasks run less often",
            )
        numbers = (n for n, limit in enumerate(agent.rate_limits) if limit.key is None)
        for number, rate in zip(numbers, found.rates, strict=True):
            if rate.expected > rate.calls:
                yield from entry.problem(
                    ("rate_limits", number, "calls"),
                    "ORD810",
                    _rate_words(rate),
                    "raise the limit, or let the agent's tasks run less often or with jitter",
                )


def _rate_words(rate: CallRate) -> str:
    span = format_duration(rate.per)
    return f"{rate.expected} calls of `{rate.tools}` are due within {span}, and the limit allows {rate.calls}"
