"""`ordinaut run`: run a task now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import click
import orjson

from runtime.actor import current_actor
from runtime.cli.following import overlap_option, tell_of, wait_option
from runtime.cli.options import Span, configured, json_option, named_values, reason_option
from runtime.cli.output import short_id
from runtime.config import Config
from runtime.database import open_database
from runtime.manual import request_run
from runtime.store.runs import Dedupe

_LONGEST_KEY: Final = 200
_DAY: Final = timedelta(days=1)


def _key(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is not None and not 0 < len(text) <= _LONGEST_KEY:
        raise click.BadParameter(f"a key has 1 to {_LONGEST_KEY} characters")
    return text


def _object(text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise click.BadParameter(f"--event is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise click.BadParameter("--event is a JSON object, as `ordinaut show RUN --json` has it")
    return value


@click.command(
    epilog="""\b
Examples:
  ordinaut run weekday-morning-briefing --wait
  ordinaut run invoices --dedupe order-1042 --within 2d
  ordinaut run weekday-morning-briefing --param city=Brașov --param 'days=[1,2]'
  ordinaut run pack-order --event '{"data": {"order": 17}}'
"""
)
@click.argument("task")
@click.option(
    "-p",
    "--param",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter for this run alone, as JSON or text; repeatable.",
)
@click.option(
    "--event",
    "event_text",
    metavar="JSON",
    help="What the steps find as ${event}, as if that had started it.",
)
@click.option(
    "--dedupe",
    metavar="KEY",
    callback=_key,
    help="Who asks again with this key gets the same run.",
)
@click.option(
    "--within",
    type=Span(timedelta(milliseconds=1)),
    help="For how long that holds.  [default: 1d]",
)
@overlap_option
@wait_option
@reason_option
@json_option
@configured("database_url", "state_dir")
def run(
    *,
    config: Config,
    task: str,
    pairs: tuple[str, ...],
    event_text: str | None,
    dedupe: str | None,
    within: timedelta | None,
    overlap: bool,
    wait: bool,
    reason: str,
    as_json: bool,
) -> None:
    """Run a task now, whatever its schedule says.

    With --dedupe it can be asked for twice without harm, by a script that does not know whether the first time got
    through: the key stands for one run, whatever became of that.

    With --wait the command prints each step as it ends, and exits with 1 unless the run succeeds. Interrupting it leaves
    the run alone.
    """
    if within is not None and dedupe is None:
        raise click.UsageError("--within says for how long a key holds: give one with --dedupe")
    params = named_values(pairs)
    event = None if event_text is None else _object(event_text)
    asked_once = None if dedupe is None else Dedupe(dedupe, within or _DAY)
    with open_database(config, name="ordinaut run") as connection:
        run_id, is_new = request_run(
            connection,
            task,
            params,
            asked_once,
            event=event,
            may_overlap=overlap,
            needs_runtime=wait,
            actor=current_actor(reason=reason.strip()),
        )
        done = "queued run" if is_new else "asked for before: run"
        click.echo(f"{done} {short_id(run_id)} of {task}", err=True)
        tell_of(connection, run_id, wait=wait, as_json=as_json)
