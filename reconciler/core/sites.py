"""Where in a document expressions stand, and what each of them may name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from reconciler.core.locate import Path
from reconciler.core.references import steps_of
from reconciler.core.resolve import default_params
from runtime.core.expressions import ANSWER_ROOTS, TEMPLATE_ROOTS
from schemas.agent import Agent, RateLimit
from schemas.base import Document
from schemas.pipeline import Pipeline, PipelineUse, Step, Verify
from schemas.project import Project
from schemas.schedule import ConditionSchedule, EventSchedule
from schemas.task import Task
from schemas.tool_server import Authorization, ToolServer

_STEP: Final = TEMPLATE_ROOTS - {"item", "callback"}
_BEFORE_STEPS: Final = _STEP - {"steps", "secrets"}
_POLL: Final = frozenset({"now", "params", "secrets", "task", "vars"})
_SECRETS: Final = frozenset({"secrets"})
_FIXED: Final = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Site:
    """One place for expressions.

    Attributes:
        path: where it stands.
        value: any JSON value with templates, the text of a condition, or an expression over one value, an
            event or the arguments of a call, whose fields are the names it may use.
        form: which of the three.
        roots: the names that have a value there.
        step: the position of the step whose results so far can be named; None where no step has run.
    """

    path: Path
    value: Any
    form: Literal["template", "condition", "filter"]
    roots: frozenset[str]
    step: int | None = None


def sites_of(document: Document) -> Iterator[Site]:
    """Every place for expressions in a document."""
    for number, (path, step) in enumerate(steps_of(document)):
        yield from _step_sites(path, step, number)
    match document:
        case Task():
            yield from _task_sites(document)
        case ToolServer():
            yield from _server_sites(document)
            yield from _rate_sites(document.rate_limits)
        case Agent():
            yield from _rate_sites(document.rate_limits)
        case Project():
            yield from _model_sites(document)
            yield from _webhook_sites(document)
            yield from _stream_sites(document)
            yield from _process_sites(document)
        case Pipeline():
            for name, value in default_params(document).items():
                at = ("params", "properties", name, "default")
                yield Site(at, value, "template", _BEFORE_STEPS - {"params"})
        case _:
            pass


def _step_sites(path: Path, step: Step, number: int) -> Iterator[Site]:
    roots = _STEP if step.foreach is None else _STEP | {"item"}
    answer = roots | (ANSWER_ROOTS - TEMPLATE_ROOTS)
    # Only the call itself hands its callback out.
    called = roots if step.callback is None else roots | {"callback"}
    yield Site((*path, "with"), step.with_, "template", called, number)
    templates: dict[Path, Any] = {
        ("cache", "key"): step.cache and step.cache.key,
        ("approval", "show"): step.approval and step.approval.show,
    }
    conditions: dict[Path, Any] = {
        ("fail_when",): step.fail_when,
        **{("expect", item): text for item, text in enumerate(step.expect or ())},
        **{("usage", name): text for name, text in (step.usage or {}).items()},
    }
    if isinstance(step.on_unknown, Verify):
        templates["on_unknown", "with"] = step.on_unknown.with_
        conditions["on_unknown", "when"] = step.on_unknown.when
    if isinstance(step.if_, str):
        yield Site((*path, "if"), step.if_, "condition", roots, number)
    if step.foreach is not None:
        yield Site((*path, "foreach"), step.foreach, "template", _STEP, number)
    if step.idempotency is not None and step.idempotency.key is not None:
        # Keys are kept and shown, so no secret goes into one.
        at = (*path, "idempotency", "key")
        yield Site(at, step.idempotency.key, "template", roots - {"secrets"}, number)
    for below, value in templates.items():
        if value is not None:
            yield Site((*path, *below), value, "template", roots, number)
    for below, text in conditions.items():
        if text is not None:
            yield Site((*path, *below), text, "condition", answer, number)


def _task_sites(task: Task) -> Iterator[Site]:
    yield Site(("params",), task.params, "template", _FIXED)
    if task.concurrency is not None:
        yield Site(
            ("concurrency", "key"),
            task.concurrency.key,
            "template",
            frozenset({"event", "params"}),
        )
    if isinstance(task.pipeline, PipelineUse):
        yield Site(("pipeline", "with"), task.pipeline.with_, "template", _BEFORE_STEPS)
    for number, schedule in enumerate(task.schedule):
        path: Path = ("schedule", number)
        if isinstance(schedule, EventSchedule) and schedule.filter is not None:
            yield Site((*path, "filter"), schedule.filter, "filter", _FIXED)
        if isinstance(schedule, ConditionSchedule):
            poll = schedule.condition
            yield Site((*path, "condition", "with"), poll.with_, "template", _POLL)
            for name, text in (("when", poll.when), ("rearm", poll.rearm)):
                if text is not None:
                    at = (*path, "condition", name)
                    yield Site(at, text, "condition", _POLL | {"result"})


def _webhook_sites(project: Project) -> Iterator[Site]:
    for name, hook in (project.webhooks or {}).items():
        # One that is written alone stands where a list would.
        yield Site(("webhooks", name, "secret"), hook.secret, "template", _SECRETS)
        if hook.topic is not None:
            yield Site(("webhooks", name, "topic"), hook.topic, "template", frozenset({"event"}))


def _stream_sites(project: Project) -> Iterator[Site]:
    for name, stream in (project.streams or {}).items():
        if stream.url is not None:
            yield Site(("streams", name, "url"), stream.url, "template", _SECRETS)
        if stream.topic is not None:
            yield Site(("streams", name, "topic"), stream.topic, "template", frozenset({"event"}))


def _process_sites(project: Project) -> Iterator[Site]:
    for name, process in (project.processes or {}).items():
        at: Path = ("processes", name)
        yield Site((*at, "env"), process.env, "template", _SECRETS)
        for field in ("command", "args", "ready"):
            if value := getattr(process, field):
                yield Site((*at, field), value, "template", _FIXED)


def _model_sites(project: Project) -> Iterator[Site]:
    for name, model in (project.models or {}).items():
        if model.api_key is not None:
            yield Site(("models", name, "api_key"), model.api_key, "template", _SECRETS)
        if model.tls is not None:
            texts = model.tls.model_dump(exclude_none=True)
            yield Site(("models", name, "tls"), texts, "template", _SECRETS)
        # Where none are written there is no such place.
        if model.headers:
            yield Site(("models", name, "headers"), model.headers, "template", _SECRETS)


def _rate_sites(limits: Sequence[RateLimit]) -> Iterator[Site]:
    for number, limit in enumerate(limits):
        if limit.key is not None:
            yield Site(("rate_limits", number, "key"), limit.key, "filter", _FIXED)


def _server_sites(server: ToolServer) -> Iterator[Site]:
    if server.stdio is not None:
        yield Site(("stdio", "env"), server.stdio.env, "template", _SECRETS)
        yield Site(("stdio", "command"), server.stdio.command, "template", _FIXED)
        yield Site(("stdio", "args"), server.stdio.args, "template", _FIXED)
    if server.http is not None:
        yield Site(("http", "headers"), server.http.headers, "template", _SECRETS)
        yield Site(("http", "url"), server.http.url, "template", _FIXED)
        yield from _auth_sites(server.http.auth)
        if server.http.tls is not None:
            texts = server.http.tls.model_dump(exclude_none=True)
            yield Site(("http", "tls"), texts, "template", _SECRETS)


def _auth_sites(auth: Authorization | None) -> Iterator[Site]:
    if auth is None:
        return
    texts = auth.model_dump(exclude_none=True)
    for name in texts.keys() & {"issuer", "client_id", "scope"}:
        yield Site(("http", "auth", name), texts[name], "template", _FIXED)
    for name in texts.keys() & {"client_secret", "private_key"}:
        yield Site(("http", "auth", name), texts[name], "template", _SECRETS)
