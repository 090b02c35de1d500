"""The only reader of the environment: one frozen, validated configuration, made once.

Precedence: flag, then environment variable `ORDINAUT_…`, then `ordinaut.toml` in the working folder, then the default.
`docs/configuration.md` lists every setting.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from runtime.addresses import DEFAULT_LISTEN, joined, parse_address
from runtime.errors import ConfigError
from schemas.durations import format_duration, parse_duration

CONFIG_FILE: Final = "ordinaut.toml"
_PREFIX: Final = "ORDINAUT_"
_REDIS_SCHEMES: Final = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
# What OpenTelemetry calls them, and we do; ours, given anywhere, come before all of these.
_STANDARD: Final = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "otlp_endpoint",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "otlp_traces_endpoint",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting of the program.

    Attributes:
        database_url: PostgreSQL, as a URL or libpq string; None means the embedded one.
        direct_url: PostgreSQL itself, where database_url leads through a pooler: for wake-ups, commands and migrations.
        redis_url: Redis or Valkey, one server, Sentinels or a cluster; None means the embedded one.
        state_dir: where embedded servers, process records, logins and compiled specs live; beside the specs if not said.
        specs: the specs folder.
        environment: which environment of the Project document is meant.
        processes: how many processes `ordinaut runtime` keeps running.
        concurrency: how many runs one runtime process executes at once.
        lease: how long a claimed run stays with a runtime that says nothing; also the recovery time after a crash.
        poll: the longest time between two looks at the database, should every wake-up be lost.
        silence: how long a database may say nothing before a connection is given up, and the work on it tried again.
        stall: how long a part of a runtime may make no progress before the runtime ends; longer than twice the silence.
        grace: how long a stopping runtime waits for its runs.
        keep_runs: how long what ran is kept, by its occurrence, rounded up to whole months; what is not over stays.
        keep_events: how long published events are kept in the database, to be published again; rounded up likewise.
        stream: the Redis stream that every event goes to.
        stream_length: about how many events the stream keeps.
        topic_streams: types of events that have a stream of their own too, as globs with blanks between them.
        log_level: debug, info, warning or error.
        log_format: json or text; None means text on a terminal, else JSON.
        listen: where `ordinaut web` listens, as HOST:PORT or a PORT of 127.0.0.1; None means 127.0.0.1:8470.
        public_url: how people and tools reach `ordinaut web`, where that is not where it listens.
        otlp_endpoint: the collector that `ordinaut web` sends traces to, by OTLP over HTTP, without /v1/traces.
        otlp_traces_endpoint: the whole address that it takes traces at, where that is not otlp_endpoint with /v1/traces.
        mcp_token: as whom `ordinaut mcp` acts: a token of `ordinaut token create`; None means whoever starts it.
        webhook_secret_file: a file with the secret that wake-ups of `ordinaut sync` are signed with, or several, one a line.
    """

    database_url: str | None = field(default=None, repr=False)
    direct_url: str | None = field(default=None, repr=False)
    redis_url: str | None = field(default=None, repr=False)
    state_dir: Path = Path(".ordinaut")
    specs: Path = Path("specs")
    environment: str = "default"
    processes: int = 1
    concurrency: int = 32
    lease: timedelta = timedelta(seconds=15)
    poll: timedelta = timedelta(seconds=5)
    silence: timedelta = timedelta(seconds=15)
    stall: timedelta = timedelta(minutes=1)
    grace: timedelta = timedelta(seconds=20)
    keep_runs: timedelta = timedelta(days=400)
    keep_events: timedelta = timedelta(days=30)
    stream: str = "ordinaut:events"
    stream_length: int = 100_000
    topic_streams: tuple[str, ...] = ()
    log_level: str = "info"
    log_format: str | None = None
    listen: str | None = None
    public_url: str | None = None
    otlp_endpoint: str | None = None
    otlp_traces_endpoint: str | None = None
    mcp_token: str | None = field(default=None, repr=False)
    webhook_secret_file: Path | None = field(default=None, repr=False)

    @property
    def web_url(self) -> str:
        """Where people and tools reach `ordinaut web`, by the settings."""
        return self.public_url or f"http://{joined(*parse_address(self.listen or DEFAULT_LISTEN))}"

    @property
    def project(self) -> Path:
        """The project folder, which holds the specs folder, and which commands of specs are relative to."""
        named = self.specs.name not in {"", ".."}
        return self.specs.parent if named else Path(os.path.normpath(self.specs.absolute())).parent

    @property
    def databases(self) -> Path:
        """Where `ordinaut up` writes the URLs of the databases that specs ask for."""
        return self.state_dir / "databases"

    @property
    def traces_url(self) -> str | None:
        """Where traces are sent to; None where they are not."""
        if self.otlp_traces_endpoint is not None:
            return self.otlp_traces_endpoint
        return None if self.otlp_endpoint is None else f"{self.otlp_endpoint}/v1/traces"

    @classmethod
    def load(
        cls,
        flags: Mapping[str, object] | None = None,
        *,
        environ: Mapping[str, str] = os.environ,  # noqa: TID251 - this module is the one reader
        folder: Path | None = None,
    ) -> Self:
        """Read all sources and validate the result.

        Args:
            flags: settings given on the command line; None values count as not given.
            environ: the environment.
            folder: where `ordinaut.toml` is looked for; the working folder when None.

        Raises:
            ConfigError: ORD306, naming the setting, its source and what it may be.
        """
        given = _from_file((folder or Path()) / CONFIG_FILE, cls._names())
        given |= {
            name: environ[_PREFIX + name.upper()]
            for name in cls._names()
            if environ.get(_PREFIX + name.upper())
        }
        chosen = {name: value for name, value in (flags or {}).items() if value is not None}
        if "database_url" in chosen:
            # It leads to another database than the environment and the file speak of.
            given.pop("direct_url", None)
        given |= chosen
        if not given.keys() & set(_STANDARD.values()):
            given |= {ours: environ[name] for name, ours in _STANDARD.items() if environ.get(name)}
        config = cls(**{name: _convert(name, value) for name, value in given.items()})
        if "state_dir" not in given and config.specs.is_dir():
            # What belongs to a project stays with it, from wherever it is worked on. Where the specs are not of this
            # machine, but of a repository to come, it is the working folder.
            config = replace(config, state_dir=config.project / config.state_dir)
        if config.direct_url is not None and config.database_url is None:
            raise ConfigError(
                "setting direct_url: it is the direct way to a database that database_url names, and there is none",
                hint="set ORDINAUT_DATABASE_URL to the pooler, or to the same",
            )
        if config.stall <= 2 * config.silence:
            raise ConfigError(
                "setting stall: must be longer than twice the silence, which a part of a runtime may have to wait through",
                hint=f"silence is {format_duration(config.silence)}",
            )
        return config

    def as_flags(self) -> dict[str, str | int]:
        """What another process gives to `load` to have the same settings."""
        set_ = {name: getattr(self, name) for name in self._names()}
        return {name: _plain(value) for name, value in set_.items() if value not in (None, ())}

    @property
    def logs_as_json(self) -> bool | None:
        """Whether logs are JSON; None where that depends on the terminal."""
        return None if self.log_format is None else self.log_format == "json"

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(setting.name for setting in fields(cls))


def base_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:  # noqa: TID251 - as above
    """The few variables that every child process gets; nothing else of ours leaks to it."""
    passed = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")
    return {name: environ[name] for name in passed if name in environ}


def network_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:  # noqa: TID251 - as above
    """Beside those of `base_environment`, what a child needs that reaches other machines: keys, proxies, certificates."""
    proxies = ("all_proxy", "http_proxy", "https_proxy", "no_proxy", "ALL_PROXY", "HTTPS_PROXY", "NO_PROXY")  # fmt: skip
    passed = ("SSH_AUTH_SOCK", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", *proxies)
    return {name: environ[name] for name in passed if name in environ}


def own_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:  # noqa: TID251 - as above
    """All of our environment but Ordinaut's own settings: for programs that act as we do, and must know who we are elsewhere."""
    return {name: value for name, value in environ.items() if not name.startswith(_PREFIX)}


def environment_variable(name: str, environ: Mapping[str, str] = os.environ) -> str | None:  # noqa: TID251 - as above
    """The value of a variable that a secret refers to."""
    return environ.get(name)


def _from_file(path: Path, names: tuple[str, ...]) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            import tomllib  # noqa: PLC0415 - few have such a file

            table = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} could not be read: {error}") from error
    unknown = sorted(set(table) - set(names))
    if unknown:
        raise ConfigError(
            f"{path}: unknown setting {unknown[0]}", hint=f"settings are: {', '.join(names)}"
        )
    return table


def _convert(name: str, value: object) -> Any:
    try:
        return _CONVERSIONS[name](value)
    except ValueError as error:
        raise ConfigError(f"setting {name}: {error}") from error


def _plain(value: object) -> str | int:
    match value:
        case timedelta():
            return format_duration(value)
        case Path():
            return str(value.absolute())
        case str() | int():
            return value
        case tuple():
            return " ".join(value)
        case _:
            raise TypeError(f"{value!r} is no setting")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _positive_span(value: object) -> timedelta:
    span = value if isinstance(value, timedelta) else parse_duration(_text(value))
    if span <= timedelta(0):
        raise ValueError("must be longer than zero")
    return span


def _positive_count(value: object) -> int:
    count = int(str(value))
    if count < 1:
        raise ValueError("must be at least 1")
    return count


def _redis_url(value: object) -> str:
    text = _text(value)
    parts = urlsplit(text)
    if parts.scheme not in _REDIS_SCHEMES:
        raise ValueError(f"must begin with one of {'://, '.join(_REDIS_SCHEMES)}://")
    if parts.scheme.endswith("+sentinel") and not parts.path.strip("/"):
        raise ValueError(
            "must name the service behind the hosts, as in redis+sentinel://one,two/SERVICE"
        )
    return text


def _web_url(value: object) -> str:
    text = _text(value).rstrip("/")
    parts = urlsplit(text)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.query
        or parts.username
    ):
        raise ValueError(
            "must be the URL that people reach it under, such as https://ordinaut.example"
        )
    return text


def _globs(value: object) -> tuple[str, ...]:
    return tuple(_text(value).replace(",", " ").split())


def _stream(value: object) -> str:
    text = _text(value)
    if {"{", "}"} & set(text) and not re.fullmatch(r"[^{}]*\{[^{}]+\}[^{}]*", text):
        raise ValueError("braces in it must hold a hash tag, as in {ordinaut}:events")
    return text


def _log_format(value: object) -> str:
    if value not in ("json", "text"):
        raise ValueError("must be json or text")
    return str(value)


def _level(value: object) -> str:
    text = _text(value).lower()
    if text not in {"debug", "info", "warning", "error"}:
        raise ValueError("must be debug, info, warning or error")
    return text


_CONVERSIONS: Final = {
    "database_url": _text,
    "direct_url": _text,
    "redis_url": _redis_url,
    "state_dir": _path,
    "specs": _path,
    "environment": _text,
    "processes": _positive_count,
    "concurrency": _positive_count,
    "lease": _positive_span,
    "poll": _positive_span,
    "silence": _positive_span,
    "stall": _positive_span,
    "grace": _positive_span,
    "keep_runs": _positive_span,
    "keep_events": _positive_span,
    "stream": _stream,
    "stream_length": _positive_count,
    "topic_streams": _globs,
    "log_level": _level,
    "log_format": _log_format,
    "listen": _text,
    "public_url": _web_url,
    "otlp_endpoint": _web_url,
    "otlp_traces_endpoint": _web_url,
    "mcp_token": _text,
    "webhook_secret_file": _path,
}
