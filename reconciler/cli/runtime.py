"""`ordinaut runtime`: runtime processes over existing servers, and beside them what restores drift where that is wanted."""

from __future__ import annotations

import click

from runtime.cli.options import configured
from runtime.config import Config
from runtime.database import redis_url
from runtime.duties import DUTIES, EVERYTHING, Duty
from runtime.errors import EXIT_ERROR, ConfigError


@click.command(
    epilog="""\b
Examples:
  ORDINAUT_DATABASE_URL=postgresql://… ORDINAUT_REDIS_URL=redis://… ordinaut runtime
  ordinaut runtime --processes 4
  ordinaut runtime --only scheduler --only relay
"""
)
@click.option(
    "--only",
    "chosen",
    multiple=True,
    type=click.Choice(DUTIES),
    help="Do this and leave the rest to others; repeatable.",
)
@configured("database_url", "redis_url", "state_dir", "specs", "processes", "log_level")
def runtime(config: Config, chosen: tuple[Duty, ...]) -> None:
    """Run due work until told to stop.

    Any number of runtimes may share one database. SIGTERM or Ctrl-C drains: nothing new is taken, what runs has the grace
    period to finish, and the rest is handed back. A second signal hands back at once. With --processes, one that dies is
    started again, and none outlives the command.

    A scheduler decides what is due, a worker executes it, a relay publishes what happened. Together they must be there
    somewhere; only a relay needs Redis.
    """
    from runtime.embedded import running  # noqa: PLC0415 - only this branch needs it

    duties = frozenset(chosen) or EVERYTHING
    found = running(config.state_dir)
    database = config.database_url or (found.database if found else None)
    redis = redis_url(config)
    if database is None or (redis is None and "relay" in duties):
        missing = "database_url" if database is None else "redis_url"
        raise ConfigError(
            f"setting {missing} is missing, and no embedded server runs in {config.state_dir}",
            hint=f"set ORDINAUT_{missing.upper()}, or use `ordinaut up`, which brings its own servers",
        )
    if not _serve(config, database, redis, duties):
        raise click.exceptions.Exit(EXIT_ERROR)


def _serve(config: Config, database: str, redis: str | None, duties: frozenset[Duty]) -> bool:
    """Run as many processes as are wanted; false if children had to be killed, or ended badly when they were asked to."""
    from reconciler.healing import Healer  # noqa: PLC0415 - heavy, and only this command needs it
    from runtime.app import Place  # noqa: PLC0415 - heavier: it brings the MCP client
    from runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from runtime.loop import run_loop  # noqa: PLC0415 - as above
    from runtime.service import Service  # noqa: PLC0415 - as above
    from runtime.serving import serve  # noqa: PLC0415 - as above
    from runtime.store.connect import connect  # noqa: PLC0415 - as above
    from runtime.store.migrate import require_usable  # noqa: PLC0415 - as above
    from runtime.supervision import Lifeline, supervise  # noqa: PLC0415 - as above

    configure_logs(config.log_level, as_json=config.logs_as_json)
    direct = config.direct_url or database
    with connect(direct) as connection:
        require_usable(connection)
    beside: list[Service] = [Healer(direct)] if "scheduler" in duties else []
    if config.processes > 1:
        child = supervise(config.processes, config.grace)
        if isinstance(child, bool):
            return child
        configure_logs(config.log_level, as_json=config.logs_as_json, child=child.number)
        beside.append(Lifeline(child))
    place = Place(database, redis, config.project.absolute(), config.direct_url)
    run_loop(serve(config, place, beside, duties=duties))
    return True
