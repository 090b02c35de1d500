"""`ordinaut record`: a run that happened, as a test."""

from __future__ import annotations

import re
from pathlib import Path

import click

from reconciler.diagnostics import as_text
from reconciler.recording import RecordedTest
from reconciler.recording import record as recorded
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo_report, short_id
from runtime.config import Config
from runtime.core.record import RecordedRun
from runtime.database import open_database
from runtime.lookup import resolve_run
from runtime.store.recording import load_recorded_run
from schemas import patterns
from schemas.tested import RecordedTestReport


@click.command(
    epilog="""\b
Examples:
  ordinaut record last
  ordinaut record 3f9a1c20 --name busy-morning --out specs/tests/busy-morning.yaml
  ordinaut record weekday-morning-briefing > specs/tests/briefing.yaml
"""
)
@click.argument("run", metavar="RUN")
@click.option("--name", metavar="NAME", help="What the test is called; the task and the run's id when left out.")  # fmt: skip
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the test into a new file, not to stdout.",
)
@json_option
@configured("database_url", "state_dir")
def record(config: Config, run: str, name: str | None, out: Path | None, *, as_json: bool) -> None:
    """Print a run as a test: what its tools answered is given, and what it called and how it ended is expected.

    RUN is its id, six or more digits of either end of it, a task's name for its newest run, or `last`. Secrets were
    masked before anything was stored. The test is played at once, by the revision that the run had; what it does not
    find again is told on stderr.
    """
    if name is not None and not re.fullmatch(patterns.NAME, name):
        raise click.BadParameter(
            f"{name!r} is not {patterns.WORDS[patterns.NAME]}", param_hint="--name"
        )
    with open_database(config, read_only=True, name="ordinaut record") as connection:
        found = load_recorded_run(connection, resolve_run(connection, run))
    called = name or _name(found)
    test = recorded(found, called)
    if out is not None:
        _write(out, test.text)
    if as_json:
        echo_report(_report(found, called, test, out), (), as_json=True)
        return
    if test.problems:
        click.echo(as_text(test.problems, {called: test.text}), err=True)
        click.echo("played at once, the test does not find everything again: see above", err=True)
    if out is None:
        click.echo(test.text, nl=False)


def _report(
    run: RecordedRun, name: str, test: RecordedTest, out: Path | None
) -> RecordedTestReport:
    return RecordedTestReport(
        run_id=run.run_id,
        name=name,
        test=test.document,
        file=None if out is None else str(out),
        problems=test.problems,
    )


def _name(run: RecordedRun) -> str:
    task = run.task.rpartition("/")[2]
    return f"{task[:54].rstrip('-')}-{short_id(run.run_id)}"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.BadParameter(f"{path} is there already", param_hint="--out") from None
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}", param_hint="--out") from None
    click.echo(f"{path} is written; `ordinaut test {path}` plays it", err=True)
