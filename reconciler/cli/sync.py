"""`ordinaut sync`: keep what is in force at the head of a branch."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, get_args

import click

from runtime.actor import current_actor
from runtime.cli.options import Span, configured, json_option
from runtime.config import Config
from runtime.embedded import running
from runtime.errors import EXIT_BLOCKED, EXIT_ERROR, EXIT_STALE, ConfigError
from schemas.source import Condition, SignatureFault

if TYPE_CHECKING:
    # All of these are heavy, and `ordinaut sync --help` should not wait for them.
    from reconciler.cli.syncnews import News
    from reconciler.remote import Remote
    from reconciler.signatures import Trust
    from reconciler.sync import Look
    from reconciler.syncing import BranchSync
    from runtime.service import Service

_EXITS: Final[dict[Condition, int]] = {
    "Synced": 0,
    "OutOfSync": EXIT_BLOCKED,
    "Held": EXIT_BLOCKED,
    "NeedsApproval": EXIT_BLOCKED,
    "InvalidSource": EXIT_ERROR,
}
_DISTRUST: Final = frozenset(get_args(SignatureFault))
_PATH: Final = click.Path(path_type=Path)


@click.command(
    epilog="""\b
Examples:
  ordinaut sync --once
  ordinaut sync --repo https://git.example/team/agents.git --branch main --env prod
  ordinaut sync --repo git@git.example:team/agents.git --verify ssh --allowed-signers /etc/ordinaut/signers
  ordinaut sync --listen 127.0.0.1:8090 --webhook-secret-file /etc/ordinaut/webhook
"""
)
@click.option("--repo", metavar="URL|FOLDER", help="The repository; the one around the working folder when left out.")  # fmt: skip
@click.option("--branch", metavar="NAME", help="The branch; the one that the repository is on when left out.")  # fmt: skip
@click.option("--interval", type=Span(timedelta(seconds=1)), default="1m", show_default=True, help="The time between two looks.")  # fmt: skip
@click.option("--once", is_flag=True, help="Look once, and end.")
@click.option("--verify", type=click.Choice(["none", "ssh", "gpg"]), default="none", show_default=True, help="Apply nothing but commits that are signed so.")  # fmt: skip
@click.option("--allowed-signers", type=_PATH, metavar="FILE", help="For ssh: who may sign, as ssh-keygen reads it.")  # fmt: skip
@click.option("--keyring", type=_PATH, metavar="FILE|FOLDER", help="For gpg: the public keys that may sign.")  # fmt: skip
@click.option("--listen", metavar="HOST:PORT", help="Look at once when a signed POST asks for it.")
@json_option
@configured(
    "specs", "environment", "database_url", "state_dir", "log_level", "webhook_secret_file"
)
def sync(
    *,
    config: Config,
    repo: str | None,
    branch: str | None,
    interval: timedelta,
    once: bool,
    verify: Literal["none", "ssh", "gpg"],
    allowed_signers: Path | None,
    keyring: Path | None,
    listen: str | None,
    as_json: bool,
) -> None:
    """Pull a branch, and apply what it says: now, and whenever it moves.

    The specs folder is one of the repository. What is applied must descend from what is in force; what a guard refuses
    waits for `ordinaut approve`, and bad specs change nothing. Any number may run at once. Whom to trust is said here
    and never read from the repository. With --once exits with 0 if the head is in force, 1 if it is invalid, 3 if it is
    held, frozen or waits for approval, 4 for a conflict, and 5 if the repository or the database cannot be read.
    """
    from reconciler.cli.syncnews import JsonLines, Lines  # noqa: PLC0415 - heavy, and only this command needs it
    from reconciler.database import ready_database  # noqa: PLC0415 - as above
    from reconciler.remote import find_remote  # noqa: PLC0415 - as above
    from reconciler.signatures import trust_from  # noqa: PLC0415 - as above
    from runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from runtime.loop import run_loop  # noqa: PLC0415 - as above

    configure_logs(config.log_level, as_json=as_json or config.logs_as_json)
    remote = find_remote(repo, is_verified=verify != "none")
    trust = trust_from(verify, allowed_signers, keyring, remote)
    _require_lasting_database(config, once=once)
    told = JsonLines() if as_json else Lines()
    with ready_database(config) as conninfo:
        service = _service(config, conninfo, (remote, branch, trust), interval, told)
        if once:
            look = run_loop(service.look())
            told.looked(look)
            raise click.exceptions.Exit(_exit_code(look))
        told.begins(service.branch, interval)
        hearing = service.hears(conninfo)
        run_loop(_serve(service, hearing, listen, config.webhook_secret_file))
    click.echo("stopped", err=True)


def _require_lasting_database(config: Config, *, once: bool) -> None:
    """Refuse to keep an embedded database from every other command for as long as this one goes on."""
    if not once and config.database_url is None and running(config.state_dir) is None:
        raise ConfigError(
            f"setting database_url is missing, and no embedded server runs in {config.state_dir}",
            hint="set ORDINAUT_DATABASE_URL, look --once, or run this beside `ordinaut up`",
        )


def _service(
    config: Config,
    conninfo: str,
    source: tuple[Remote, str | None, Trust],
    interval: timedelta,
    told: News,
) -> BranchSync:
    from reconciler.examining import Subject  # noqa: PLC0415 - as above
    from reconciler.mirror import Mirror, find_branch  # noqa: PLC0415 - as above
    from reconciler.sync import Judge  # noqa: PLC0415 - as above
    from reconciler.syncing import BranchSync  # noqa: PLC0415 - as above
    from runtime.loop import run_loop  # noqa: PLC0415 - as above
    from runtime.store.sources import Branch  # noqa: PLC0415 - as above

    remote, branch, trust = source
    name = branch or run_loop(find_branch(remote))
    mirror = Mirror(remote, name, config.state_dir)
    subject = Subject(
        conninfo=conninfo,
        branch=Branch(remote.address, name, _folder(config.specs), config.environment),
        place=mirror.place,
        trust=trust,
        state_dir=config.state_dir,
        actor=current_actor(origin="sync"),
    )
    return BranchSync(mirror, Judge(subject), interval, told.looked)


async def _serve(
    service: BranchSync, hearing: Service, listen: str | None, secret_file: Path | None
) -> None:
    from reconciler.wakes import WakeListener  # noqa: PLC0415 - as above
    from runtime.service import run_until_stopped  # noqa: PLC0415 - as above

    services: list[Service] = [service, hearing]
    if listen is not None:
        wakes = WakeListener(listen, _secrets(secret_file), service.wake)
        click.echo(f"wake-ups at {await wakes.begin()}", err=True)
        services.append(wakes)
    await run_until_stopped(services)


def _secrets(path: Path | None) -> list[str]:
    """The secrets of a file, one a line."""
    if path is None:
        raise ConfigError(
            "--listen needs a secret, or anybody could ask for looks",
            hint="name a file that holds it: --webhook-secret-file, or ORDINAUT_WEBHOOK_SECRET_FILE",
        )
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file of the webhook's secret cannot be read: {error}") from error


def _folder(specs: Path) -> str:
    """The specs folder, from the top of the repository."""
    folder = PurePosixPath(specs.as_posix())
    if folder.is_absolute() or ".." in folder.parts:
        raise ConfigError(
            f"{specs} is no folder of the repository",
            hint="name the specs from the top of the repository: --specs specs",
        )
    return folder.as_posix()


def _exit_code(look: Look) -> int:
    if look.error is not None:
        return look.error.exit_code
    told = look.report
    if told.reason == "conflict":
        return EXIT_STALE
    if told.condition == "InvalidSource" and told.reason in _DISTRUST:
        return EXIT_BLOCKED
    return EXIT_ERROR if told.condition is None else _EXITS[told.condition]
