"""Tests of a specs folder: each run is played by the runtime's own execution, and judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.desired import Desired, Key, Specs
from reconciler.core.entry import Entry
from reconciler.core.files import is_lock
from reconciler.core.params import argument_problems
from reconciler.core.references import Names
from reconciler.core.resolve import Referred, resolved_body
from reconciler.core.suggest import did_you_mean
from reconciler.core.testing.coverage import Seen, owner_of
from reconciler.core.testing.documents import Trial, misnamed
from reconciler.core.testing.verdict import verdict
from reconciler.core.tool_lock import NoToolLock, read_lock
from reconciler.load import compile_source
from reconciler.source import Source
from runtime.clock import SYSTEM_CLOCK
from runtime.core.played import Played
from runtime.core.program import Program, compile_program
from runtime.keyring import Keyring
from runtime.live import Live, assemble
from runtime.rehearsal.given import Scene
from runtime.rehearsal.play import play
from runtime.store.runtimes import LiveSpec
from runtime.tools.catalogue import ToolInfo
from schemas.base import API_VERSION
from schemas.pipeline import Pipeline, PipelineUse
from schemas.problem import Problem
from schemas.task import Task
from schemas.tested import Mismatch, TestResult

if TYPE_CHECKING:
    # It takes half a second to import, which few tests need.
    from reconciler.asking import Models


@dataclass(frozen=True, slots=True)
class Tested:
    """A test that was played, or could not be.

    Attributes:
        result: what is told of it.
        seen: what became of the run; None where nothing ran.
    """

    result: TestResult
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """The specs in one environment, and what all runs of it share."""

    specs: Specs
    live: Live
    secrets: tuple[str, ...]
    programs: dict[Key, Program] = field(default_factory=dict)


class Specimens:
    """The specs under test, compiled once for each environment that a test names."""

    def __init__(self, source: Source, environment: str) -> None:
        self._source = source
        self._environment = environment
        self._grounds: dict[str, Ground] = {}
        self.promised = _promised(source)

    def ground(self, environment: str | None) -> Ground:
        """The specs in an environment; that of the command if a test names none."""
        name = environment or self._environment
        if name not in self._grounds:
            specs = compile_source(self._source, name)
            self._grounds[name] = Ground(specs, _live(specs), _secrets(specs))
        return self._grounds[name]

    def problems_for(self, trials: Iterable[Trial]) -> tuple[Problem, ...]:
        """The errors of the specs in the environments of these tests, and in that of the command, each once."""
        names = dict.fromkeys([None, *(trial.test.environment for trial in trials)])
        found = {
            problem.reading_order: problem
            for name in names
            for problem in self.ground(name).specs.errors
        }
        return tuple(found[order] for order in sorted(found))


def run_trial(trial: Trial, specimens: Specimens, models: Models | None = None) -> Tested:
    """Play one test and judge it.

    Args:
        trial: the test.
        specimens: the specs.
        models: answer `llm.*` for good; None to play without them.

    Raises:
        NotFound: models are to be asked, and the Project names none.
    """
    ground = specimens.ground(trial.test.environment)
    found = list(_missing(trial, ground))
    program = None if found else _program(trial, ground)
    found += [] if program is None else misnamed(trial, program)
    if found or program is None:
        return Tested(_result(trial, ground, [Mismatch(**dict(one)) for one in found], None))
    played = play(
        program,
        scene_of(trial),
        ground.live,
        ground.secrets,
        specimens.promised,
        ask_model=None if models is None else models.of(ground.specs),
    )
    mismatches = verdict(trial, played)
    return Tested(_result(trial, ground, mismatches, played), _seen(trial, ground, played))


def _seen(trial: Trial, ground: Ground, played: Played) -> Seen | None:
    target = _target(trial, ground.specs)
    return None if target is None else Seen(owner_of(target, ground.specs), played)


def scene_of(trial: Trial) -> Scene:
    """What the run of a test is given."""
    test = trial.test
    return Scene(
        name=test.name,
        now=test.now,
        occurrence_for=test.occurrence_for,
        run_id=test.run_id,
        trigger=test.trigger or ("manual" if test.event is None else "event"),
        params=test.params if test.task is not None else {},
        event=test.event,
        given=test.given,
    )


def _result(
    trial: Trial, ground: Ground, mismatches: Iterable[Mismatch], played: Played | None
) -> TestResult:
    test, mark = trial.test, trial.source.node[0]
    problems = tuple(sorted(mismatches, key=lambda one: one.reading_order))
    return TestResult(
        name=test.name,
        file=trial.source.file,
        line=mark.line + 1,
        task=test.task,
        pipeline=test.pipeline,
        environment=ground.specs.environment,
        passed=not problems,
        state=None if played is None or played.not_given else played.state,
        problems=problems,
    )


def _target(trial: Trial, specs: Specs) -> Desired | None:
    test = trial.test
    kind, text = ("Task", test.task) if test.task is not None else ("Pipeline", test.pipeline)
    key = Names(frozenset(specs.documents)).find(kind, text or "", test.namespace)
    return None if key is None else specs.documents[key]


def _missing(trial: Trial, ground: Ground) -> Iterator[Problem]:
    """Why there is nothing that the test could run."""
    test, specs = trial.test, ground.specs
    field_name, kind = ("task", "Task") if test.task is not None else ("pipeline", "Pipeline")
    target = _target(trial, specs)
    if target is None:
        text = test.task or test.pipeline or ""
        names = Names(frozenset(specs.documents))
        hint = did_you_mean(text, names.of_kind(kind, test.namespace))
        if Names(specs.known).find(kind, text, test.namespace) is not None:
            hint = "it holds errors, which `ordinaut validate` shows"
        message = f"there is no {kind} `{text}` in the specs"
        yield trial.problem((field_name,), "ORD009", message, hint)
        return
    if isinstance(target.document, Task):
        known = target.document.params
        for name in sorted(set(test.params) - set(known)):
            message = f"task {target.key.label} has no parameter `{name}`"
            hint = did_you_mean(name, known, "it has none")
            yield trial.problem(("params", name), "ORD009", message, hint, key=True)
    elif isinstance(target.document, Pipeline):
        entry = Entry(trial.source, target.document, target.key)
        use = PipelineUse.model_validate({"use": target.key.label, "with": test.params})
        yield from argument_problems(entry, use, target.document)


def _program(trial: Trial, ground: Ground) -> Program | None:
    target = _target(trial, ground.specs)
    if target is None:
        return None
    project = ground.specs.project
    if isinstance(target.document, Pipeline):
        return compile_program(_body_around(trial, target, ground.specs), project)
    if target.key not in ground.programs:
        ground.programs[target.key] = compile_program(target.body, project)
    return ground.programs[target.key]


def _body_around(trial: Trial, pipeline: Desired, specs: Specs) -> Mapping[str, object]:
    """The body of a task that is there for nothing but to use a Pipeline with the test's parameters."""
    key = Key("Task", pipeline.key.namespace, pipeline.key.name)
    task = Task.model_validate(
        {
            "apiVersion": API_VERSION,
            "kind": "Task",
            "name": key.name,
            "namespace": key.namespace,
            "schedule": {"manual": True},
            "pipeline": {"use": pipeline.key.label, "with": trial.test.params},
        }
    )
    known = {
        one: desired.document
        for one, desired in specs.documents.items()
        if isinstance(desired.document, Pipeline)
    }
    referred = Referred(Names(specs.known), known, {}, {})
    return resolved_body(task, key, referred)


def _live(specs: Specs) -> Live:
    """What agents may call; how often, and for how much, is no matter of one run."""
    rows = [
        LiveSpec(key.kind, key.namespace, key.name, specs.project, desired.body)
        for key, desired in specs.documents.items()
        if key.kind == "Agent"
    ]
    live = assemble(0, rows, Keyring(Path(), SYSTEM_CLOCK), datetime.min.replace(tzinfo=UTC))
    unbounded = {
        name: replace(scope, limits=(), budget=None) for name, scope in live.agents.items()
    }
    return replace(live, agents=unbounded)


def _promised(source: Source) -> dict[str, ToolInfo]:
    """What the tool lock holds, by the addresses of tools; nothing where there is none, or none that can be read."""
    locks = [file.data for file in source.files if is_lock(file.name)]
    try:
        servers = read_lock(locks[0]).servers if locks else {}
    except NoToolLock:
        # It is told with the errors of the specs, which are not played then.
        return {}
    return {
        f"{server}.{name}": ToolInfo(server, name, "", tool.input_schema, tool.output_schema)
        for server, locked in servers.items()
        for name, tool in locked.tools.items()
    }


def _secrets(specs: Specs) -> tuple[str, ...]:
    """The secrets that the Project declares."""
    for key, desired in specs.documents.items():
        if key.kind == "Project":
            return tuple(desired.body.get("secrets", ()))
    return ()
