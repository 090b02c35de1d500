"""`ordinaut dashboard`: a link that signs in to the dashboard, once."""

from __future__ import annotations

from typing import Final, get_args

import click

from runtime.actor import current_actor
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.database import open_database
from schemas.token import Scope

_EVERYDAY: Final = ("read", "operate", "approve")


@click.command(
    epilog="""\b
Examples:
  ordinaut dashboard
  ordinaut dashboard --open
  ordinaut dashboard --scope read
"""
)
@click.option("--scope", "scopes", multiple=True, type=click.Choice(get_args(Scope)), help="What the session may do; repeatable.  [default: read, operate, approve]")  # fmt: skip
@click.option("--open", "is_opened", is_flag=True, help="Open it in the browser of this machine.")
@click.option("--url", metavar="URL", help="Where the web side is, if neither public_url nor `ordinaut up` tells.")  # fmt: skip
@json_option
@configured("listen", "public_url", "database_url", "state_dir")
def dashboard(
    *, config: Config, scopes: tuple[Scope, ...], is_opened: bool, url: str | None, as_json: bool
) -> None:
    """Print a link that signs you in to the dashboard, once, within five minutes.

    There is no password: whoever may write to the database may look. What is done there is attributed to you, and a session
    ends after twelve hours. With a token of `ordinaut token create`, people sign in from other machines.
    """
    from runtime.addresses import DEFAULT_LISTEN  # noqa: PLC0415 - heavy, and only this command needs it
    from runtime.embedded.web import address_of_up  # noqa: PLC0415 - as above
    from runtime.store.audit import Deed, write_audit  # noqa: PLC0415 - as above
    from runtime.store.sessions import add_sign_in_link  # noqa: PLC0415 - as above

    actor, given = current_actor(), scopes or _EVERYDAY
    with open_database(config, name="ordinaut dashboard") as connection, connection.transaction():
        secret = add_sign_in_link(connection, actor.name, given)
        write_audit(connection, actor, Deed("session.invite", actor.name, details={"scopes": sorted(given)}))  # fmt: skip
    told = url or config.public_url or address_of_up(config.state_dir)
    where = (told or f"http://{config.listen or DEFAULT_LISTEN}").rstrip("/")
    link = f"{where}/sign-in?link={secret}"
    if is_opened:
        click.launch(link)
    if as_json:
        echo_json({"link": link})
    else:
        echo(link)
