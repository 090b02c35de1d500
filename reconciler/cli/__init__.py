"""The command line: a table of commands, each imported only when it is called, and one boundary for errors.

Promises: `ordinaut --help` imports nothing but click; results go to stdout and everything else to stderr; an error is one
line with its code and a hint, never a traceback unless `--debug` asks for it. Leaves all work to the commands.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from reconciler.core.suggest import did_you_mean
from runtime.errors import EXIT_ERROR, EXIT_INTERRUPTED, OrdinautError
from runtime.garbage import collecting_nothing

COMMANDS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Write and review": {
        "init": ("reconciler.cli.init", "Begin a repository of specs."),
        "validate": ("reconciler.cli.validate", "Check specs and show every problem at once."),
        "fmt": ("reconciler.cli.fmt", "Write spec files in their one form."),
        "lint": ("reconciler.cli.lint", "Advise about specs that are valid."),
        "test": (
            "reconciler.cli.test",
            "Play tasks offline, and see whether they do what they should.",
        ),
        "record": ("reconciler.cli.record", "Print a run as a test."),
        "next": ("reconciler.cli.next", "Show when tasks will fire, without a database."),
        "simulate": ("reconciler.cli.simulate", "Play the specs through the coming days."),
        "plan": ("reconciler.cli.plan", "Show what applying the specs would change."),
        "propose": (
            "reconciler.cli.propose",
            "Put a change on a branch of its own, with its plan.",
        ),
        "apply": ("reconciler.cli.apply", "Make the database match the specs."),
        "watch": ("reconciler.cli.watch", "Apply specs whenever a file of them is saved."),
        "sync": ("reconciler.cli.sync", "Pull a branch, and apply what it says."),
        "approve": ("reconciler.cli.approve", "Let a plan pass that waits for it."),
        "rollback": ("reconciler.cli.rollback", "Bring back what an earlier revision left."),
        "adopt": ("reconciler.cli.adopt", "Take over what others have in the database."),
        "export": ("reconciler.cli.export", "Write what is in force as specs."),
        "hold": ("runtime.cli.hold", "Show or clear what rollbacks keep from coming back."),
        "schema": ("reconciler.cli.schema", "Print the JSON Schema of specs, for editors."),
        "tools": ("reconciler.cli.tools", "List, test and call tools of the specs' servers."),
    },
    "Run": {
        "up": ("reconciler.cli.up", "Start everything: servers, specs and a runtime."),
        "runtime": ("reconciler.cli.runtime", "Run due work until told to stop."),
        "web": ("reconciler.cli.web", "Serve dashboard and HTTP API until told to stop."),
        "mcp": ("reconciler.cli.mcp", "Serve agents: look, operate and propose, over MCP."),
        "dashboard": ("runtime.cli.dashboard", "Print a link that signs in to the dashboard."),
        "token": ("runtime.cli.token", "Make, list and revoke tokens of the HTTP API."),
        "run": ("runtime.cli.run", "Run a task now."),
        "rerun": ("runtime.cli.rerun", "Run a run once more."),
        "emit": ("runtime.cli.emit", "Tell of an event, or answer a callback."),
        "backfill": ("runtime.cli.backfill", "Run what a task did not run in the past."),
        "settle": ("runtime.cli.settle", "Say what became of a call that may have happened."),
        "cancel": ("runtime.cli.cancel", "End a run before it is over."),
        "pause": ("runtime.cli.pause", "Let nothing of a task fire for a while."),
        "snooze": ("runtime.cli.snooze", "Leave out what a task would do for a while."),
        "resume": ("runtime.cli.resume", "End a task's pause."),
        "migrate": ("runtime.cli.migrate", "Bring the database schema to a version."),
    },
    "Look": {
        "status": (
            "runtime.cli.status",
            "Tell whether everything is all right, and what runs and is due.",
        ),
        "doctor": ("runtime.cli.doctor", "Look for what is wrong, and say what to do."),
        "top": ("runtime.cli.top", "Watch what runs, and how fast."),
        "logs": ("runtime.cli.logs", "Show what happened, and what happens."),
        "runs": ("runtime.cli.runs", "List runs, newest first."),
        "show": ("reconciler.cli.show", "Show one run in full, or one revision."),
        "spend": ("runtime.cli.spend", "Sum up what calls used up: tokens and money."),
        "calls": ("runtime.cli.calls", "List calls one by one, with what they used up."),
        "slo": ("runtime.cli.slo", "Tell how what is promised of tasks stands."),
        "why": ("runtime.cli.why", "Explain why a task ran, did not run, or ran late."),
        "history": ("reconciler.cli.history", "List what was applied, newest first."),
        "diff": ("reconciler.cli.diff", "Show what differs between two revisions."),
        "audit": ("runtime.cli.audit", "List who did what, and check that none of it changed."),
        "events": ("runtime.cli.events", "Show events from the stream, or follow them."),
    },
}
"""Every command by the section of the help it stands in: the module that holds it under its own name, and its summary."""

_SUMMARIES: Final = {name: text for rows in COMMANDS.values() for name, (_, text) in rows.items()}
_MODULES: Final = {
    name: module for rows in COMMANDS.values() for name, (module, _) in rows.items()
}


class UsageRefused(click.UsageError):
    """A command line that cannot be understood."""

    # click's own 2 means "changes are pending" in a pipeline that runs `plan --detailed-exitcode`.
    exit_code = EXIT_ERROR


class Ordinaut(click.Group):
    """A group that knows its commands by name and summary, and imports one when it is called."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        # Whatever it was started through, help and completion call it by its name.
        kwargs.setdefault("prog_name", "ordinaut")
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_MODULES)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        with collecting_nothing():
            command = getattr(import_module(_MODULES[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - what the table above promises
        _take_no_color(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        _note_json(ctx, args)
        if args[0] not in _MODULES and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(
                f"there is no command {args[0]!r}; {did_you_mean(args[0], _MODULES)}".rstrip("; "),
                ctx,
            )
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        for section, rows in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(8), text) for name, (_, text) in rows.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [
            CompletionItem(name, help=text)
            for name, text in _SUMMARIES.items()
            if name.startswith(incomplete)
        ]
        # The group's own answer would import every command to ask for its summary.
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the line apart; what no JSON, no database and no name of ours can hold is refused."""
        for word in args:
            if any("\ud800" <= character <= "\udfff" for character in word):
                raise click.UsageError(f"{word!r} is not text in UTF-8", ctx)
        return super().parse_args(ctx, args)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        words = tuple(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            if error.ctx is not None:
                _note_json(error.ctx, words)
                _answer(error.ctx, error)
            raise UsageRefused(error.format_message(), error.ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever goes wrong ends here."""
        _require_streams()
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            _answer(ctx, error)
            raise UsageRefused(error.format_message(), error.ctx) from None
        except KeyboardInterrupt:
            _hush()
            ctx.exit(EXIT_INTERRUPTED)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            # click ends these well, a closed pipe without a word.
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            _answer(ctx, error)
            ctx.exit(_report(error))


def _require_streams() -> None:
    """Let what is said where nobody listens, as `>&-` has it, go nowhere."""
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")


def _hush() -> None:
    """Say nothing of what an interrupt left half made: an event loop, a coroutine that nobody awaits."""
    import warnings  # noqa: PLC0415 - few commands are interrupted

    sys.unraisablehook = lambda _: None
    warnings.simplefilter("ignore")


def _no_color(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        # Errors are told from the outermost.
        ctx.color = ctx.find_root().color = False


_NO_COLOR: Final[Any] = {
    "is_flag": True,
    "is_eager": True,
    "expose_value": False,
    "callback": _no_color,
}


def _take_no_color(command: click.Command) -> None:
    """Let a command, or each of a group, take the option too: people write options behind."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _take_no_color(inner)
    elif not any(option.name == "no_color" for option in command.params):
        command.params.append(click.Option(["--no-color"], **_NO_COLOR, hidden=True))


def _note_json(ctx: click.Context, words: Sequence[str]) -> None:
    from runtime.cli.output import note_json  # noqa: PLC0415 - help and completion do without it

    note_json(ctx, words)


def _answer(ctx: click.Context, error: Exception) -> None:
    """Say in JSON what happened, if that was asked for and nothing was said yet."""
    from runtime.cli.output import owes_json  # noqa: PLC0415 - only errors need it

    if owes_json(ctx):
        from reconciler.cli.ending import tell_failure  # noqa: PLC0415 - as above

        tell_failure(error)


def _report(error: Exception) -> int:
    """Say what happened on stderr; returns the exit code."""
    if isinstance(error, OrdinautError):
        _tell(f"error {error.code}:", error.message, error.hint)
        return error.exit_code
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        _tell("error:", f"there is no room for what is to be written: {error}", "make some")
        return EXIT_ERROR
    what = " ".join(f"{type(error).__name__}: {error}".split())
    _tell("error:", what, "this is a defect; `ordinaut --debug COMMAND` shows where it happened")
    return EXIT_ERROR


def _tell(label: str, message: str, hint: str) -> None:
    from runtime.core.harmless import harmless  # noqa: PLC0415 - only errors need it

    first, *rest = message.splitlines() or [""]
    click.echo(f"{click.style(label, fg='red')} {harmless(first)}", err=True)
    # GitHub takes a line that begins with two colons, blanks before them or not, for a command; labels are ours alone.
    for line in filter(str.strip, [*rest, *hint.splitlines()]):
        is_command = line.lstrip().startswith("::")
        text = line.replace(":", "\\u003a", 1) if is_command else line
        click.echo(f"  {harmless(text)}", err=True)


@click.group(
    cls=Ordinaut,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Example:
  ordinaut validate && ordinaut plan && ordinaut apply
\b
Completion, in ~/.bashrc or ~/.zshrc (use zsh_source there):
  eval "$(_ORDINAUT_COMPLETE=bash_source ordinaut)"
""",
)
@click.version_option(
    package_name="ordinaut", prog_name="ordinaut", message="%(prog)s %(version)s"
)
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
@click.option("--no-color", **_NO_COLOR, help="Print no colours, as with NO_COLOR; also behind the command.")  # fmt: skip
def main(debug: bool) -> None:
    """Schedules as code for AI agents: YAML in git, plan, review, apply, run."""
