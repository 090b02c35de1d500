"""`ordinaut propose`: a change on a branch of its own, with its plan."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from reconciler.core.files import MAX_FILE_BYTES
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.errors import NotFound, PlanError, SpecError
from schemas.proposal import Edits, Proposal

_SAID: Final = {
    "dry_run": "would be on branch",
    "proposed": "is on branch",
    "known": "was proposed already, on branch",
    "renewed": "was proposed already, and starts from the newer commit now, on branch",
}


@click.command(
    epilog="""\b
Examples:
  ordinaut propose task.yaml --reason "read the feed twice a day"
  ordinaut propose --patch "Task home/briefing" '{"timeout": "5m"}'
  ordinaut propose --delete "Task home/old" --dry-run --json
  cat tasks.yaml | ordinaut propose - --onto origin/main
"""
)
@click.argument("documents", nargs=-1, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))  # fmt: skip
@click.option("--patch", "patches", type=(str, str), multiple=True, metavar="DOCUMENT JSON", help="Lay a JSON merge patch over a document, such as 'Task home/briefing'; repeatable.")  # fmt: skip
@click.option("--delete", multiple=True, metavar="DOCUMENT", help="Take a document out; repeatable.")  # fmt: skip
@click.option("--subject", default="", metavar="TEXT", help="What it does, in a line.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it goes into the commit.")
@click.option("--onto", default="HEAD", metavar="REV", show_default=True, help="The commit that it starts from.")  # fmt: skip
@click.option("--over-database", is_flag=True, help="Plan over the database, instead of over that commit.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Write nothing.")
@json_option
@configured("specs", "environment", "database_url", "state_dir")
def propose(
    *,
    config: Config,
    documents: tuple[Path, ...],
    patches: tuple[tuple[str, str], ...],
    delete: tuple[str, ...],
    subject: str,
    reason: str,
    onto: str,
    over_database: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put a change of specs on a branch of its own, as one commit with its plan, ready to be reviewed.

    DOCUMENTS are files of whole documents, `-` for standard input: each takes the place of the document of its kind and
    name, or is new. Comments and layout of the rest stay. The change starts from a commit: what is checked out, edited or
    staged is neither looked at nor touched, and nothing in force is. The branch is called after the content, so the same
    change again is the same branch. The commit is written as a patch, too, with the plan beside it.
    """
    from reconciler.proposing import Ground, Words, draft  # noqa: PLC0415 - heavy, and options may be wrong
    from reconciler.proposing import propose as proposed  # noqa: PLC0415 - as above
    from runtime.actor import current_actor  # noqa: PLC0415 - as above

    edits = _edits(documents, patches, delete)
    ground = Ground(config.specs, config.environment, config.state_dir)
    with _problems_told(), _database(config, wanted=over_database) as connection:
        made = draft(ground, edits, onto, connection)
        words = Words(subject, reason, current_actor().name)
        proposal = proposed(ground, made, words, dry_run=dry_run)
    if as_json:
        echo_json(proposal.model_dump(mode="json"))
    else:
        _print(proposal)


def _edits(
    documents: tuple[Path, ...], patches: tuple[tuple[str, str], ...], delete: tuple[str, ...]
) -> Edits:
    from pydantic import ValidationError  # noqa: PLC0415 - heavy, and help does without

    if not (documents or patches or delete):
        raise click.UsageError("say what is to change: a file of documents, --patch or --delete")
    try:
        return Edits(
            documents="\n---\n".join(map(_read, documents)) or None,
            patches=tuple({"document": name, "patch": _json(text)} for name, text in patches),
            delete=delete,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise click.UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _json(text: str) -> Any:
    import orjson  # noqa: PLC0415 - few commands read JSON

    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise click.UsageError(f"the patch is no JSON: {error}") from error


def _read(path: Path) -> str:
    """A file of documents, to one byte more than one may have."""
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise PlanError(f"{path} has more than {MAX_FILE_BYTES:,} bytes", code="ORD010")
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"{path} cannot be read as text: {error}") from error


@contextmanager
def _database(config: Config, *, wanted: bool) -> Iterator[Any]:
    if not wanted:
        yield None
        return
    from reconciler.database import database_to_read  # noqa: PLC0415 - few proposals need one

    with database_to_read(config) as connection:
        if connection is None:
            raise NotFound("there is no database to plan over", hint="leave out --over-database")
        yield connection


@contextmanager
def _problems_told() -> Iterator[None]:
    """Print the problems of what would be proposed, each with its place."""
    try:
        yield
    except SpecError as error:
        from reconciler.diagnostics import as_text  # noqa: PLC0415 - only problems need it

        click.echo(as_text(error.problems, {}), err=True)
        raise


def _print(proposal: Proposal) -> None:
    if proposal.diff is not None:
        echo(proposal.diff.rstrip("\n"))
    commit = f" at {proposal.commit[:7]}" if proposal.commit else ""
    click.echo(f"{proposal.subject}: {_SAID[proposal.status]} {proposal.branch}{commit}", err=True)
    if proposal.plan_file:
        click.echo(f"Plan: {proposal.plan_file}\nPatch: {proposal.patch_file}", err=True)
