"""`ordinaut token`: who may speak to the web side."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, get_args

import click

from runtime.actor import current_actor
from runtime.cli.options import Span, configured, json_option
from runtime.cli.output import (
    echo,
    echo_json,
    echo_report,
    local_time,
    relative_time,
    table,
    zone_of,
)
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.database import open_database
from runtime.errors import OrdinautError
from runtime.store.tokens import add_token, list_tokens, revoke_token
from schemas.durations import format_duration
from schemas.token import Scope, Token, TokenList

_LONGEST: Final = timedelta(days=400)


class TooLong(OrdinautError):
    """A token would be in force for too long."""

    default_code = "ORD007"


@click.group(
    epilog="""\b
Examples:
  ordinaut token create grafana --scope read
  ordinaut token list
"""
)
def token() -> None:
    """Make, list and revoke tokens of the HTTP API and of the MCP server.

    A token has a name, which its actions are attributed to, and scopes: read looks; operate runs, pauses and cancels; approve
    answers what waits for people; emit tells of events; propose makes branches with changes of specs; admin may do all of it.
    """


@token.command(
    epilog="""\b
Examples:
  ordinaut token create grafana --scope read
  ordinaut token create deploy-bot --scope read --scope operate --expires 30d
"""
)
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(get_args(Scope)), help="What it may do; repeatable.")  # fmt: skip
@click.option("--expires", type=Span(timedelta(minutes=1)), default="90d", show_default=True, help="How long it is in force.")  # fmt: skip
@json_option
@configured("database_url", "state_dir")
def create(
    *, config: Config, name: str, scopes: tuple[Scope, ...], expires: timedelta, as_json: bool
) -> None:
    """Make a token, and print it this once: only its digest is kept.

    NAME has lower-case letters, digits, dots, hyphens and underscores.
    """
    from schemas.token import TOKEN_NAME  # noqa: PLC0415 - only this command needs it

    if not TOKEN_NAME.fullmatch(name):
        raise click.UsageError(
            f"{name!r} is no name for a token: write lower-case letters, digits, dots, hyphens and underscores, 63 at most"
        )
    if expires > _LONGEST:
        raise TooLong(
            f"a token that is in force for {format_duration(expires)} outlives whoever made it",
            hint=f"{format_duration(_LONGEST)} is the most; make another one then",
        )
    with open_database(config, name="ordinaut token") as connection:
        made = add_token(connection, name, scopes, expires, actor=current_actor())
    if as_json:
        echo_json(made.model_dump(mode="json"))
        return
    echo(made.token)
    until = local_time(made.expires_at, zone_of(None))
    click.echo(
        f"{name} may {', '.join(made.scopes)} until {until}; it is shown this once", err=True
    )


@token.command(name="list", epilog="\b\nExample:\n  ordinaut token list --json\n")
@json_option
@configured("database_url", "state_dir")
def list_(*, config: Config, as_json: bool) -> None:
    """List every token, those in force first."""
    with open_database(config, read_only=True, name="ordinaut token") as connection:
        found = list_tokens(connection)
    if as_json:
        echo_json(TokenList(tokens=found).model_dump(mode="json"))
    elif found:
        now = SYSTEM_CLOCK.now()
        rows = [_row(one, now) for one in found]
        echo(table(("TOKEN", "SCOPES", "ENDS", "USED", "BY"), rows))
    else:
        click.echo("there is no token", err=True)


@token.command(epilog="\b\nExample:\n  ordinaut token revoke grafana\n")
@click.argument("name")
@json_option
@configured("database_url", "state_dir")
def revoke(*, config: Config, name: str, as_json: bool) -> None:
    """Refuse a token from now on."""
    with open_database(config, name="ordinaut token") as connection:
        revoked = revoke_token(connection, name, actor=current_actor())
    echo_report(revoked, [("revoked", f"{name}, made by {revoked.created_by}")], as_json=as_json)


def _row(one: Token, now: datetime) -> tuple[str, ...]:
    if one.revoked_at is not None:
        ends = f"revoked {relative_time(one.revoked_at, now, units=1)}"
    elif one.expires_at <= now:
        ends = f"expired {relative_time(one.expires_at, now, units=1)}"
    else:
        ends = relative_time(one.expires_at, now, units=1)
    used = relative_time(one.last_used_at, now, units=1) if one.last_used_at else "never"
    return one.name, ",".join(one.scopes), ends, used, one.created_by
