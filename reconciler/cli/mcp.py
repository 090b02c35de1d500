"""`ordinaut mcp`: the MCP server of one client, over standard input and output."""

from __future__ import annotations

from typing import get_args

import click

from runtime.cli.options import configured
from runtime.config import Config
from schemas.token import Scope


@click.command(
    epilog="""\b
Examples:
  ordinaut mcp
  ordinaut mcp --scope read --scope operate
  ordinaut mcp --agent assistant --scope read --scope propose
  ORDINAUT_MCP_TOKEN=ord_… ordinaut mcp
"""
)
@click.option("--scope", "scopes", multiple=True, type=click.Choice(get_args(Scope)), help="What may be done; repeatable.  [default: read, or all that the token allows]")  # fmt: skip
@click.option("--agent", metavar="NAME", help="As which agent of the specs it acts.")
@configured("mcp_token", "database_url", "state_dir", "specs", "environment", "log_level")
def mcp(*, config: Config, scopes: tuple[Scope, ...], agent: str | None) -> None:
    """Serve an MCP client over standard input and output, until it closes them.

    The client may look, and what else --scope says; with a token, what that allows and no more. It works on the database of
    the settings, or of the `ordinaut up` of the state folder, and may be started before that. With --agent, what it does is
    attributed to an agent, whose own requests others decide about. Standard output is the
    protocol's alone; talk goes to standard error. `ordinaut web` serves the same at /mcp, over HTTP.
    """
    if agent is not None and config.mcp_token is not None:
        raise click.UsageError("a token says who acts: leave out --agent, or the token")
    from reconciler.mcp.over_stdio import Station  # noqa: PLC0415 - heavy: it brings the MCP SDK
    from runtime.clock import SYSTEM_CLOCK  # noqa: PLC0415 - as above
    from runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from runtime.loop import run_loop  # noqa: PLC0415 - as above

    configure_logs(config.log_level, as_json=config.logs_as_json)
    most = scopes or (("read",) if config.mcp_token is None else get_args(Scope))
    run_loop(Station(config, frozenset(most), SYSTEM_CLOCK, agent).serve())
