"""What may be done on the dashboard: operations alone, each with a reason, through the functions that commands use.

Nothing here writes a spec. To do something twice does no harm: who pauses again changes nothing, a run and a rerun are made once
for a form, and an answer counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

import orjson

from runtime.actor import Actor
from runtime.cancelling import cancel_run
from runtime.core.answering import FormField, fields_of, read_answers, responses_of
from runtime.errors import OrdinautError, StalePlan
from runtime.lookup import resolve_run, resolve_task
from runtime.manual import request_run
from runtime.overrides import pause_task, resume_task, snooze_task
from runtime.rerunning import Rerun, rerun_run
from runtime.store.overrides import lock_task_in_force
from runtime.store.rows import Connection
from runtime.store.runs import Dedupe, load_run
from runtime.store.settling import Settled, list_unsettled, settle_call
from runtime.store.sources import approve_plan
from runtime.store.waits import answer_wait, list_asked
from runtime.web.pages.changes import waiting_plan
from runtime.web.pages.words import head, short, task_path
from schemas.asked import Asked
from schemas.token import Scope
from schemas.unsettled import Unsettled

_SAME_FORM: Final = timedelta(days=1)
_MOST_TASKS: Final = 200
_GOES_ON: Final = "It does not wait any more: somebody else decided, or its time was over"

Form = Mapping[str, Sequence[str]]
"""What a form holds: values by name."""


class Unfit(OrdinautError):
    """A form is not filled in as it has to be."""

    default_code = "ORD322"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form.

    Attributes:
        name: what it is sent as.
        words: its label.
        hint: what to write.
        kind: how it is filled in.
        value: what stands in it at first.
        choices: value and words of each choice.
        required: whether it must not be empty.
    """

    name: str
    words: str
    hint: str = ""
    kind: Literal["text", "long", "choice", "check", "hidden"] = "text"
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False


REASON: Final = Field("reason", "Reason", "Why; it is kept in the audit log.", required=True)


@dataclass(frozen=True, slots=True)
class Doing:
    """Somebody does something to something.

    Attributes:
        connection: the database, in autocommit mode.
        form: what they filled in.
        actor: who.
        reason: why.
        key: the form's own: what is sent twice has the same.
    """

    connection: Connection
    form: Form
    actor: Actor
    reason: str
    key: str

    def text(self, name: str) -> str:
        """The value of a field."""
        return next(iter(self.form.get(name, ())), "").strip()


@dataclass(frozen=True, slots=True)
class Act:
    """Something that may be done.

    Attributes:
        title: what the page is called.
        lead: what it comes to.
        button: what the button says.
        scope: what it takes.
        about: what it is done to, in words; refuses what cannot be.
        perform: does it, and gives the path of the page to go on with.
        back: the page to leave it for.
        fields: what is filled in beside the reason.
        targets: which values of the address name what it is done to.
        is_grave: whether it ends something.
    """

    title: str
    lead: str
    button: str
    scope: Scope
    about: Callable[[Connection, Form], list[str]]
    perform: Callable[[Doing], str]
    back: Callable[[Form], str]
    fields: Callable[[Connection, Form], list[Field]] = field(default=lambda _c, _f: [])
    targets: tuple[str, ...] = ("task",)
    is_grave: bool = False


def _one(form: Form, name: str) -> str:
    return next(iter(form.get(name, ())), "")


# tasks


def _tasks(_: Connection, form: Form) -> list[str]:
    found = list(dict.fromkeys(form.get("task", ())))
    if not found:
        raise Unfit("no task is chosen", hint="tick some on the page of tasks")
    if len(found) > _MOST_TASKS:
        raise Unfit(f"that is more than {_MOST_TASKS} tasks at once", hint="choose fewer")
    return found


def _task_back(form: Form) -> str:
    tasks = form.get("task", ())
    return task_path(tasks[0]) if len(tasks) == 1 else "/tasks"


def _of_each(doing: Doing, act: Callable[[str], object]) -> str:
    """Do it to all tasks or to none; always in the same order, so that two of us do not wait for each other."""
    with doing.connection.transaction():
        for label in sorted(_tasks(doing.connection, doing.form)):
            act(label)
    return _task_back(doing.form)


def _pause(doing: Doing) -> str:
    until = doing.text("until") or None
    return _of_each(doing, lambda label: pause_task(doing.connection, label, until=until, reason=doing.reason, actor=doing.actor))  # fmt: skip


def _snooze(doing: Doing) -> str:
    until = doing.text("until")
    return _of_each(doing, lambda label: snooze_task(doing.connection, label, until=until, reason=doing.reason, actor=doing.actor))  # fmt: skip


def _resume(doing: Doing) -> str:
    return _of_each(doing, lambda label: resume_task(doing.connection, label, actor=doing.actor))


def _run(doing: Doing) -> str:
    params = _json(doing.text("params") or "{}", "the parameters")
    if not isinstance(params, dict):
        raise Unfit("the parameters are no JSON object", hint='write {"name": "value"}')
    label = _tasks(doing.connection, doing.form)[0]
    run_id, _ = request_run(
        doing.connection,
        label,
        params,
        Dedupe(doing.key, _SAME_FORM),
        may_overlap=bool(doing.text("overlap")),
        needs_runtime=False,
        actor=doing.actor,
    )
    return f"/runs/{run_id}"


# runs


def _run_id(connection: Connection, form: Form) -> UUID:
    return resolve_run(connection, _one(form, "run"))


def _about_run(connection: Connection, form: Form) -> list[str]:
    run = load_run(connection, _run_id(connection, form))
    return [f"run {short(run.run_id)} of {run.task}, {run.state}"]


def _run_back(form: Form) -> str:
    return f"/runs/{_one(form, 'run')}" if form.get("run") else "/runs"


def _cancel(doing: Doing) -> str:
    run_id = _run_id(doing.connection, doing.form)
    at_once = bool(doing.text("now"))
    cancel_run(doing.connection, run_id, reason=doing.reason, actor=doing.actor, at_once=at_once)
    return f"/runs/{run_id}"


def _rerun(doing: Doing) -> str:
    run_id = _run_id(doing.connection, doing.form)
    how = doing.text("how")
    asked = Rerun(
        start=how.removeprefix("from ") if how.startswith("from ") else None,
        only_failed=how == "failed",
        latest=bool(doing.text("latest")),
    )
    with doing.connection.transaction():
        # Whoever sends the form twice waits here, and then finds the rerun that the first one made.
        run = load_run(doing.connection, run_id)
        lock_task_in_force(doing.connection, resolve_task(doing.connection, run.task).uid)
        made = load_run(doing.connection, run_id).reruns
        if str(len(made)) != (doing.text("made") or "0") and made:
            return f"/runs/{made[-1]}"
        return f"/runs/{rerun_run(doing.connection, run_id, asked, actor=doing.actor)}"


def _rerun_fields(connection: Connection, form: Form) -> list[Field]:
    run = load_run(connection, _run_id(connection, form))
    choices = [("all", "everything once more")]
    if run.state != "succeeded":
        choices.insert(0, ("failed", "only what failed, and what comes after it"))
    choices += [(f"from {step.step}", f"from {step.step} on") for step in run.steps]
    return [
        Field("made", "", kind="hidden", value=str(len(run.reruns))),
        Field("how", "What", kind="choice", choices=tuple(choices)),
        Field("latest", "By the revision in force, instead of the one that it was pinned to", kind="check"),
    ]  # fmt: skip


# what waits for people


def _asked(connection: Connection, form: Form) -> Asked:
    found = [one for one in list_asked(connection) if _is_meant(one, form)]
    if not found:
        raise StalePlan(_GOES_ON, hint="the page of approvals shows what waits now")
    return found[0]


def _call(connection: Connection, form: Form) -> Unsettled:
    found = [one for one in list_unsettled(connection) if _is_meant(one, form)]
    if not found:
        raise StalePlan(_GOES_ON, hint="the page of approvals shows what waits now")
    return found[0]


def _is_meant(one: Asked | Unsettled, form: Form) -> bool:
    named = (str(one.run_id), one.step, str(one.iteration))
    attempt = "" if one.attempt is None else str(one.attempt)
    wanted = (_one(form, "run"), _one(form, "step"), _one(form, "item") or "0")
    return named == wanted and _one(form, "attempt") == attempt


def _about_step(connection: Connection, form: Form) -> list[str]:
    one = _asked(connection, form)
    what = one.asked.get("message") or one.asked.get("uses") or "a form"
    return [f"{one.task}, step {one.step}: {what}", *_to_visit(one)]


def _to_visit(one: Asked) -> list[str]:
    """The addresses that a server asks to be visited; as text, as they are a stranger's."""
    return [f"first visit {one['url']}" for one in one.asked.get("requests", {}).values() if one.get("url")]  # fmt: skip


def _about_call(connection: Connection, form: Form) -> list[str]:
    one = _call(connection, form)
    return [f"{one.task}, step {one.step}: {one.asked.get('uses', '')}"]


def _answer_fields(connection: Connection, form: Form) -> list[Field]:
    return [_answer_field(one) for one in fields_of(_asked(connection, form).asked.get("requests", {}))]  # fmt: skip


def _answer_field(one: FormField) -> Field:
    schema = one.schema
    name, words = f"a:{one.request}.{one.name}", str(schema.get("title") or one.name)
    hint, default = str(schema.get("description", "")), schema.get("default")
    value = "" if default is None else default if isinstance(default, str) else orjson.dumps(default).decode()  # fmt: skip
    if schema.get("type") == "boolean":
        usual = {"true": "yes, by default", "false": "no, by default"}.get(value, "choose")
        yes_or_no = (("", usual), ("true", "yes"), ("false", "no"))
        return Field(name, words, hint, "choice", "", yes_or_no, one.is_required)
    if options := schema.get("enum"):
        titles = schema.get("enumNames", ())
        titles = titles if len(titles) == len(options) else options
        choices = tuple((str(v), str(t)) for v, t in zip(options, titles, strict=False))
        return Field(
            name, words, hint, "choice", value, (("", "choose"), *choices), one.is_required
        )
    return Field(name, words, hint, "text", value, (), one.is_required)


def _decide(doing: Doing, *, approved: bool) -> str:
    one = _asked(doing.connection, doing.form)
    responses: dict[str, Any] = {}
    if approved and (requests := one.asked.get("requests")):
        given = [(name[2:], values[0]) for name, values in doing.form.items() if name.startswith("a:") and values[0]]  # fmt: skip
        responses = responses_of(requests, read_answers(requests, given))
    is_taken = answer_wait(
        doing.connection,
        one,
        approved=approved,
        by=doing.actor,
        reason=doing.reason,
        instead_of=doing.text("instead_of") or None,
        responses=responses,
    )
    if not is_taken:
        raise StalePlan(_GOES_ON, hint="the page of the run tells what became of it")
    return f"/runs/{one.run_id}"


def _instead(connection: Connection, form: Form) -> list[Field]:
    by = _asked(connection, form).asked.get("by", ())
    if not by:
        return []
    choices = (("", "as myself"), *((str(name), f"for {name}") for name in by))
    return [Field("instead_of", "Decide", "It asks these alone; for whom you decide is recorded.", "choice", "", choices)]  # fmt: skip


def _settle(doing: Doing) -> str:
    one = _call(doing.connection, doing.form)
    given: dict[str, Settled] = {"happened": "happened", "try_again": "try_again", "failed": "failed"}  # fmt: skip
    settled = given.get(doing.text("settled"))
    if settled is None:
        raise Unfit("say what became of it", hint="choose one of the three")
    text = doing.text("result")
    result = _json(text, "the result") if text and settled == "happened" else None
    if not settle_call(doing.connection, one, settled=settled, result=result, by=doing.actor, reason=doing.reason):  # fmt: skip
        raise StalePlan(_GOES_ON, hint="the page of the run tells what became of it")
    return f"/runs/{one.run_id}"


_SETTLED: Final = (
    ("", "choose"),
    ("happened", "It happened: go on with the next step"),
    ("try_again", "It did not happen: call it again"),
    ("failed", "Whatever happened, the step has failed"),
)


def _about_plan(connection: Connection, form: Form) -> list[str]:
    source, _ = waiting_plan(connection, _one(form, "digest"))
    return [f"plan {head(source.plan_digest)} of {source.project}/{source.environment}"]


def _approve_plan(doing: Doing) -> str:
    source, _ = waiting_plan(doing.connection, doing.text("digest"))
    if not approve_plan(doing.connection, source, actor=doing.actor, reason=doing.reason):
        raise StalePlan(
            f"{source.project}/{source.environment} does not wait with that plan any more",
            hint="the page of changes shows what waits now",
        )
    return "/changes"


def _json(text: str, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unfit(f"{what}: that is no JSON: {error}", hint="a text needs quotes of its own") from None  # fmt: skip


_STEP: Final = ("run", "step", "item", "attempt")
_UNTIL: Final = "A span such as 2h or 3d, or a time such as 2026-12-28T08:00, in the task's zone."

ACTS: Final[Mapping[str, Act]] = {
    "run": Act("Run now", "Beside its schedule, which goes on as it is.", "Run now", "operate", _tasks, _run, _task_back, lambda _c, _f: [Field("params", "Parameters", "A JSON object of those that are not to be as the spec has them.", "long"), Field("overlap", "Even beside another run of it", kind="check")]),
    "pause": Act("Pause", "Nothing of it fires. What falls into the pause is decided afterwards, by the task's catch-up policy.", "Pause", "operate", _tasks, _pause, _task_back, lambda _c, _f: [Field("until", "Until", f"{_UNTIL} Empty: until somebody resumes it.")]),
    "snooze": Act("Snooze", "Nothing of it fires until then, and what is due meanwhile is left out.", "Snooze", "operate", _tasks, _snooze, _task_back, lambda _c, _f: [Field("until", "Until", _UNTIL, required=True)]),
    "resume": Act("Resume", "It fires again from now on.", "Resume", "operate", _tasks, _resume, _task_back),
    "cancel": Act("Cancel", "It ends, with its steps of `finally` if it has any.", "Cancel the run", "operate", _about_run, _cancel, _run_back, lambda _c, _f: [Field("now", "At once, without steps of finally", kind="check")], ("run",), is_grave=True),
    "rerun": Act("Run again", "As a new run, linked to this one.", "Run again", "operate", _about_run, _rerun, _run_back, _rerun_fields, ("run",)),
    "approve": Act("Approve", "The step goes on.", "Approve", "approve", _about_step, lambda doing: _decide(doing, approved=True), lambda _: "/approvals", lambda c, f: [*_answer_fields(c, f), *_instead(c, f)], _STEP),
    "deny": Act("Deny", "The step ends here.", "Deny", "approve", _about_step, lambda doing: _decide(doing, approved=False), lambda _: "/approvals", _instead, _STEP, is_grave=True),
    "settle": Act("Settle", "Look at the other side whether the call happened, and say so.", "Settle", "operate", _about_call, _settle, lambda _: "/approvals", lambda _c, _f: [Field("settled", "What became of it", kind="choice", choices=_SETTLED, required=True), Field("result", "Result", "If it happened: what the tool gave, as JSON.", "long")], _STEP),
    "approve-plan": Act("Let a plan pass", "The next look of `ordinaut sync` applies exactly this plan, past what refused it.", "Let it pass", "approve", _about_plan, _approve_plan, lambda _: "/changes", targets=("digest",)),
}  # fmt: skip
"""Everything that may be done, by the name in its address."""


def hidden_of(act: Act, form: Form) -> list[tuple[str, str]]:
    """What a form carries along of the address."""
    return [(name, value) for name in act.targets for value in form.get(name, ())]
