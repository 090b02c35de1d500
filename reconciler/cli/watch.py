"""`ordinaut watch`: apply a specs folder whenever a file of it is saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from reconciler.cli.planoptions import verbose_option
from runtime.cli.options import configured, json_option
from runtime.config import Config

if TYPE_CHECKING:
    # Heavy, and `ordinaut watch --help` should not wait for them.
    from reconciler.cli.watchnews import News
    from reconciler.reconcile import Folder


@click.command(
    epilog="""\b
Examples:
  ordinaut watch
  ordinaut watch --plan-only
  ordinaut watch --specs examples/briefing/specs --env prod --json
"""
)
@click.option("--plan-only", is_flag=True, help="Show what each save would change, and apply nothing.")  # fmt: skip
@verbose_option
@json_option
@configured("specs", "environment", "database_url", "state_dir", "log_level")
def watch(*, config: Config, plan_only: bool, verbose: int, as_json: bool) -> None:
    """Apply a specs folder now, and whenever a file of it is saved.

    Needs no git, and executes nothing: `ordinaut up` watches as well, and runs what is due. Specs with errors and what a
    guard, a policy or a conflict refuses are told, and change nothing; what a lock, a freeze, a hold or an absent database
    refuses is tried again by itself. Ctrl-C stops.
    """
    from reconciler.cache import Cache  # noqa: PLC0415 - heavy, and only this command needs it
    from reconciler.cli.watchnews import JsonLines, Lines  # noqa: PLC0415 - as above
    from reconciler.reconcile import Folder  # noqa: PLC0415 - as above
    from reconciler.source import require_folder  # noqa: PLC0415 - as above
    from runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from runtime.loop import run_loop  # noqa: PLC0415 - as above

    configure_logs(config.log_level, as_json=as_json or config.logs_as_json)
    path = config.specs.absolute()
    require_folder(path)
    told = JsonLines() if as_json else Lines(verbose)
    with _database(config, plan_only=plan_only) as conninfo:
        cache = Cache(config.state_dir)
        folder = Folder(conninfo, path, config.environment, cache, applies=not plan_only)
        run_loop(_watch(folder, told))
    click.echo("stopped", err=True)


@contextmanager
def _database(config: Config, *, plan_only: bool) -> Iterator[str | None]:
    """The database that is compared with; None where there is none yet and none is to be written to."""
    from reconciler.database import ready_database  # noqa: PLC0415 - as above
    from runtime.database import has_database  # noqa: PLC0415 - as above

    if plan_only and not has_database(config):
        click.echo("There is no database yet: compared with an empty one.", err=True)
        yield None
        return
    with ready_database(config) as conninfo:
        yield conninfo


async def _watch(folder: Folder, told: News) -> None:
    from reconciler.watch import SpecsWatch  # noqa: PLC0415 - as above
    from runtime.service import run_until_stopped  # noqa: PLC0415 - as above

    told.begins(folder)
    await run_until_stopped([SpecsWatch(folder, told.looked)])
