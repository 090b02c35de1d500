"""`ordinaut calls`: calls one by one, with what they used up, for whoever keeps accounts of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from runtime.cli.options import Since, configured, json_option
from runtime.cli.output import echo, echo_json, local_time, table
from runtime.config import Config
from runtime.database import open_database
from runtime.lookup import resolve_task
from runtime.store.calls import list_calls
from schemas.calls import CallRecord


@click.command(
    epilog="""\b
Examples:
  ordinaut calls
  ordinaut calls briefing --since 7d
  ordinaut calls --since 2026-11-01 --json | jq '[.calls[].usage[].input_tokens] | add'
"""
)
@click.argument("task", required=False)
@click.option(
    "--since",
    metavar="TIME",
    type=Since(),
    default="1d",
    show_default=True,
    help="A span such as 7d, a date, or ISO 8601; without an offset, in UTC.",
)
@click.option(
    "-n",
    "limit",
    metavar="N",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="How many.",
)
@click.option("--after", metavar="NEXT", help="Go on where a list ended, as its `next` says.")
@click.option("--with-input", is_flag=True, help="Tell the arguments too, with --json.")
@json_option
@configured("database_url", "state_dir")
def calls(
    *,
    config: Config,
    task: str | None,
    since: datetime | timedelta,
    limit: int,
    after: str | None,
    with_input: bool,
    as_json: bool,
) -> None:
    """List calls one by one, the oldest first, with what they used up.

    TASK is a task's name; all tasks when left out. A call has all of its tries; of `foreach`, each item is one. It reaches
    back as far as runs are kept. What it tells is told in full with --json.
    """
    with open_database(config, read_only=True, name="ordinaut calls") as connection:
        uid = None if task is None else resolve_task(connection, task).uid
        found = list_calls(
            connection, since, limit=limit, task_uid=uid, after=after, with_input=with_input
        )
    if as_json:
        echo_json(found.model_dump(mode="json"))
        return
    if not found.calls:
        click.echo(f"no call since {local_time(found.since, UTC)}", err=True)
        return
    header = ("OVER (UTC)", "CALL", "TOOL", "OUTCOME", "IN", "OUT", "COST")
    echo(table(header, [_row(one) for one in found.calls], flexible=1))
    if found.next is not None:
        click.echo(f"more: --after {found.next}", err=True)


def _row(call: CallRecord) -> tuple[str, ...]:
    tries = f" x{call.attempts}" if call.attempts > 1 else ""
    item = f"[{call.item}]" if call.item else ""
    outcome = "reused" if call.is_reused else (call.outcome or "")
    return (
        f"{call.finished_at.astimezone(UTC):%d %b %H:%M:%S}",
        f"{call.task}:{call.step}{item}",
        call.tool,
        f"{outcome}{tries}",
        _tokens(sum(one.input_tokens for one in call.usage)),
        _tokens(sum(one.output_tokens for one in call.usage)),
        _cost(call),
    )


def _tokens(number: int) -> str:
    return f"{number:,}" if number else ""


def _cost(call: CallRecord) -> str:
    costs: dict[str, float] = {}
    for one in call.usage:
        if one.cost is not None and one.currency is not None:
            costs[one.currency] = costs.get(one.currency, 0.0) + float(one.cost)
    return " ".join(f"{amount:.6f} {currency}" for currency, amount in sorted(costs.items()))
