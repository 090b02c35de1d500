"""Options that many commands share: settings that a flag may override, `--json`, spans of time, and `name=value` pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click
import orjson

from runtime.config import Config
from schemas.durations import format_duration, parse_duration

Command = Callable[..., None]

_SETTINGS: Final[dict[str, tuple[str, Any, str]]] = {
    "database_url": ("URL", str, "PostgreSQL; the embedded one when left out."),
    "redis_url": ("URL", str, "Redis or Valkey; the embedded one when left out."),
    "state_dir": ("FOLDER", click.Path(path_type=Path), "Where the embedded servers keep their data."),
    "specs": ("FOLDER", click.Path(path_type=Path), "The specs folder."),
    "environment": ("NAME", str, "The environment of the Project document."),
    "processes": ("N", click.IntRange(1), "How many processes to keep running."),
    "listen": ("HOST:PORT", str, "Where to listen; 127.0.0.1:8470 when left out."),
    "public_url": ("URL", str, "How it is reached, where that is not where it listens."),
    "otlp_endpoint": ("URL", str, "The collector that traces are sent to, by OTLP over HTTP."),
    "otlp_traces_endpoint": ("URL", str, "The whole address that it takes traces at."),
    "log_level": ("LEVEL", str, "debug, info, warning or error."),
    "mcp_token": ("TOKEN", str, "As whom it acts; whoever starts it when left out."),
    "webhook_secret_file": ("FILE", click.Path(path_type=Path), "The secret that wake-ups are signed with."),
}  # fmt: skip

# Flags that are not called as their setting.
_FLAGS: Final = {"environment": "--env", "mcp_token": "--token"}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")  # fmt: skip
"""The flag `--json`, which the command receives as `as_json`."""

reason_option = click.option(
    "--reason", metavar="TEXT", default="", help="Why; it is kept in the audit log."
)
"""The option `--reason`, of commands whose subject keeps no reason of its own."""

FAILING: Final = {"error": ("error",), "warning": ("error", "warning")}
"""The severities that end a command with 1, by the value of `--fail-on`."""

failing_option = click.option(
    "--fail-on",
    type=click.Choice(tuple(FAILING)),
    default="error",
    show_default=True,
    help="What ends the command with 1.",
)
"""The option `--fail-on`, which the command receives as a key of `FAILING`."""


class Span(click.ParamType):  # type: ignore[type-arg]  # our oldest click knows no argument
    """A span of time as people write it, such as `1h30m`; the command receives a timedelta."""

    name = "span"

    def __init__(self, least: timedelta = timedelta(0)) -> None:
        self._least = least

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            span = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if span < self._least:
            self.fail(f"{format_duration(self._least)} is the least", param, ctx)
        return span


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


class Since(click.ParamType):  # type: ignore[type-arg]  # our oldest click knows no argument
    """An instant, or how long ago; the command receives an aware datetime, or a timedelta."""

    name = "since"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | timedelta:
        try:
            return parse_duration(value)
        except ValueError:
            pass
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a span such as 7d nor a date", param, ctx)
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
