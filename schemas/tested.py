"""What `ordinaut test --json` prints: every test, and where what happened is not what it expects; and what `record` does."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from schemas.base import Model
from schemas.problem import Problem

TEST_REPORT_FORMAT: Final = "ordinaut.dev/test-report/v1"
RECORDED_TEST_FORMAT: Final = "ordinaut.dev/recorded-test/v1"


class Contrast(Model):
    """One value that is not as expected."""

    path: str
    """Which value: a path into what the problem is about."""
    expected: Any = None
    """What is expected."""
    found: Any = None
    """What was found."""
    lacking: Literal["expected", "found"] | None = None
    """Where one side has no such value, which."""


class Mismatch(Problem):
    """Something that a test expects and that did not happen so."""

    contrasts: tuple[Contrast, ...] = ()
    """The values that differ, side by side."""


class TestResult(Model):
    """One test."""

    name: str
    """Its name."""
    file: str
    """The file that it stands in."""
    line: int
    """The line, from 1."""
    task: str | None = None
    """The task that ran."""
    pipeline: str | None = None
    """The Pipeline that ran."""
    environment: str
    """The environment of the Project that it ran in."""
    passed: bool
    """Whether everything was as expected."""
    state: str | None = None
    """How the run ended; none where it was broken off for want of an answer."""
    problems: tuple[Mismatch, ...] = ()
    """What was not as expected."""


Branch = Literal["runs", "if_holds", "if_fails", "on_error", "nobody_decides"]


class Uncovered(Model):
    """A way through a step that no test takes."""

    step: str
    """The step."""
    branch: Branch
    """Which: it runs at all, its `if` holds or does not, it goes on after a failure, or without a decision."""


class PipelineCoverage(Model):
    """What tests cover of the steps of one document."""

    kind: str
    """`Task`, or `Pipeline` for a document of that kind."""
    name: str
    """Its name, as `namespace/name` outside the default namespace."""
    tests: int
    """How many tests run them."""
    steps: int
    """How many steps there are."""
    steps_covered: int
    """How many of them some test lets run."""
    branches: int
    """How many ways through steps there are beside that."""
    branches_covered: int
    """How many of them some test takes."""
    missing: tuple[Uncovered, ...] = ()
    """What no test does."""


class Coverage(Model):
    """What tests cover, of steps and branches alike."""

    percent: float
    """How much, of 100."""
    covered: int
    """How many steps and branches are covered."""
    total: int
    """How many there are."""
    pipelines: tuple[PipelineCoverage, ...] = ()
    """Every task with steps of its own, and every Pipeline."""


class ModelAsked(Model):
    """What one language model used up that tests asked for good."""

    model: str
    """The model, as its provider calls it."""
    calls: int
    """How many calls it answered, or failed to."""
    input_tokens: int
    """Tokens in."""
    output_tokens: int
    """Tokens out."""


class TestReport(Model):
    """What came of tests. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/test-report/v1"] = TEST_REPORT_FORMAT
    """The form of this answer."""
    passed: int
    """How many tests passed."""
    failed: int
    """How many did not."""
    tests: tuple[TestResult, ...] = ()
    """Every test, by file and line."""
    coverage: Coverage | None = None
    """What the tests cover, if that was asked for."""
    asked: tuple[ModelAsked, ...] = ()
    """The language models that were asked, with `--ask-models`."""
    problems: tuple[Problem, ...] = ()
    """Why tests could not be read; any of these fails the command."""


class RecordedTestReport(Model):
    """A test that was made of a run. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/recorded-test/v1"] = RECORDED_TEST_FORMAT
    """The form of this answer."""
    run_id: UUID
    """The run."""
    name: str
    """What the test is called."""
    test: dict[str, Any]
    """The document."""
    file: str | None = None
    """Where it was written, if it was."""
    problems: tuple[Mismatch, ...] = ()
    """What it does not find again when it is played at once, with places in the document as YAML."""
