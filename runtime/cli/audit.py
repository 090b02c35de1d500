"""`ordinaut audit`: who did what, and whether the chain of it holds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from runtime.auditing import BrokenAudit, verify_audit
from runtime.cli.options import Span, configured, json_option
from runtime.cli.output import (
    brief_time,
    dim,
    echo,
    echo_json,
    echo_json_line,
    fields,
    one_line,
    table,
)
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.database import open_database
from runtime.store.audit import NEWEST, Sought, list_audit
from schemas.audit import AuditEntry, AuditList, AuditVerification

_NOTED = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")
_RUN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _noted(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[int, bytes] | None:
    if text is None:
        return None
    found = _NOTED.fullmatch(text.lower())
    if found is None:
        raise click.BadParameter("write ENTRY:HASH, as `ordinaut audit verify` prints it")
    return int(found[1]), bytes.fromhex(found[2])


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  ordinaut audit
  ordinaut audit --subject weekday-morning-briefing --action 'task.*'
  ordinaut audit --since 24h --lines | jq -r .actor
  ordinaut audit verify
""",
)
@click.option("--actor", metavar="NAME", help="Only what they did: user@host, or user anywhere.")
@click.option("--action", metavar="GLOB", help="Only such actions, such as run.cancel or task.*.")
@click.option(
    "--subject", metavar="TEXT", help="Only what was done to it: a task, a run's id, r7."
)
@click.option("--since", metavar="SPAN", type=Span(), help="Only of the last 2h, 7d, …")
@click.option("--before", metavar="ENTRY", type=click.IntRange(1), help="Only what is older.")
@click.option(
    "-n",
    "limit",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=50,
    help="How many.",
    show_default=True,
)
@click.option("--lines", "as_lines", is_flag=True, help="Print one line of JSON an entry.")
@json_option
@configured("database_url", "state_dir")
@click.pass_context
def audit(
    context: click.Context,
    *,
    config: Config,
    actor: str | None,
    action: str | None,
    subject: str | None,
    since: timedelta | None,
    before: int | None,
    limit: int,
    as_lines: bool,
    as_json: bool,
) -> None:
    """List who did what, from where and why, newest first.

    Every operational action and every change has its entry, written in the transaction of its effect. Nothing of it is
    ever changed or dropped; `ordinaut audit verify` checks that.
    """
    if context.invoked_subcommand is not None:
        return
    sought = Sought(
        actor=actor,
        action=action,
        subject=subject,
        since=None if since is None else SYSTEM_CLOCK.now() - since,
        before=before or NEWEST,
        limit=limit,
    )
    with open_database(config, read_only=True, name="ordinaut audit") as connection:
        found = list_audit(connection, sought)
    if as_json:
        echo_json(AuditList(entries=found).model_dump(mode="json"))
    elif as_lines:
        for entry in found:
            echo_json_line(entry.model_dump(mode="json"))
    elif found:
        now = SYSTEM_CLOCK.now()
        rows = [_row(entry, now) for entry in found]
        echo(table(("ENTRY", "AT", "ACTOR", "ACTION", "SUBJECT", "REASON"), rows))
    else:
        click.echo("no entries", err=True)


@audit.command(
    epilog="""\b
Examples:
  ordinaut audit verify
  ordinaut audit verify --json | jq -r .hash
"""
)
@click.option(
    "--since",
    "noted",
    metavar="ENTRY:HASH",
    callback=_noted,
    help="Begin there: an entry with its hash, noted outside the database.",
)
@json_option
@configured("database_url", "state_dir")
def verify(*, config: Config, noted: tuple[int, bytes] | None, as_json: bool) -> None:
    """Compute the chain of the audit log again, and exit with 1 at the first entry that does not hold.

    Finds entries that were changed, deleted, added or put in another order by whoever could write past the program. What
    somebody rewrites to the very end, the head included, is found only by a hash that was noted elsewhere: --since.
    """
    with open_database(config, read_only=True, name="ordinaut audit") as connection:
        found = verify_audit(connection, noted, _progress)
    if as_json:
        echo_json(found.model_dump(mode="json"))
    else:
        echo(fields(_lines(found)))
    if found.broken is not None:
        raise BrokenAudit(
            f"entry {found.broken.entry} of the audit log does not hold: {found.broken.what}",
            hint="compare it with a backup; what comes after it cannot be told from what was rewritten",
        )


def _progress(done: int, of: int) -> None:
    click.echo(f"{done:,} of {of:,} entries hold", err=True)


def _lines(found: AuditVerification) -> list[tuple[str, str]]:
    count = f"{found.verified:,} {'entry' if found.verified == 1 else 'entries'}"
    if found.verified:
        count += f" hold, {found.first} to {found.last}"
    lines = [("verified", count)]
    if found.hash is not None and found.broken is None:
        lines.append(("hash", f"{found.last}:{found.hash}"))
    return lines


def _row(entry: AuditEntry, now: datetime) -> tuple[str, ...]:
    subject = entry.subject
    if _RUN.fullmatch(subject):
        task = entry.details.get("task")
        subject = subject[-8:] + (f" of {task}" if isinstance(task, str) else "")
    return (
        str(entry.entry),
        brief_time(entry.at, UTC, now),
        entry.actor,
        entry.action,
        one_line(subject),
        dim(one_line(entry.reason)),
    )
