"""What a task's conditions become in the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from reconciler.core.digest import digest_of
from runtime.core.expressions import (
    ANSWER_ROOTS,
    Condition,
    Template,
    compile_condition,
    compile_template,
    references,
)
from runtime.core.poll import next_poll
from runtime.store.conditions import ArmedCondition
from schemas.durations import parse_duration

# How often it is asked, and for how long it must hold, change nothing of what earlier answers told.
_NOT_REMEMBERED_BY = ("every", "for")


def armed_conditions(
    task_uid: int, body: Mapping[str, Any], now: datetime
) -> list[ArmedCondition]:
    """The conditions of a normalised task body, each polled for the first time strictly after `now`.

    A condition that is written twice is one.
    """
    found: dict[str, ArmedCondition] = {}
    for position, schedule in enumerate(body["schedule"]):
        if "condition" in schedule:
            every = parse_duration(schedule["condition"]["every"])
            digest = _digest(schedule["condition"], body["params"])
            armed = ArmedCondition(task_uid, digest, position, every, next_poll(every, now))
            found.setdefault(digest, armed)
    return list(found.values())


def _digest(condition: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    """Of what is asked and how the answer is read, with the values of the parameters that it names."""
    kept = {name: value for name, value in condition.items() if name not in _NOT_REMEMBERED_BY}
    return digest_of({"condition": kept, "params": dict(_named_params(condition, params))})


def _named_params(
    condition: Mapping[str, Any], params: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    judged = (condition[name] for name in ("when", "rearm") if name in condition)
    expressions: list[Template | Condition] = [
        compile_template(condition["with"]),
        *(compile_condition(text, roots=ANSWER_ROOTS) for text in judged),
    ]
    for expression in expressions:
        for reference in references(expression):
            if reference.root != "params":
                continue
            if reference.path:
                name = str(reference.path[0])
                yield name, params.get(name)
            else:
                yield from params.items()
