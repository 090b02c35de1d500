"""`ordinaut spend`: what calls used up, summed up by task, agent, tool, model or day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import click
from pydantic import TypeAdapter, ValidationError

from runtime.cli.options import Since, configured, json_option
from runtime.cli.output import bold, dim, echo, echo_json, local_time, table
from runtime.config import Config
from runtime.database import open_database
from runtime.store.usage import sum_usage
from schemas.spend import LABEL, SPEND_BYS, SpendBy, SpendReport, Used

_COLUMNS: Final = ("CALLS", "TOKENS IN", "CACHED", "TOKENS OUT", "COST")
_LEAST: Final = Decimal("0.0001")
_NAMELESS: Final = {"agent": "no agent", "model": "not told"}


class By(click.ParamType):  # type: ignore[type-arg]  # our oldest click knows no argument
    """What spending is told by."""

    name = "by"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return TypeAdapter(SpendBy).validate_python(value)
        except ValidationError:
            self.fail(f"{value!r} is none of {', '.join(SPEND_BYS)} and {LABEL}NAME", param, ctx)


@click.command(
    epilog="""\b
Examples:
  ordinaut spend
  ordinaut spend --by model --since 2026-11-01
  ordinaut spend --by day --since 7d
  ordinaut spend --by label:client
  ordinaut spend --json | jq '.total.costs'
"""
)
@click.option(
    "--by",
    type=By(),
    metavar=f"[{'|'.join(SPEND_BYS)}|{LABEL}NAME]",
    default="task",
    show_default=True,
    help="What to sum up by; days are those of UTC, labels those of tasks.",
)
@click.option(
    "--since",
    metavar="TIME",
    type=Since(),
    default="30d",
    show_default=True,
    help="A span such as 7d, a date, or ISO 8601; without an offset, in UTC.",
)
@json_option
@configured("database_url", "state_dir")
def spend(*, config: Config, by: str, since: datetime | timedelta, as_json: bool) -> None:
    """Sum up what calls used up: tokens and money.

    Counted are calls that told of it. What one cost is what its provider said, else worked out from the Project's prices;
    where neither is known, that is said. It reaches back as far as runs are kept.
    """
    with open_database(config, read_only=True, name="ordinaut spend") as connection:
        found = sum_usage(connection, by, since)
    if as_json:
        echo_json(found.model_dump(mode="json"))
    elif found.rows:
        echo("\n".join(_lines(found)))
    else:
        click.echo(f"nothing was used up since {local_time(found.since, UTC)}", err=True)


def _lines(found: SpendReport) -> Iterator[str]:
    nameless = _NAMELESS.get(found.by, f"no {found.by.removeprefix(LABEL)}")
    rows = [line for one in found.rows for line in _rows(one.name or dim(nameless), one)]
    rows += _rows(bold("total"), found.total)
    header, *cells = _aligned([(found.by.removeprefix(LABEL).upper(), *_COLUMNS), *rows])
    yield table(header, cells, flexible=0)
    by_table = [_money(one.local, one.currency) for one in found.total.costs if one.local]
    if by_table:
        yield dim(f"worked out from the price table: {', '.join(by_table)}")
    yield dim(f"since {local_time(found.since, UTC)}")


def _rows(name: str, used: Used) -> Iterator[tuple[str, ...]]:
    """Its counts and the first of its costs, and a line for each of the others."""
    # What cost nothing did so in every currency: it is told where there is nothing else to tell.
    paid = [one for one in used.costs if one.amount]
    costs = [_money(one.amount, one.currency) for one in paid]
    if used.unknown_costs:
        costs.append(f"{used.unknown_costs:,} unknown")
    costs = costs or [_money(one.amount, one.currency) for one in used.costs]
    cached = f"{used.cache_read_tokens / used.input_tokens:.0%}" if used.cache_read_tokens else ""
    tokens = f"{used.input_tokens:,}", cached, f"{used.output_tokens:,}"
    yield name, f"{used.calls:,}", *tokens, costs[0]
    for cost in costs[1:]:
        yield "", "", "", "", "", cost


def _money(amount: Decimal, currency: str) -> str:
    """An amount to the hundredth of a cent; one that is less, and not nothing, is told as such."""
    return f"<{_LEAST} {currency}" if 0 < amount < _LEAST else f"{amount:,.4f} {currency}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Every column but the first to the right, where digits stand below digits."""
    columns = range(1, len(rows[0]))
    widths = {column: max(len(row[column]) for row in rows) for column in columns}
    for row in rows:
        yield row[0], *(row[column].rjust(widths[column]) for column in columns)
