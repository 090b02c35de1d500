"""`ordinaut hold`: what rollbacks keep from being applied again."""

from __future__ import annotations

import click

from runtime.actor import current_actor
from runtime.cli.holding import hold_words
from runtime.cli.options import configured, json_option, reason_option
from runtime.cli.output import echo, echo_json
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.database import open_database
from runtime.errors import NotFound
from runtime.store.holds import list_holds, release_hold
from runtime.store.sources import wake_sources
from schemas.hold import Hold, HoldList


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  ordinaut hold
  ordinaut hold clear
""",
)
@json_option
@configured("database_url", "state_dir")
@click.pass_context
def hold(context: click.Context, *, config: Config, as_json: bool) -> None:
    """Show what rollbacks keep from being applied again.

    A rollback holds the commit that it rolled back: applying that commit, or edits on top of it that are not committed,
    is refused with 3. A commit on top of it that changes some of what was rolled back ends the hold, and so does
    `ordinaut hold clear`. What came from outside git is held by what it says, until it says something else.
    """
    if context.invoked_subcommand is not None:
        return
    with open_database(config, read_only=True, name="ordinaut hold") as connection:
        found = list_holds(connection)
    _show(found, as_json=as_json, nothing="nothing is held")


@hold.command(
    epilog="""\b
Examples:
  ordinaut hold clear
  ordinaut hold clear platform/prod
"""
)
@click.argument("project", required=False)
@reason_option
@json_option
@configured("database_url", "state_dir")
def clear(*, config: Config, project: str | None, reason: str, as_json: bool) -> None:
    """End a hold: what was rolled back may be applied again, and `ordinaut up` does so at its next look.

    PROJECT, or PROJECT/ENVIRONMENT, is needed where there are several. Prints what was cleared.
    """
    with open_database(config, name="ordinaut hold") as connection:
        found = _one(list_holds(connection), project)
        release_hold(connection, found, actor=current_actor(reason=reason.strip()))
        wake_sources(connection)
    _show((found,), as_json=as_json)


def _one(holds: tuple[Hold, ...], project: str | None) -> Hold:
    """The hold that is meant."""
    meant = [one for one in holds if project in {None, one.project, _name(one)}]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise NotFound(
            f"nothing of {project} is held" if project else "nothing is held",
            hint="`ordinaut hold` lists what is",
        )
    raise click.UsageError(f"name one of {', '.join(map(_name, meant))}")


def _name(one: Hold) -> str:
    return f"{one.project}/{one.environment}"


def _show(holds: tuple[Hold, ...], *, as_json: bool, nothing: str = "") -> None:
    if as_json:
        echo_json(HoldList(holds=holds).model_dump(mode="json"))
    elif holds:
        now = SYSTEM_CLOCK.now()
        for one in holds:
            echo(hold_words(one, now))
    else:
        click.echo(nothing, err=True)
