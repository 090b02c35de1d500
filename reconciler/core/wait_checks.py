"""Steps that wait for events, and steps that emit them: what can be known before any of them runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from reconciler.core.entry import Entry, Finding
from reconciler.core.locate import Path
from reconciler.core.params import schema_flaws
from reconciler.core.references import steps_of
from runtime.core.expressions import compile_query
from runtime.core.hearing import OWN
from runtime.core.waits import EMIT, WAIT_FOR
from runtime.errors import ExpressionError
from schemas.patterns import TOPIC, WORDS
from schemas.pipeline import Step
from schemas.problem import Problem
from schemas.spec import BUILTIN_SERVERS

_TEMPLATE: Final = "${"


def wait_problems(entry: Entry) -> Iterator[Problem]:
    """Topics and filters that cannot be right, and callbacks that nobody could tell apart."""
    for path, step in steps_of(entry.document):
        if step.uses in (WAIT_FOR, EMIT):
            yield from _topic_problems(entry, path, step)
        if step.callback is not None:
            yield from _callback_problems(entry, path, step)
        if step.uses == WAIT_FOR:
            yield from _filter_problems(entry, path, step)
            if "callback" in step.with_ and step.foreach is not None:
                yield from entry.problem(
                    (*path, "foreach"),
                    "ORD013",
                    f"step {step.id} waits for a callback, and a callback token is for one step alone",
                    "take `foreach` out, or wait for an `event` with a `filter`",
                )


def _callback_problems(entry: Entry, path: Path, step: Step) -> Iterator[Problem]:
    """A step that cannot wait for a callback, or asks for no answer that there is."""
    assert step.callback is not None  # noqa: S101 - what was asked
    wrong: dict[str, str] = {}
    if step.foreach is not None:
        wrong["foreach"] = "a callback token is for one step alone"
    if step.uses.partition(".")[0] in BUILTIN_SERVERS:
        wrong["uses"] = "a built-in tool hands nothing to anybody"
    if step.on_error != "fail":
        wrong["on_error"] = "without its call nobody would answer"
    if step.cache is not None:
        wrong["cache"] = "an earlier answer hands out another callback"
    for field, why in wrong.items():
        message = f"step {step.id} waits for a callback, and {why}"
        yield from entry.problem(
            (*path, field), "ORD013", message, f"take `{field}` out, or `callback`"
        )
    if step.callback.schema_ is not None:
        for below, message, hint in schema_flaws(step.callback.schema_):
            at = (*path, "callback", "schema", *below)
            yield from entry.problem(at, "ORD014", message, hint)


def _topic_problems(entry: Entry, path: Path, step: Step) -> Iterator[Problem]:
    topic = step.with_.get("event")
    if isinstance(topic, str) and _TEMPLATE not in topic and not re.search(TOPIC, topic):
        message = f"`event` is {WORDS[TOPIC]}; this is `{topic[:80]}`"
        yield from entry.problem((*path, "with", "event"), "ORD007", message, "")
    if step.uses == EMIT and isinstance(topic, str) and topic.startswith(OWN):
        message = f"topics that begin with `{OWN}` are those of Ordinaut's own events"
        yield from entry.problem((*path, "with", "event"), "ORD007", message, "emit another topic")


def _filter_problems(entry: Entry, path: Path, step: Step) -> Iterator[Problem]:
    text = step.with_.get("filter")
    if not isinstance(text, str) or _TEMPLATE in text:
        return
    try:
        compile_query(text)
    except ExpressionError as error:
        found = Finding(error.code, error.message, error.hint)
        at = (*path, "with", "filter")
        yield from entry.problem_in_text(at, text, error.position or 0, found)
