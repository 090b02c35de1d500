"""`ordinaut test`: what tasks and Pipelines do, without a database, a tool server or a secret."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.core.suggest import did_you_mean
from reconciler.core.testing.contrasted import rows, uncovered
from reconciler.core.testing.coverage import coverage_of
from reconciler.core.testing.documents import Trial, read_trials
from reconciler.diagnostics import as_text
from reconciler.source import TESTS_FOLDER, Source, read_around, read_tests
from reconciler.testing import Specimens, Tested, run_trial
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json, table
from runtime.config import Config
from runtime.errors import EXIT_ERROR, NotFound, OrdinautError
from schemas.problem import Problem
from schemas.tested import Coverage, Mismatch, TestReport

if TYPE_CHECKING:
    from reconciler.asking import Models


@click.command(
    epilog="""\b
Examples:
  ordinaut test
  ordinaut test quiet-day
  ordinaut test specs/tests/briefing.yaml
  ordinaut test weekday-morning-briefing --json
  ordinaut test --coverage --fail-under 80
  ordinaut test --ask-models classify-letters
""",
)
@click.argument("what", metavar="[TEST|TASK|FILE]...", nargs=-1)
@click.option(
    "--coverage",
    "with_coverage",
    is_flag=True,
    help="Show which steps and branches the tests cover.",
)
@click.option(
    "--fail-under",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    help="End with 1 if they cover less.",
)
@click.option(
    "--ask-models",
    is_flag=True,
    help="Ask the language models of the specs, in the place of what is given for llm.* steps.",
)
@json_option
@configured("specs", "environment")
def test(
    *,
    config: Config,
    what: tuple[str, ...],
    with_coverage: bool,
    fail_under: float | None,
    ask_models: bool,
    as_json: bool,
) -> None:
    """Play tasks and Pipelines as tests say, and compare what happens with what is expected.

    Tests are the documents of `kind: Test` in the folder `tests` of the specs; all of them, those of some files, or those
    of these names or tasks. Tools answer what a test gives; time, approvals and events come from it too. Needs no
    database, and but for --ask-models no network and no secret. Exits with 1 if a test fails or cannot be read.
    """
    here = Path.cwd()
    tests = read_tests(config.specs, here)
    trials, problems = read_trials(tests.files)
    chosen = _chosen(what, trials, tests)
    wrong = [*tests.problems, *_about(what, problems, tests)]
    specs = read_around(config.specs, here)
    specimens = Specimens(specs, config.environment)
    unsound = specimens.problems_for(chosen)
    models = _models(config) if ask_models else None
    tested = [] if unsound else [run_trial(trial, specimens, models) for trial in chosen]
    coverage = None
    if (with_coverage or fail_under is not None) and not unsound:
        seen = [one.seen for one in tested if one.seen is not None]
        coverage = coverage_of(specimens.ground(None).specs, seen, only_seen=bool(what))
    report = report_of(tested, (*unsound, *wrong), coverage, models)
    if as_json:
        echo_json(report.model_dump(mode="json"))
    else:
        _tell(report, specs.texts | tests.texts, with_coverage=with_coverage)
    if report.failed or report.problems:
        raise click.exceptions.Exit(EXIT_ERROR)
    if coverage is not None and fail_under is not None:
        _require(coverage, fail_under)


def _models(config: Config) -> Models:
    from reconciler.asking import Models  # noqa: PLC0415 - it takes half a second, which few tests need

    return Models(config.project.absolute())


class NotCovered(OrdinautError):
    """Tests cover less than is asked for."""

    default_code = "ORD706"


def _require(coverage: Coverage, percent: float) -> None:
    if coverage.total and 100 * coverage.covered < percent * coverage.total:
        raise NotCovered(
            f"the tests cover {coverage.percent:g} % of steps and branches, and {percent:g} % are asked for",
            hint="`ordinaut test --coverage` shows what no test does",
        )


def report_of(
    tested: Sequence[Tested],
    problems: Sequence[Problem],
    coverage: Coverage | None,
    models: Models | None = None,
) -> TestReport:
    """What came of tests."""
    passed = sum(one.result.passed for one in tested)
    return TestReport(
        passed=passed,
        failed=len(tested) - passed,
        tests=tuple(one.result for one in tested),
        coverage=coverage,
        asked=() if models is None else models.asked,
        problems=tuple(problems),
    )


def _chosen(what: Sequence[str], trials: Sequence[Trial], tests: Source) -> list[Trial]:
    """The tests that the arguments mean, each once, in the order in which they stand.

    Raises:
        NotFound: an argument means none.
    """
    if not what:
        return list(trials)
    meant: set[str] = set()
    for word in what:
        found = [trial for trial in trials if _is_meant(trial, word, tests)]
        if not found and not _is_file(word, tests):
            names = {trial.test.name for trial in trials}
            names |= {trial.test.task or trial.test.pipeline or "" for trial in trials}
            raise NotFound(
                f"there is no test {word}, and no test of such a task or file",
                hint=did_you_mean(word, names) or f"tests stand in {tests.name}",
            )
        meant |= {trial.test.name for trial in found}
    return [trial for trial in trials if trial.test.name in meant]


def _is_meant(trial: Trial, word: str, tests: Source) -> bool:
    test = trial.test
    if word in (test.name, test.task, test.pipeline):
        return True
    return Path(word).exists() and _lies_in(trial.source.file, Path(word), tests)


def _is_file(word: str, tests: Source) -> bool:
    path = Path(word)
    return path.exists() and path.resolve().is_relative_to(tests.root.parent)


def _lies_in(file: str, path: Path, tests: Source) -> bool:
    if not path.resolve().is_relative_to(tests.root):
        return tests.root.is_relative_to(path.resolve())
    name = tests.name_of(path)
    return file == name or file.startswith(f"{name}/")


def _about(what: Sequence[str], problems: Sequence[Problem], tests: Source) -> list[Problem]:
    """The problems of the files that are meant; of all of them where names are."""
    paths = [Path(word) for word in what if _is_file(word, tests)]
    if len(paths) < max(1, len(what)):
        return list(problems)
    return [one for one in problems if any(_lies_in(one.file, path, tests) for path in paths)]


def _tell(report: TestReport, texts: dict[str, str], *, with_coverage: bool) -> None:
    if report.problems:
        echo(as_text(report.problems, texts))
    for result in report.tests:
        for problem in result.problems:
            echo(_mismatch(problem, texts))
    if with_coverage and report.coverage is not None:
        echo(_covered(report.coverage))
    for one in report.asked:
        used = f"{one.input_tokens:,} tokens in, {one.output_tokens:,} out"
        click.echo(f"asked {one.model} {_count(one.calls, 'time')}: {used}", err=True)
    click.echo(_summary(report), err=True)


def _covered(coverage: Coverage) -> str:
    lines = []
    for one in coverage.pipelines:
        counts = [f"{one.steps_covered}/{one.steps}", f"{one.branches_covered}/{one.branches}"]
        lines.append((one.name, str(one.tests), *counts, uncovered(one)))
    header = ("PIPELINE", "TESTS", "STEPS", "BRANCHES", "NOT COVERED")
    counted = f"{coverage.covered} of {coverage.total} steps and branches"
    return f"{table(header, lines)}\ncovered: {coverage.percent:g} %, {counted}"


def _mismatch(problem: Mismatch, texts: dict[str, str]) -> str:
    text = as_text((problem,), texts)
    if not problem.contrasts:
        return text
    sides = table(("", "expected", "found"), rows(problem.contrasts))
    return text + "".join(f"    {line}\n" for line in sides.splitlines())


def _summary(report: TestReport) -> str:
    if not report.tests and not report.problems:
        return f"no tests: they stand in the folder `{TESTS_FOLDER}` of the specs"
    failing = [result.name for result in report.tests if not result.passed]
    told = f"{_count(report.passed + report.failed, 'test')}: {report.passed} passed"
    if failing:
        told += f", {report.failed} failed ({', '.join(failing)})"
    if report.problems:
        told += f"; {_count(len(report.problems), 'problem')} in specs and tests"
    return told


def _count(number: int, name: str) -> str:
    return f"{number} {name}" + ("" if number == 1 else "s")
