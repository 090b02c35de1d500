"""`ordinaut approve`: let a plan pass that `ordinaut sync` was refused, or decide what a step of a run asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import click
import orjson

from reconciler.cli.consent import require_way_to_ask, yes_option
from reconciler.cli.planoptions import verbose_option
from reconciler.cli.showing import look_of_terminal
from reconciler.core.render import render_plan
from reconciler.core.syncing import SHORT
from runtime.actor import current_actor
from runtime.cli.options import configured, json_option
from runtime.cli.output import (
    echo,
    echo_json,
    local_time,
    relative_time,
    short_id,
    shorten,
    zone_of,
)
from runtime.config import Config
from runtime.database import open_database
from runtime.errors import EXIT_ERROR, NotFound, StalePlan
from runtime.store.sources import approve_plan, list_sources, read_waiting_plan
from runtime.store.specs import Connection
from runtime.store.waits import answer_wait, list_asked
from schemas.asked import Asked
from schemas.plan import Plan
from schemas.source import SourceStatus

_SHORTEST: Final = 8
_SHOWN: Final = 200
_HEX: Final = re.compile(r"[0-9a-f]+")
_LISTS: Final = "`ordinaut approve` lists what waits now"


@click.command(
    epilog="""\b
Examples:
  ordinaut approve
  ordinaut approve 9b1c04e7a2d3 --reason 'the team was dissolved'
  ordinaut approve weekly-payments
  ordinaut approve weekly-payments:pay --deny --reason 'wrong month'
"""
)
@click.argument("what", metavar="[DIGEST|STEP]", required=False)
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with the decision.")
@click.option("--deny", is_flag=True, help="Of a step: do not let it go on.")
@yes_option
@json_option
@verbose_option
@configured("database_url", "state_dir")
def approve(
    *,
    config: Config,
    what: str | None,
    reason: str,
    deny: bool,
    yes: bool,
    as_json: bool,
    verbose: int,
) -> None:
    """Let the plan pass that `ordinaut sync` waits with, or a step go on that asks; without an argument, list both.

    Shows the plan of this DIGEST, or of its first eight letters or more, and asks. The next look applies exactly that
    plan: should git or the database have moved by then, there is another plan, which waits anew.

    A STEP is named by its task, or by digits of the end of its run's id, and as TASK:STEP or TASK:STEP:ITEM where several
    ask. One answer counts, and none after the time is over. Exits with 0, or 1 if no such thing waits.
    """
    if what is not None:
        require_way_to_ask(yes=yes)
    with open_database(config, name="ordinaut approve") as connection:
        plans = [
            one for one in list_sources(connection) if one.plan_digest and one.approval is None
        ]
        steps = list_asked(connection)
        if what is None:
            _list(plans, steps, as_json=as_json)
            return
        asking = [one for one in steps if what in _names_of(one)]
        if asking:
            done = _decide(connection, asking, approved=not deny, reason=reason.strip(), yes=yes)
        elif deny:
            raise NotFound(f"no step of {what} waits for a decision", hint=_LISTS)
        else:
            found = _find(plans, what)
            _show(connection, found, is_shown=not as_json, verbose=verbose)
            done = _let_pass(connection, found, reason=reason.strip(), yes=yes)
    if as_json:
        echo_json(done.facts)
    else:
        echo(done.words)


@dataclass(frozen=True, slots=True)
class _Done:
    """What was decided, for people and for programs."""

    words: str
    facts: dict[str, Any]


def _decide(
    connection: Connection, asking: list[Asked], *, approved: bool, reason: str, yes: bool
) -> _Done:
    if len(asking) > 1:
        names = ", ".join(_names_of(one)[-1] for one in asking)
        raise NotFound(f"{len(asking)} steps wait under this name", hint=f"name one: {names}")
    (one,) = asking
    click.echo(_question(one), err=True)
    if not yes:
        _ask("Let it go on?" if approved else "End it here?")
    if not answer_wait(connection, one, approved=approved, by=current_actor(), reason=reason):
        raise StalePlan(
            f"step {one.step} of {one.task} does not wait any more: somebody else decided, or its time was over",
            hint=f"`ordinaut show {one.task}` tells what became of it",
        )
    words = "Approved: it goes on." if approved else "Denied: it ends here."
    facts = {"run_id": str(one.run_id), "step": one.step, "iteration": one.iteration}
    return _Done(words, facts | {"approved": approved})


def _show(connection: Connection, found: SourceStatus, *, is_shown: bool, verbose: int) -> None:
    if is_shown:
        plan = _plan(connection, found)
        echo(render_plan(plan, look_of_terminal(verbose=verbose)).rstrip("\n"))
        echo(_origin(found))
        echo(found.message)


def _let_pass(connection: Connection, found: SourceStatus, *, reason: str, yes: bool) -> _Done:
    if not yes:
        _ask("Let this plan pass?")
    if not approve_plan(connection, found, actor=current_actor(), reason=reason):
        raise _moved(found)
    short = (found.plan_digest or "")[:SHORT]
    words = f"Approved: the next look of `ordinaut sync` applies {short}."
    return _Done(words, {"approved": found.plan_digest})


def _ask(question: str) -> None:
    if not click.confirm(question, err=True):
        click.echo("Nothing was decided.", err=True)
        raise click.exceptions.Exit(EXIT_ERROR)


def _names_of(asked: Asked) -> list[str]:
    """What a step may be called, the exact name last."""
    item = f":{asked.iteration}" if "item" in asked.asked else ""
    owners = (short_id(asked.run_id), str(asked.run_id), asked.task)
    steps = dict.fromkeys(("", f":{asked.step}", f":{asked.step}{item}"))
    return [f"{owner}{step}" for step in steps for owner in owners]


def _question(asked: Asked) -> str:
    """What is asked, by whom, and until when."""
    what = asked.asked.get("message")
    if what is None:
        arguments = shorten(orjson.dumps(asked.asked["arguments"]).decode(), _SHOWN)
        what = f"call {asked.asked['uses']} with {arguments}"
    by = f"; asks {', '.join(asked.asked['by'])}" if asked.asked.get("by") else ""
    until = ""
    if asked.until is not None:
        zone = zone_of(asked.timezone)
        until = f"; until {local_time(asked.until, zone)}, {relative_time(asked.until, asked.now)}"
    return f"{_names_of(asked)[-1]}  {what}{by}{until}"


def _list(plans: list[SourceStatus], steps: list[Asked], *, as_json: bool) -> None:
    if as_json:
        echo_json(
            {
                "plans": [one.model_dump(mode="json") for one in plans],
                "steps": [one.model_dump(mode="json") for one in steps],
            }
        )
        return
    if not plans and not steps:
        click.echo("nothing waits for approval", err=True)
    for plan in plans:
        echo(f"{(plan.plan_digest or '')[:SHORT]}  {_origin(plan)}  {plan.message}")
    for step in steps:
        echo(_question(step))


def _origin(source: SourceStatus) -> str:
    """For what a plan is, and whose head asks for it."""
    commit = (source.seen_commit or "")[:SHORT]
    place = f"{source.folder} at {commit}, {source.branch} of {source.repository}"
    return f"{source.project}/{source.environment} from {place}"


def _find(waiting: list[SourceStatus], digest: str) -> SourceStatus:
    """The source that waits with a plan of this digest."""
    wanted = digest.removeprefix("sha256:").lower()
    if _HEX.fullmatch(wanted) is None:
        raise NotFound(f"nothing of {digest} waits for approval", hint=_LISTS)
    if len(wanted) < _SHORTEST:
        raise click.UsageError(f"give at least {_SHORTEST} letters of the digest")
    found = [one for one in waiting if (one.plan_digest or "").startswith(wanted)]
    # Where two branches wait with the same plan, the one that has the project in force is first.
    if len({one.plan_digest for one in found}) != 1:
        known = ", ".join((one.plan_digest or "")[:SHORT] for one in waiting)
        raise NotFound(
            f"no plan of digest {wanted[:SHORT]} waits for approval",
            hint=f"these wait: {known}" if known else "none does; `ordinaut status` shows why",
        )
    return found[0]


def _plan(connection: Connection, source: SourceStatus) -> Plan:
    stored = read_waiting_plan(connection, source)
    if stored is None:
        raise _moved(source)
    return Plan.model_validate(stored)


def _moved(source: SourceStatus) -> StalePlan:
    return StalePlan(
        f"{source.project}/{source.environment} does not wait with that plan any more",
        hint=_LISTS,
    )
