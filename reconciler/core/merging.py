"""Whether an agent may merge what it proposes: what has to be so of every document that a plan writes, in every environment.

Pure, and told by the rule, the agent and the specs as they are on the branch, never by those of the proposal. Whatever is not
known to be within the rule is outside of it. At run time the agent's scopes and budgets hold as for any other task.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, Final

from reconciler.core.desired import Desired, Key, Specs
from reconciler.core.destructive import destroys_in
from reconciler.core.edits import Edited
from reconciler.core.guards import refused
from reconciler.core.steps import steps_of
from runtime.core.schedules import compile_schedules
from runtime.core.waits import EMIT, RUN
from schemas.agent import Agent
from schemas.mcp_writing import EXPOSED
from schemas.plan import Plan, PlannedChange
from schemas.project import Project
from schemas.rules import MergeRule

_KINDS: Final = frozenset({"Task", "Pipeline", "Calendar"})
_UNCOUNTABLE: Final = frozenset({"event", "condition"})
_USUAL_PRIORITY: Final = 5
_AHEAD: Final = timedelta(days=366)
_LATEST_START: Final = timedelta(days=30)
_SECRETS: Final = re.compile(r"\bsecrets\b")
# JMESPath reads what is in double quotes as JSON does.
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged, in one environment.

    Attributes:
        rule: what the agent may do.
        base: the specs on the branch.
        specs: the specs with the change.
        edited: the documents that were edited, as they are written.
        plan: what the change does.
    """

    rule: MergeRule
    base: Specs
    specs: Specs
    edited: Mapping[Key, Edited]
    plan: Plan


def rule_for(specs: Specs, name: str) -> MergeRule | None:
    """The rule for whoever goes by this name; the first, if there are several."""
    for rule in _merges(specs):
        if (rule.token or rule.agent.rpartition("/")[2]) == name:
            return rule
    return None


def branch_for(specs: Specs) -> str | None:
    """The branch that proposals are merged into, if the Project names it."""
    found = _project(specs)
    return found.proposals.branch if found and found.proposals else None


def reasons_against(case: Case) -> tuple[str, ...]:
    """Why the change may not be merged without a person; none if it may."""
    return tuple(dict.fromkeys(_reasons(case)))


def _reasons(case: Case) -> Iterator[str]:
    for guard in refused(case.plan.guards):
        yield f"the plan {guard.message}"
    if case.plan.summary.unknown:
        yield "what the branch holds now has errors"
    for one in case.edited.values():
        yield from _outside(case, one.key, one.after)
    for change in case.plan.changes:
        yield from _of_change(case, change)
    held = [key for key in case.specs.documents if key.namespace == case.rule.namespace]
    held = [key for key in held if not _is_notice(case, key)]
    if len(held) > case.rule.max_documents:
        yield f"{case.rule.namespace} would hold {len(held)} documents; {case.rule.max_documents} are the most"
    yield from _too_often(case)


def _outside(case: Case, key: Key, after: Mapping[str, Any] | None) -> Iterator[str]:
    """What was edited and is not the agent's, as it is written: also where a plan would not show it."""
    if key.kind not in _KINDS:
        yield f"{key} is no Task, Pipeline or Calendar"
    if key.namespace != case.rule.namespace:
        yield f"{key} is outside of {case.rule.namespace}"
    former = (after or {}).get("renamed_from")
    if former and Key.of(key.kind, str(former), key.namespace).namespace != case.rule.namespace:
        yield f"{key} would take the history of {former}"


def _of_change(case: Case, change: PlannedChange) -> Iterator[str]:
    key = Key(change.kind, change.namespace, change.name)
    if _is_notice(case, key):
        return
    yield from _outside(case, key, None)
    former = change.former_key and Key.of(change.kind, change.former_key, "default")
    if former and former.namespace != case.rule.namespace:
        yield f"{key} would take the history of {former.label}"
    if change.taken_from:
        yield f"{key} would be taken over from {change.taken_from}"
    found = case.specs.documents.get(key)
    if found is not None and change.action != "retire":
        yield from _of_document(case, found, change)


def _of_document(case: Case, found: Desired, change: PlannedChange) -> Iterator[str]:
    body, key = found.body, found.key
    if body.get("protect"):
        yield f"{key} would be protected from being retired"
    before = case.base.documents.get(Key.of(key.kind, change.former_key or key.label, "default"))
    if before is not None and before.body.get("protect") and not body.get("protect"):
        yield f"{key} would lose its protection from being retired"
    if EXPOSED in (body.get("labels") or {}):
        yield f"{key} would be a tool of everybody who may run tasks"
    parts = [body.get(name) for name in ("pipeline", "steps", "finally", "params", "schedule")]
    if any(_SECRETS.search(_unescaped(text)) for text in _texts(parts)):
        yield f"{key} would read secrets"
    for step in steps_of(body).values():
        yield from _of_step(case, key, step)
    if key.kind == "Task":
        yield from _of_task(case, key, body)


def _of_step(case: Case, key: Key, step: Mapping[str, Any]) -> Iterator[str]:
    """What a step reaches that others have, too: their tasks, their listeners, and what is kept under their keys."""
    arguments, namespace = step.get("with") or {}, case.rule.namespace
    if step["uses"] == RUN:
        yield from _of_run(case, key, arguments.get("task"))
    if step["uses"] == EMIT and not str(arguments.get("event")).startswith(f"{namespace}."):
        yield f"{key} would tell others of events: its topic does not begin with {namespace}."
    for what, field in (("results", "cache"), ("calls", "idempotency")):
        own = (step.get(field) or {}).get("key")
        if own is not None and not own.startswith(f"{namespace}/"):
            yield f"{key} would share {what} with others: its {field} key does not begin with {namespace}/"


def _of_run(case: Case, key: Key, task: object) -> Iterator[str]:
    if not isinstance(task, str) or not _is_within(case, task):
        yield f"{key} would run tasks outside of {case.rule.namespace}"
        return
    found = case.specs.documents.get(Key.of("Task", task, "default"))
    if found is None or found.body.get("agent") != _agent(case).label:
        yield f"{key} would run {task}, which does not act for {_agent(case).label}"


def _of_task(case: Case, key: Key, body: Mapping[str, Any]) -> Iterator[str]:
    agent = _agent(case)
    if body.get("agent") != agent.label:
        yield f"{key} would act for {body.get('agent') or 'no agent'}, and not for {agent.label}"
    if key in case.edited and "notify" in (case.edited[key].after or {}):
        yield f"{key} would tell others by itself"
    pipeline = body["pipeline"]
    if isinstance(pipeline, Mapping) and not _is_within(case, pipeline["use"]):
        yield f"{key} would use the pipeline {pipeline['use']}"
    if body.get("priority", _USUAL_PRIORITY) > _USUAL_PRIORITY:
        yield f"{key} would go before others"
    slots = body.get("concurrency")
    if slots and not str(slots["key"]).startswith(f"{case.rule.namespace}/"):
        yield f"{key} would take slots of others: its key does not begin with {case.rule.namespace}/"
    # Also those that it had: who lets it destroy something has seen with what, and when.
    destructive = sorted(set(filter(destroys_in(case.specs.documents), _called(body))))
    if destructive and not _may_destroy(case, agent):
        yield f"{key} would call {', '.join(destructive)}, which destroys something"
    uncounted = {name for one in body["schedule"] for name in one} & _UNCOUNTABLE
    if uncounted:
        yield f"{key} would be started by {' and '.join(sorted(uncounted))}s, which nobody can count"
    for one in body["schedule"]:
        if _starts_late(one.get("start"), case.plan.as_of):
            yield f"{key} would begin more than {_LATEST_START.days} days from now"


def _too_often(case: Case) -> Iterator[str]:
    """More runs on some day of the coming year than the rule and the agent's budget let all tasks together have."""
    agent = case.base.documents.get(_agent(case))
    budgets = agent.document.budgets if agent and isinstance(agent.document, Agent) else ()
    daily = [one.runs for one in budgets if one.per == "day" and one.runs]
    if not daily:
        yield f"{case.rule.agent} has no budget of runs per day"
        return
    most = min(case.rule.max_runs_per_day, *daily)
    days: Counter[object] = Counter()
    until = case.plan.as_of + _AHEAD
    for key, found in sorted(case.specs.documents.items()):
        if key.kind != "Task" or key.namespace != case.rule.namespace:
            continue
        for at in _counted(found.body, case.plan.as_of, until, most):
            days[at.date()] += 1
            # The rest would only take longer to count.
            if days[at.date()] > most:
                yield f"{case.rule.namespace} would have more than {most} runs on {at:%Y-%m-%d}"
                return


def _counted(
    body: Mapping[str, Any], now: datetime, until: datetime, most: int
) -> Iterator[datetime]:
    """When a task runs until then, and of what comes later the beginning of each of its rules: a rule may be that of a leap day."""
    yield from takewhile(
        lambda at: at <= until, (one.at for one in compile_schedules(body).running(now))
    )
    for rule in (one for schedule in body["schedule"] for one in _rules(schedule)):
        # One that names its instants has an end, so all of them are counted.
        later = compile_schedules({**body, "schedule": [rule]}).running(until)
        yield from (one.at for one in (later if "at" in rule else islice(later, most + 1)))


def _rules(schedule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a schedule unites, each by itself."""
    if "rrule" not in schedule:
        yield schedule
        return
    named = schedule["rrule"]
    for rule in [named] if isinstance(named, str) else named:
        yield {**schedule, "rrule": rule, "rdate": []}
    if schedule["rdate"]:
        yield {"at": schedule["rdate"], "timezone": schedule["timezone"]}


def _is_notice(case: Case, key: Key) -> bool:
    """Whether a task is made from the `notify` that people gave as a default, and not from one of the agent's own."""
    name, found, number = key.name.rpartition("-notify")
    if key.kind != "Task" or not found or (number and not re.fullmatch(r"-\d+", number)):
        return False
    specs = case.specs if key in case.specs.documents else case.base
    task = specs.documents.get(key)
    around = specs.documents.get(Key("Task", key.namespace, name))
    # What somebody wrote has a place of its own, and what is made from a default that of the task that takes it.
    return task is not None and around is not None and task.place == around.place


def _agent(case: Case) -> Key:
    return Key.of("Agent", case.rule.agent, "default")


def _is_within(case: Case, reference: object) -> bool:
    if not isinstance(reference, str) or "${" in reference:
        return False
    return Key.of("Task", reference, "default").namespace == case.rule.namespace


def _may_destroy(case: Case, agent: Key) -> bool:
    found = case.base.documents.get(agent)
    return bool(
        found and isinstance(found.document, Agent) and found.document.destructive == "granted"
    )


def _starts_late(start: object, now: datetime) -> bool:
    # Local times and instants alike begin with the day.
    return isinstance(start, str) and start[:10] > f"{now + _LATEST_START:%Y-%m-%d}"


def _called(body: Mapping[str, Any]) -> Iterator[str]:
    """The tools that a task calls, those by which it finds out what became of a call, too."""
    for step in steps_of(body).values():
        yield step["uses"]
        if isinstance(step.get("on_unknown"), Mapping):
            yield step["on_unknown"]["verify"]


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for key, inner in value.items():
                yield str(key)
                yield from _texts(inner)
        case list() | tuple():
            for inner in value:
                yield from _texts(inner)
        case _:
            pass


def _project(specs: Specs) -> Project | None:
    found = (one.document for key, one in specs.documents.items() if key.kind == "Project")
    return next((one for one in found if isinstance(one, Project)), None)


def _merges(specs: Specs) -> tuple[MergeRule, ...]:
    found = _project(specs)
    return found.proposals.merge if found and found.proposals else ()
