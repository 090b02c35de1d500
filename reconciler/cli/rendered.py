"""`ordinaut plan --rendered`: the documents that a plan plans with."""

from __future__ import annotations

from functools import wraps
from typing import Any, Final

import click

from reconciler.cli.showing import problems_shown
from reconciler.load import compile_source
from reconciler.planning import require_sound
from reconciler.source import read_source
from runtime.cli.options import Command
from runtime.cli.output import echo, echo_json
from runtime.config import Config

_ALL: Final = "*"
_TEXT: Final = "Show a document, or all, as it is in the environment, instead of a plan: a task's name, or KIND/NAME."


def rendered_option(command: Command) -> Command:
    """The option `--rendered`, which answers instead of the command; its value may be left out."""

    @wraps(command)
    def call(*, rendered: str | None, config: Config, as_json: bool, **others: Any) -> None:
        if rendered is None:
            command(config=config, as_json=as_json, **others)
        elif any(others.values()):
            raise click.UsageError("--rendered shows documents: leave out the options of a plan")
        else:
            print_rendered(config, rendered, as_json=as_json)

    option = click.option(
        "--rendered", is_flag=False, flag_value=_ALL, metavar="[KEY]", help=_TEXT
    )
    return option(call)


def print_rendered(config: Config, what: str, *, as_json: bool) -> None:
    """Print a document as it is in the environment, or all of them.

    Raises:
        NotFound: there is none.
        SpecError: the specs hold errors, which have been printed.
    """
    from reconciler.core.exporting import as_yaml  # noqa: PLC0415 - every plan would wait for it
    from reconciler.core.rendering import rendered  # noqa: PLC0415 - as above
    from reconciler.past import key_of_text  # noqa: PLC0415 - as above
    from runtime.core.leaks.secrets import hidden, secrets_in  # noqa: PLC0415 - as above

    source = read_source(config.specs)
    specs = compile_source(source, config.environment)
    with problems_shown(source):
        require_sound(specs)
    documents = [
        # Where the Project lets a secret pass, it is not shown nevertheless.
        hidden(one, secrets_in(one) - {text for _, text in specs.excused})
        for one in rendered(specs, None if what == _ALL else key_of_text(what))
    ]
    if as_json:
        echo_json(documents)
    else:
        echo("---\n".join(map(as_yaml, documents)).rstrip("\n"))
