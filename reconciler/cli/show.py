"""`ordinaut show`: one run or one revision, in full."""

from __future__ import annotations

import re
from typing import Final

import click

from reconciler.cli.revisions import report_text
from reconciler.cli.showing import look_of_terminal
from reconciler.past import read_revision
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.cli.story import run_story
from runtime.config import Config
from runtime.database import open_database
from runtime.lookup import resolve_run
from runtime.store.runs import load_run
from schemas.revision import RevisionReport

_REVISION: Final = re.compile(r"r[0-9]+")


@click.command(
    epilog="""\b
Examples:
  ordinaut show last
  ordinaut show 3f9a1c20 -v
  ordinaut show r12
  ordinaut show weekday-morning-briefing --json | jq '.steps[].output'
"""
)
@click.argument("what", metavar="RUN|rN")
@click.option(
    "-v", "--verbose", "unfold", is_flag=True, help="Show long values, and every field, in full."
)
@json_option
@configured("database_url", "state_dir")
def show(config: Config, what: str, unfold: bool, as_json: bool) -> None:
    """Show one run: each step's input, output, timing and tries, and the run's events. Or show one revision.

    RUN is its id, six or more digits of either end of it, a task's name for its newest run, or `last`. Secrets were
    masked before anything was stored. rN is a revision's number, such as r12: who applied it, and what it wrote.
    """
    with open_database(config, read_only=True, name="ordinaut show") as connection:
        found = (
            read_revision(connection, what)
            if _REVISION.fullmatch(what)
            else load_run(connection, resolve_run(connection, what))
        )
    if as_json:
        echo_json(found.model_dump(mode="json"))
    elif isinstance(found, RevisionReport):
        echo(report_text(found, look_of_terminal(verbose=unfold)).rstrip("\n"))
    else:
        echo(run_story(found, unfold=unfold))
