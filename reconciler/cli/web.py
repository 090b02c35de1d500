"""`ordinaut web`: the web side over an existing database."""

from __future__ import annotations

import click

from runtime.cli.options import configured
from runtime.config import Config
from runtime.errors import ConfigError


@click.command(
    epilog="""\b
Examples:
  ORDINAUT_DATABASE_URL=postgresql://… ordinaut web
  ordinaut web --listen 0.0.0.0:8470 --public-url https://ordinaut.example
"""
)
@configured(
    "listen",
    "public_url",
    "database_url",
    "redis_url",
    "state_dir",
    "otlp_endpoint",
    "otlp_traces_endpoint",
    "log_level",
)
def web(config: Config) -> None:
    """Serve the HTTP API until told to stop.

    It needs the database alone. Any number may serve one database, behind a proxy that has TLS. Without a token nothing is
    told but whether it is well (`/healthz`) and ready (`/readyz`); `ordinaut token create` makes tokens. SIGTERM or Ctrl-C ends
    it when what is under way is answered.
    """
    from reconciler.web.app import whole_app  # noqa: PLC0415 - heavy: it brings FastAPI
    from runtime.addresses import DEFAULT_LISTEN, listening  # noqa: PLC0415 - heavy, and only this command needs it
    from runtime.embedded import running  # noqa: PLC0415 - only this branch needs it
    from runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from runtime.loop import run_loop  # noqa: PLC0415 - as above
    from runtime.store.connect import connect  # noqa: PLC0415 - as above
    from runtime.store.migrate import require_usable  # noqa: PLC0415 - as above
    from runtime.web.server import serve_until_asked  # noqa: PLC0415 - as above

    found = running(config.state_dir) if config.database_url is None else None
    database = config.database_url or (found.database if found else None)
    if database is None:
        raise ConfigError(
            f"setting database_url is missing, and no embedded server runs in {config.state_dir}",
            hint="set ORDINAUT_DATABASE_URL, or use `ordinaut up`, which brings its own server",
        )
    configure_logs(config.log_level, as_json=config.logs_as_json)
    with connect(config.direct_url or database) as connection:
        require_usable(connection)
    with listening(config.listen or DEFAULT_LISTEN) as listener:
        run_loop(serve_until_asked(whole_app(config, database), listener))
