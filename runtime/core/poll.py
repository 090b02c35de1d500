"""A task's condition, compiled from its normalised body: which tool to ask, when, and how to read the answer.

Polls come at round times: every so often from `EPOCH`, like a schedule with `every`. A poll that was missed is not made up
for, because it asks how things are and not how they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from runtime.core.anchors import EPOCH
from runtime.core.calendar.admission import Admission, admission_of
from runtime.core.calendar.compilation import compile_calendar
from runtime.core.condition import ConditionRule, Standing, Verdict, judge
from runtime.core.expressions import (
    ANSWER_ROOTS,
    Condition,
    Context,
    Template,
    compile_condition,
    compile_template,
    secret_names,
)
from runtime.core.program import task_label
from schemas.durations import parse_duration

_LONGEST_WAIT: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Poll:
    """One condition of a task, ready to be asked.

    Attributes:
        label: the task, as people write it.
        uses: the tool's resolved address.
        arguments: the template of its arguments.
        params: what the templates know as `params`.
        agent: on whose behalf it is asked.
        when: what an answer must satisfy.
        rearm: what must be satisfied before it fires again; None: that `when` is not.
        rule: when it fires.
    """

    label: str
    uses: str
    arguments: Template
    params: Mapping[str, Any]
    agent: str | None
    when: Condition
    rearm: Condition | None
    rule: ConditionRule

    @property
    def secrets(self) -> frozenset[str]:
        """The secrets that its arguments read, by name."""
        return secret_names(self.arguments)

    def judge(self, standing: Standing, context: Context) -> Verdict:
        """Judge the answer that is the `result` of the context, at its `now`.

        Raises:
            ExpressionError: the answer has not what the condition names, or it cannot be compared.
        """
        is_met = self.when.test(context)
        is_rearmed = not is_met if self.rearm is None else self.rearm.test(context)
        return judge(self.rule, standing, is_met=is_met, is_rearmed=is_rearmed, now=context.now)


def compile_poll(body: Mapping[str, Any], position: int) -> Poll:
    """Compile the condition at a position of a normalised task body's schedules.

    Raises:
        ExpressionError: a template or condition is not valid; plans refuse such bodies.
    """
    asked = body["schedule"][position]["condition"]
    return Poll(
        label=task_label(body["namespace"], body["name"]),
        uses=asked["uses"],
        arguments=compile_template(asked["with"]),
        params=body["params"],
        agent=body.get("agent"),
        when=compile_condition(asked["when"], roots=ANSWER_ROOTS),
        rearm=compile_condition(asked["rearm"], roots=ANSWER_ROOTS) if "rearm" in asked else None,
        rule=ConditionRule(asked["edge"], parse_duration(asked.get("for", "0s"))),
    )


def poll_for(every: timedelta, now: datetime) -> datetime:
    """The instant that a poll at `now` stands for: the last round one."""
    return EPOCH + (now - EPOCH) // every * every


def next_poll(every: timedelta, now: datetime, calendars: Admission | None = None) -> datetime:
    """The first round instant after `now`; where calendars exclude that, the first moment after it that they do not."""
    return free_from(poll_for(every, now) + every, calendars)


def free_from(at: datetime, calendars: Admission | None) -> datetime:
    """The first moment from an instant on at which calendars let a tool be asked; a year later if there is none in it."""
    if calendars is None:
        return at
    return calendars.next_included(at, at + _LONGEST_WAIT) or at + _LONGEST_WAIT


def calendars_of(body: Mapping[str, Any], position: int) -> Admission | None:
    """What calendars say of when the condition at a position of a normalised task body is asked; None if it names none.

    Raises:
        ScheduleError: a calendar is not valid; plans refuse such bodies.
    """
    contents = body.get("calendars", {})
    compiled = {label: compile_calendar(content) for label, content in contents.items()}
    return admission_of(body["schedule"][position], compiled)
