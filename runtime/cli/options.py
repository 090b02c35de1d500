"""Options that many commands share: settings that a flag may override, `--json`, and `name=value` pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click
import orjson

from runtime.config import Config

Command = Callable[..., None]

_SETTINGS: Final[dict[str, tuple[str, Any, str]]] = {
    "database_url": ("URL", str, "PostgreSQL; the embedded one when left out."),
    "redis_url": ("URL", str, "Redis or Valkey; the embedded one when left out."),
    "state_dir": ("FOLDER", click.Path(path_type=Path), "Where the embedded servers keep their data."),
    "specs": ("FOLDER", click.Path(path_type=Path), "The specs folder."),
    "environment": ("NAME", str, "The environment of the Project document."),
    "processes": ("N", click.IntRange(1), "How many processes to keep running."),
    "log_level": ("LEVEL", str, "debug, info, warning or error."),
    "webhook_secret_file": ("FILE", click.Path(path_type=Path), "The secret that wake-ups are signed with."),
}  # fmt: skip

# Flags that are not called as their setting.
_FLAGS: Final = {"environment": "--env"}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")  # fmt: skip
"""The flag `--json`, which the command receives as `as_json`."""


def configured(*settings: str) -> Callable[[Command], Command]:
    """Give a command a flag for each of these settings, and the whole configuration as `config`."""

    def decorate(function: Command) -> Command:
        @wraps(function)
        def call(**values: Any) -> None:
            flags = {name: values.pop(name) for name in settings}
            function(config=Config.load(flags), **values)

        command: Command = call
        for name in reversed(settings):
            metavar, kind, text = _SETTINGS[name]
            flag = _FLAGS.get(name, "--" + name.replace("_", "-"))
            command = click.option(flag, name, metavar=metavar, type=kind, help=text)(command)
        return command

    return decorate


def named_values(pairs: Iterable[str]) -> dict[str, Any]:
    """`name=value` pairs, each value as JSON or else as text.

    Raises:
        click.BadParameter: a pair has no name or no `=`.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r} is not of the form NAME=VALUE")
        try:
            values[name] = orjson.loads(text)
        except orjson.JSONDecodeError:
            values[name] = text
    return values
