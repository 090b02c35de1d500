"""`ordinaut settle`: say what became of a call that may have happened."""

from __future__ import annotations

from typing import Any, Final

import click
import orjson

from runtime.actor import current_actor
from runtime.cli.naming import name_among, named, only_one
from runtime.cli.options import configured, json_option
from runtime.cli.output import (
    echo,
    echo_json,
    local_time,
    one_line,
    relative_time,
    shorten,
    zone_of,
)
from runtime.config import Config
from runtime.database import open_database
from runtime.errors import NotFound, StalePlan
from runtime.store.rows import Connection
from runtime.store.settling import Settled, list_unsettled, settle_call
from schemas.unsettled import Unsettled

_SHOWN: Final = 200
_DONE: Final[dict[Settled, str]] = {
    "happened": "Settled: it happened, and the run goes on with the next step.",
    "try_again": "Settled: it did not happen, and is called again.",
    "failed": "Settled: the step has failed.",
}


@click.command(
    epilog="""\b
Examples:
  ordinaut settle
  ordinaut settle rent:pay --happened --result '{"id": 4711}' --reason 'it is on the statement'
  ordinaut settle rent:pay --try-again
  ordinaut settle rent:pay --failed --reason 'paid by hand'
"""
)
@click.argument("step", required=False)
@click.option(
    "--happened", "settled", flag_value="happened", help="It happened: go on with the next step."
)
@click.option(
    "--try-again", "settled", flag_value="try_again", help="It did not happen: call it again."
)
@click.option(
    "--failed", "settled", flag_value="failed", help="Whatever happened, the step has failed."
)
@click.option(
    "--result", metavar="JSON", help="With --happened: what the tool gave; null when left out."
)
@click.option("--reason", default="", metavar="TEXT", help="How you know; it is kept.")
@json_option
@configured("database_url", "state_dir")
def settle(
    *,
    config: Config,
    step: str | None,
    settled: Settled | None,
    result: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Say what became of a call that may have happened; without an argument, list such calls.

    A step with `effect: once` is never called twice on a guess. When its answer is lost, and its spec says `on_unknown: ask`,
    the run waits here: look at the other side whether the call happened, and say so.

    STEP is its task, six or more digits of either end of its run's id, or TASK:STEP or TASK:STEP:ITEM where several wait.
    One answer counts. Exits with 0, or 1 if no such call waits.
    """
    _check_usage(step, settled, result)
    with open_database(config, name="ordinaut settle") as connection:
        waiting = list_unsettled(connection)
        if step is None or settled is None:
            _list(waiting, as_json=as_json)
            return
        found = named(waiting, step)
        if not found:
            raise NotFound(
                f"no call of {step} waits to be settled",
                hint="`ordinaut settle` lists what waits now",
            )
        one = only_one(found)
        _settle(connection, one, settled, _value(result), reason.strip())
    if as_json:
        facts = {"run_id": str(one.run_id), "step": one.step, "iteration": one.iteration}
        echo_json(facts | {"attempt": one.attempt, "settled": settled})
    else:
        echo(_DONE[settled])


def _check_usage(step: str | None, settled: Settled | None, result: str | None) -> None:
    if (step is None) != (settled is None):
        raise click.UsageError(
            "say what became of it: --happened, --try-again or --failed"
            if settled is None
            else "say which step; `ordinaut settle` lists them"
        )
    if result is not None and settled != "happened":
        raise click.UsageError("--result goes with --happened")


def _value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise click.BadParameter(
            f"{text!r} is no JSON: {error}; a text needs quotes of its own",
            param_hint="--result",
        ) from None


def _settle(
    connection: Connection, one: Unsettled, settled: Settled, result: Any, reason: str
) -> None:
    actor = current_actor()
    if not settle_call(connection, one, settled=settled, result=result, by=actor, reason=reason):
        raise StalePlan(
            f"step {one.step} of {one.task} does not wait any more: somebody else settled it, or the run is over",
            hint=f"`ordinaut show {one.task}` tells what became of it",
        )


def _list(waiting: list[Unsettled], *, as_json: bool) -> None:
    if as_json:
        echo_json({"calls": [one.model_dump(mode="json") for one in waiting]})
        return
    if not waiting:
        echo("nothing waits to be settled", err=True)
        return
    for one in waiting:
        since = local_time(one.asked_at, zone_of(one.timezone))
        arguments = shorten(orjson.dumps(one.asked["arguments"]).decode(), _SHOWN)
        echo(
            f"{name_among(waiting, one)}  {one.asked['uses']} with {arguments}"
            f"; since {since}, {relative_time(one.asked_at, one.now)}"
        )
        problem = one_line(one.asked["problem"]["message"])
        echo(f"  {problem}; its key was {one.idempotency_key}")
