"""`ordinaut up`: everything on one machine, and its news as they come."""

from __future__ import annotations

import click

from runtime.cli.options import configured, json_option
from runtime.config import Config
from runtime.errors import EXIT_ERROR


@click.command(
    epilog="""\b
Examples:
  ordinaut up
  ordinaut up --specs examples/briefing/specs
"""
)
@json_option
@configured(
    "database_url",
    "redis_url",
    "state_dir",
    "specs",
    "environment",
    "listen",
    "public_url",
    "otlp_endpoint",
    "otlp_traces_endpoint",
    "log_level",
)
def up(config: Config, as_json: bool) -> None:
    """Start everything: servers, specs and a runtime.

    Starts embedded PostgreSQL and Valkey under the state folder unless the settings name servers, brings the schema up to
    date, applies the specs, executes what is due, and applies the specs again whenever a file of them changes. Prints what
    is applied, what fires next, and every run as it happens. The dashboard and the HTTP API start when they are first asked for
    something. Ctrl-C drains and stops all of it; a second one does not wait.
    """
    from reconciler.cli.upnews import JsonLines, Lines  # noqa: PLC0415 - heavy, and only this command needs it
    from reconciler.up import Voice  # noqa: PLC0415 - as above
    from reconciler.up import up as bring_up  # noqa: PLC0415 - as above
    from runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from runtime.loop import run_loop  # noqa: PLC0415 - as above

    configure_logs(config.log_level, as_json=as_json or config.logs_as_json)
    told = JsonLines() if as_json else Lines()
    whole = run_loop(bring_up(config, Voice(told.ready, told.reconciled, told.events)))
    if not whole:
        click.echo(
            "stopped; unfinished runs were handed back and go on at the next start", err=True
        )
        raise click.exceptions.Exit(EXIT_ERROR)
    click.echo("stopped", err=True)
