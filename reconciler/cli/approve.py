"""`ordinaut approve`: let a plan pass that `ordinaut sync` was refused, or take that back; or decide what a step asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
import orjson

from reconciler.cli.answers import Filled, filled_in, question_lines, responses_to
from reconciler.cli.consent import require_way_to_ask, yes_option
from reconciler.cli.planoptions import verbose_option
from reconciler.cli.showing import look_of_terminal
from reconciler.core.render import render_plan
from reconciler.core.syncing import SHORT
from runtime.actor import current_actor, current_teams
from runtime.cli.naming import name_among, named, only_one
from runtime.cli.options import configured, json_option
from runtime.cli.output import (
    echo,
    echo_json,
    local_time,
    relative_time,
    shorten,
    zone_of,
)
from runtime.config import Config
from runtime.core.harmless import moved_in
from runtime.database import open_database
from runtime.errors import EXIT_ERROR, NotFound, StalePlan
from runtime.store.rows import Connection
from runtime.store.sources import (
    approve_plan,
    list_sources,
    read_waiting_plan,
    withdraw_approval,
)
from runtime.store.waits import answer_wait, list_asked
from schemas.asked import Asked
from schemas.base import Model
from schemas.plan import Plan
from schemas.source import SourceStatus

_SHORTEST: Final = 8
_SHOWN: Final = 200
_HEX: Final = re.compile(r"[0-9a-f]+")
_LISTS: Final = "`ordinaut approve` lists what waits now"
_WAITING: Final = "no plan of digest {} waits for approval"
_APPROVAL: Final = "no approval of digest {} is left to take back"


@click.command(
    epilog="""\b
Examples:
  ordinaut approve
  ordinaut approve 9b1c04e7a2d3 --reason 'the team was dissolved'
  ordinaut approve 9b1c04e7a2d3 --withdraw --reason 'the wrong team'
  ordinaut approve weekly-payments
  ordinaut approve weekly-payments:pay --deny --reason 'wrong month'
  ordinaut approve weekly-payments:pay --answer account=main --answer express=no
"""
)
@click.argument("what", metavar="[DIGEST|STEP]", required=False)
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with the decision.")
@click.option("--deny", is_flag=True, help="Of a step: do not let it go on.")
@click.option("--answer", "answers", multiple=True, metavar="FIELD=VALUE", help="Of a step whose tool server asks: fill in a field; may be repeated.")  # fmt: skip
@click.option("--data", metavar="JSON", help="Of a step whose tool server asks: all fields as a JSON object.")  # fmt: skip
@click.option("--withdraw", is_flag=True, help="Of a plan: take back an approval that was not used yet.")  # fmt: skip
@click.option("--as", "instead_of", metavar="NAME", help="Of a step: decide for somebody it asks.")
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
    answers: tuple[str, ...],
    data: str | None,
    withdraw: bool,
    instead_of: str | None,
    yes: bool,
    as_json: bool,
    verbose: int,
) -> None:
    """Let the plan pass that `ordinaut sync` waits with, or a step go on that asks; without an argument, list both.

    Shows the plan of this DIGEST, or of its first eight letters or more, and asks. `ordinaut sync` then looks at once, and
    applies exactly that plan past what refused it: should git or the database have moved by then, or more refuse it, it
    waits anew. Until then --withdraw takes the approval back. All of this asks first; without a terminal, give --yes.

    A STEP is named by its task, or by six or more digits of either end of its run's id, and as TASK:STEP or TASK:STEP:ITEM where several
    ask. It takes the decision of those alone whom it asks, if it names any. One answer counts, and none after the time is over.

    A tool server may ask something in the middle of a call: a form, whose fields --answer fills in and whose defaults hold for
    the others, or that somebody visits an address. The same call then goes on with the answer, or ends with --deny.
    Exits with 0, or 1 if no such thing waits.
    """
    if withdraw and (deny or what is None):
        raise click.UsageError("--withdraw goes with the DIGEST of a plan, and without --deny")
    if what is not None:
        require_way_to_ask(yes=yes)
    filled = filled_in(answers, data)
    if filled is not None and (deny or withdraw or what is None):
        raise click.UsageError("--answer and --data go with a STEP that asks, and without --deny")
    asked = _Asked(
        reason.strip(), instead_of, yes=yes, as_json=as_json, verbose=verbose, filled=filled
    )
    with open_database(config, name="ordinaut approve") as connection:
        sources = list_sources(connection)
        plans = [one for one in sources if one.plan_digest and one.approval is None]
        approved = [one for one in sources if one.approval is not None]
        steps = list_asked(connection)
        if what is None:
            _list(plans, approved, steps, as_json=as_json)
            return
        asking = named(steps, what)
        if withdraw:
            done = _take_back(connection, _find(approved, what, _APPROVAL), asked)
        elif asking:
            done = _decide(connection, asking, asked, approved=not deny)
        elif deny:
            raise NotFound(f"no step of {what} waits for a decision", hint=_LISTS)
        else:
            done = _let_pass(connection, _find(plans, what, _WAITING), asked)
    if as_json:
        echo_json(done.facts)
    else:
        echo(done.words)


@dataclass(frozen=True, slots=True)
class _Asked:
    """How a decision was asked for."""

    reason: str
    instead_of: str | None
    yes: bool
    as_json: bool
    verbose: int
    filled: Filled | None


@dataclass(frozen=True, slots=True)
class _Done:
    """What was decided, for people and for programs."""

    words: str
    facts: dict[str, Any]


def _decide(
    connection: Connection, asking: list[Asked], asked: _Asked, *, approved: bool
) -> _Done:
    one = only_one(asking)
    # Looked at first: nobody is asked to agree to what will be refused.
    responses = responses_to(one, asked.filled) if approved else {}
    echo(_question(asking, one), err=True)
    if not asked.yes:
        _ask("Let it go on?" if approved else "End it here?")
    is_taken = answer_wait(
        connection,
        one,
        approved=approved,
        by=current_actor(),
        reason=asked.reason,
        teams=current_teams(),
        instead_of=asked.instead_of,
        responses=responses,
    )
    if not is_taken:
        raise StalePlan(
            f"step {one.step} of {one.task} does not wait any more: somebody else decided, or its time was over",
            hint=f"`ordinaut show {one.task}` tells what became of it",
        )
    words = "Approved: it goes on." if approved else "Denied: it ends here."
    facts = {"run_id": str(one.run_id), "step": one.step, "iteration": one.iteration}
    return _Done(words, facts | {"approved": approved})


def _let_pass(connection: Connection, found: SourceStatus, asked: _Asked) -> _Done:
    # Whoever is asked has to see what about, also where the answer is for a program.
    if not (asked.as_json and asked.yes):
        plan = render_plan(_plan(connection, found), look_of_terminal(verbose=asked.verbose))
        for text in (plan.rstrip("\n"), _origin(found), found.message):
            echo(text, err=asked.as_json)
    if not asked.yes:
        _ask("Let this plan pass?")
    if not approve_plan(connection, found, actor=current_actor(), reason=asked.reason):
        raise _moved(found)
    short = _digest(found)[:SHORT]
    words = f"Approved: the next look of `ordinaut sync` applies {short}."
    return _Done(words, {"approved": found.plan_digest})


def _take_back(connection: Connection, found: SourceStatus, asked: _Asked) -> _Done:
    echo(_approved(found), err=True)
    if not asked.yes:
        _ask("Take this approval back?")
    if not withdraw_approval(connection, found, actor=current_actor(), reason=asked.reason):
        raise StalePlan(
            "that approval is gone: it was used, or taken back already",
            hint="`ordinaut history` tells what was applied",
        )
    return _Done("Withdrawn: the plan waits again.", {"withdrawn": _digest(found)})


def _ask(question: str) -> None:
    if not click.confirm(question, err=True):
        click.echo("Nothing was decided.", err=True)
        raise click.exceptions.Exit(EXIT_ERROR)


def _question(waiting: Sequence[Asked], asked: Asked) -> str:
    """What one of those that wait asks, whom, and until when."""
    what = asked.asked.get("message")
    if what is None:
        arguments = shorten(orjson.dumps(asked.asked["arguments"]).decode(), _SHOWN)
        what = f"call {asked.asked['uses']} with {arguments}"
    by = f"; asks {', '.join(asked.asked['by'])}" if asked.asked.get("by") else ""
    until = ""
    if asked.until is not None:
        zone = zone_of(asked.timezone)
        until = f"; until {local_time(asked.until, zone)}, {relative_time(asked.until, asked.now)}"
    asks = "".join(f"\n{line}" for line in question_lines(asked))
    return f"{name_among(waiting, asked)}  {moved_in(what)}{by}{until}{asks}"


def _list(
    plans: list[SourceStatus], approved: list[SourceStatus], steps: list[Asked], *, as_json: bool
) -> None:
    if as_json:
        found: dict[str, Sequence[Model]] = {"plans": plans, "approved": approved, "steps": steps}
        echo_json(
            {name: [one.model_dump(mode="json") for one in many] for name, many in found.items()}
        )
        return
    if not plans and not steps:
        click.echo("nothing waits for approval", err=True)
    for plan in plans:
        echo(f"{_digest(plan)[:SHORT]}  {_origin(plan)}  {plan.message}")
    for step in steps:
        echo(_question(steps, step))
    for plan in approved:
        echo(_approved(plan))


def _approved(source: SourceStatus) -> str:
    """A plan that was let pass and is not applied yet, and by whom."""
    given = source.approval
    assert given is not None  # noqa: S101 - whoever asks has made sure
    why = f" ({given.reason})" if given.reason else ""
    back = "`ordinaut approve DIGEST --withdraw` takes that back"
    return f"{_digest(source)[:SHORT]}  {_origin(source)}  approved by {given.actor}{why}; {back}"


def _origin(source: SourceStatus) -> str:
    """For what a plan is, and whose head asks for it."""
    commit = (source.seen_commit or "")[:SHORT]
    author = f" by {source.author}" if source.author else ""
    place = f"{source.folder} at {commit}{author}, {source.branch} of {source.repository}"
    return f"{source.project}/{source.environment} from {place}"


def _digest(source: SourceStatus) -> str:
    """Of the plan that was let pass, or else of the one that waits."""
    return (source.approval.digest if source.approval else source.plan_digest) or ""


def _find(among: list[SourceStatus], digest: str, what: str) -> SourceStatus:
    """The source whose plan has this digest; `what` says what there is none of where it is not there."""
    wanted = digest.removeprefix("sha256:").lower()
    if _HEX.fullmatch(wanted) is None:
        raise NotFound(f"nothing of {digest} waits for approval", hint=_LISTS)
    if len(wanted) < _SHORTEST:
        raise click.UsageError(f"give at least {_SHORTEST} letters of the digest")
    found = [one for one in among if _digest(one).startswith(wanted)]
    digests = sorted({_digest(one) for one in found})
    if len(digests) > 1:
        raise NotFound(
            f"{wanted[:SHORT]} fits {len(digests)} plans that wait",
            hint=f"give more letters: {', '.join(digests)}",
        )
    if not found:
        known = ", ".join(dict.fromkeys(_digest(one)[:SHORT] for one in among))
        raise NotFound(
            what.format(wanted[:SHORT]),
            hint=f"there are {known}" if known else "there are none; `ordinaut status` shows why",
        )
    # Where two branches wait with the same plan, the one that has the project in force is first.
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
