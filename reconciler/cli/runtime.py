"""`ordinaut runtime`: a runtime process over existing servers, and beside it what restores drift where that is wanted."""

from __future__ import annotations

import click

from runtime.cli.options import configured
from runtime.config import Config
from runtime.database import redis_url
from runtime.errors import ConfigError


@click.command(
    epilog="""\b
Example:
  ORDINAUT_DATABASE_URL=postgresql://… ORDINAUT_REDIS_URL=redis://… ordinaut runtime
"""
)
@configured("database_url", "redis_url", "state_dir", "specs", "log_level")
def runtime(config: Config) -> None:
    """Run due work until told to stop.

    Any number of runtimes may share one database. SIGTERM or Ctrl-C drains: nothing new is taken, what runs has the grace
    period to finish, and the rest is handed back. A second signal hands back at once.
    """
    from runtime.embedded import running  # noqa: PLC0415 - only this branch needs it

    found = running(config.state_dir)
    database = config.database_url or (found.database if found else None)
    redis = redis_url(config)
    if database is None or redis is None:
        missing = "database_url" if database is None else "redis_url"
        raise ConfigError(
            f"setting {missing} is missing, and no embedded server runs in {config.state_dir}",
            hint=f"set ORDINAUT_{missing.upper()}, or use `ordinaut up`, which brings its own servers",
        )
    _serve(config, database, redis)


def _serve(config: Config, database: str, redis: str) -> None:
    from reconciler.healing import Healer  # noqa: PLC0415 - heavy, and only this command needs it
    from runtime.app import Place  # noqa: PLC0415 - heavier: it brings the MCP client
    from runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from runtime.loop import run_loop  # noqa: PLC0415 - as above
    from runtime.serving import serve  # noqa: PLC0415 - as above
    from runtime.store.connect import connect  # noqa: PLC0415 - as above
    from runtime.store.migrate import require_current  # noqa: PLC0415 - as above

    configure_logs(config.log_level)
    with connect(database) as connection:
        require_current(connection)
    place = Place(database, redis, config.specs.absolute().parent)
    run_loop(serve(config, place, [Healer(database)]))
