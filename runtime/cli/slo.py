"""`ordinaut slo`: how what is promised of tasks stands."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

import click

from runtime.cli.options import configured, json_option
from runtime.cli.output import bold, dim, echo, echo_json, table
from runtime.config import Config
from runtime.database import open_database
from runtime.errors import NotFound
from runtime.store.slo import load_slos
from schemas.slo_report import Objective, SloReport

_TOLD = ("1h", "6h", "3d")
_COLUMNS = ("TASK", "PROMISE", "TARGET", "KEPT", "RUNS", "BUDGET LEFT", *(f"BURN {span}" for span in _TOLD))  # fmt: skip


@click.command(
    epilog="""\b
Examples:
  ordinaut slo
  ordinaut slo morning-briefing
  ordinaut slo --json | jq '.tasks[].objectives[] | select(.burning)'
"""
)
@click.argument("task", required=False)
@json_option
@configured("database_url", "state_dir")
def slo(*, config: Config, task: str | None, as_json: bool) -> None:
    """Tell how what is promised of tasks stands.

    A task's `slo` says how many of its runs succeed and how many begin in time. What is left of the error budget is counted from
    the runs of its window; a burn rate of 1 uses it up in just that time. A row is bold while the budget goes so fast that
    somebody should look.
    """
    with open_database(config, read_only=True, name="ordinaut slo") as connection:
        found = load_slos(connection, task and task.removeprefix("default/"))
    if task is not None and not found.tasks:
        raise NotFound(
            f"nothing is promised of a task {task}", hint="`slo` in its spec promises something"
        )
    if as_json:
        echo_json(found.model_dump(mode="json"))
    elif found.tasks:
        echo(table(_COLUMNS, list(_rows(found)), flexible=0))
    else:
        click.echo("nothing is promised of any task: `slo` in a spec does", err=True)


def _rows(found: SloReport) -> Iterator[tuple[str, ...]]:
    for one in found.tasks:
        for promised in one.objectives:
            row = (one.task, *_cells(promised))
            yield tuple(bold(cell) for cell in row) if promised.burning else row


def _cells(promised: Objective) -> tuple[str, ...]:
    what = promised.promise if promised.within is None else f"begins in {promised.within}"
    rates = {burn.over: burn.rate for burn in promised.burn_rates}
    return (
        what,
        share_words(promised.target),
        dim("no runs") if promised.share is None else share_words(promised.share),
        f"{promised.total:,}",
        "" if promised.budget_left is None else f"{promised.budget_left:.0%}",
        *(f"{rates[span]:.1f}" for span in _TOLD),
    )


def share_words(ratio: float) -> str:
    """To a thousandth of a percent, rounded down: 100% is all of them, and a promise that is missed by little is missed."""
    thousandths = floor(round(ratio * 100_000, 6))
    return f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".") + "%"
