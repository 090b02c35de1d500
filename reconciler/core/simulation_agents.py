"""What is expected of agents, beside what their budgets and rate limits allow.

Known before a run are its begin and its steps; so runs a day are counted, and calls on the assumption that a run calls
each of its steps once, when it begins. Tokens and money are not known, and are named as unknown.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase

from reconciler.core.simulation_load import begins_by_minute, heat_of
from reconciler.core.simulation_runs import Period, TaskRuns, instant_of
from reconciler.core.steps import steps_of
from schemas.agent import Agent, RateLimit
from schemas.simulation import CallRate, SimulatedAgent


def agents_of(
    agents: Mapping[str, Agent], runs: Iterable[TaskRuns], period: Period
) -> tuple[SimulatedAgent, ...]:
    """The agents in whose name tasks run, by name.

    Args:
        agents: Agent documents by their label.
        runs: what the tasks do.
        period: whose days are counted.
    """
    working: dict[str, list[TaskRuns]] = {}
    for followed in runs:
        if (label := followed.task.body.get("agent")) is not None:
            working.setdefault(label, []).append(followed)
    return tuple(_agent(label, agents[label], working[label], period) for label in sorted(working))


def _agent(label: str, agent: Agent, runs: Sequence[TaskRuns], period: Period) -> SimulatedAgent:
    days = {row.day: sum(row.hours) for row in heat_of(begins_by_minute(runs), period)}
    total = sum(days.values())
    busiest = max(days, key=lambda day: days[day])
    daily = [budget for budget in agent.budgets if budget.per == "day"]
    allowed = min((budget.runs for budget in daily if budget.runs), default=None)
    bounded = {
        name
        for budget in agent.budgets
        for name in ("tokens", "cost")
        if getattr(budget, name) is not None
    }
    return SimulatedAgent(
        agent=label,
        runs=total,
        most_runs=days[busiest],
        most_runs_on=busiest if total else None,
        mean_runs=round(total / period.length, 2),
        allowed_runs=allowed,
        days_exceeded=sum(allowed is not None and count > allowed for count in days.values()),
        unknown=tuple(sorted(bounded, reverse=True)),
        rates=tuple(
            _rate(limit, runs, period)
            for limit in agent.rate_limits
            # Which calls share one that has a key shows when they are made.
            if limit.key is None
        ),
    )


def _rate(limit: RateLimit, runs: Sequence[TaskRuns], period: Period) -> CallRate:
    """The most calls in any span of the limit's length, and when there are too many for the first time."""
    span = limit.per // timedelta(milliseconds=1)
    window: list[tuple[int, int]] = []
    oldest = calls = most = 0
    first: int | None = None
    for begin, made in heapq.merge(*(_calls(followed, limit.tools) for followed in runs)):
        window.append((begin, made))
        calls += made
        while window[oldest][0] <= begin - span:
            calls -= window[oldest][1]
            oldest += 1
        most = max(most, calls)
        if first is None and calls > limit.calls:
            first = begin
    return CallRate(
        tools=limit.tools,
        per=limit.per,
        calls=limit.calls,
        expected=most,
        first_at=None if first is None else instant_of(first, period.zone),
    )


def _calls(followed: TaskRuns, pattern: str) -> Iterator[tuple[int, int]]:
    """When a task's runs begin, each with its calls of tools that a pattern names."""
    steps = steps_of(followed.task.body).values()
    made = sum(fnmatchcase(step["uses"], pattern) for step in steps)
    return ((begin, made) for begin in followed.begins if made)
