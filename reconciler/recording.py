"""A run on record to the text of a test, which is played before it is given out: a test that fails at once helps nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import orjson

from reconciler.core.exporting import as_yaml
from reconciler.core.files import SourceFile
from reconciler.core.testing.documents import Trial, misnamed, read_trials
from reconciler.core.testing.recording import RECORDABLE, recorded_test
from reconciler.core.testing.verdict import verdict
from reconciler.testing import scene_of
from runtime.core.program import Program, compile_program
from runtime.core.record import RecordedRun
from runtime.errors import OrdinautError
from runtime.live import Live, Scope
from runtime.rehearsal.play import play
from schemas.tested import Mismatch

_SECRET: Final = re.compile(rb"\bsecrets\.(?:\\\")?(\w+)")


class NotRecordable(OrdinautError):
    """A run of which no test can be made."""

    default_code = "ORD707"


@dataclass(frozen=True, slots=True)
class RecordedTest:
    """A test, as a document and as text, and what is not as it expects when it is played at once."""

    document: dict[str, Any]
    text: str
    problems: tuple[Mismatch, ...]


def record(run: RecordedRun, name: str) -> RecordedTest:
    """The test of a run.

    Raises:
        NotRecordable: ORD707.
    """
    if run.state not in RECORDABLE or run.started_at is None:
        raise NotRecordable(
            f"the run is {run.state}, and no test expects that",
            hint="runs that succeeded, failed or wait can be recorded",
        )
    program = compile_program(run.body, "")
    first: RecordedTest | None = None
    # Arguments may hold the run's id, or a key that follows from it. Calls that were under way together may have begun in
    # another order than they are played in.
    for any_order, same_id in product((False, True), repeat=2):
        document = recorded_test(run, name, any_order=any_order, same_id=same_id)
        text = as_yaml(document)
        found = RecordedTest(document, text, _problems(_trial(text, name), program, run))
        if not found.problems:
            return found
        first = first or found
    assert first is not None  # noqa: S101 - there are four ways
    return first


def _trial(text: str, name: str) -> Trial:
    trials, problems = read_trials([SourceFile(name, text.encode())])
    if problems:
        raise NotRecordable(
            f"the run does not fit into a test: {problems[0].message}", hint=problems[0].hint
        )
    return trials[0]


def _problems(trial: Trial, program: Program, run: RecordedRun) -> tuple[Mismatch, ...]:
    if problems := list(misnamed(trial, program)):
        return tuple(Mismatch(**dict(one)) for one in problems)
    # What its agent may call now is not what it was allowed then.
    scopes = {} if program.agent is None else {program.agent: Scope(("*",), may_destroy=True)}
    played = play(program, scene_of(trial), Live(agents=scopes), _secrets(run.body))
    return tuple(verdict(trial, played))


def _secrets(body: Any) -> tuple[str, ...]:
    """The names of secrets that a body reads."""
    return tuple({name.decode() for name in _SECRET.findall(orjson.dumps(body))})
