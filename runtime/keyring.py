"""Reads secrets where the Project says they are: in the environment, in files, or printed by programs.

The first two are read whenever they are asked for. A program may take seconds and ask another machine, so what it printed
is kept for as long as the Project says; whoever is about to need it collects it before. Nothing is written anywhere.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from runtime.asking import Answer, ask_program
from runtime.clock import Clock
from runtime.config import environment_variable, own_environment
from runtime.core.storable import storable_text
from runtime.errors import SecretUnreadable, ToolServerError
from runtime.service import end_tasks
from runtime.tools.definition import resolve_command
from runtime.tools.redact import Redactor
from schemas.durations import parse_duration
from schemas.project import SECRET_CACHE

Source: TypeAlias = Mapping[str, Any]
"""Where a secret is read, as a Project's body has it."""

_Command: TypeAlias = tuple[str, ...]

_SECONDS: Final = 30.0
_BYTES: Final = 65_536
# A vault that is restarted is back in seconds; who asks is a run that has just become due.
_TRY_AGAIN_SECONDS: Final = (1.0, 3.0)
# So long nobody asks again: of the runs of one instant, each would.
_FAILURE_CACHE: Final = timedelta(seconds=5)
_LONGEST_WORDS: Final = 300
_LONGEST_COMMAND: Final = 80


@dataclass(frozen=True, slots=True)
class _Printed:
    """What came of running a program, by our monotonic clock."""

    secret: str | SecretUnreadable
    read_at: float


class Keyring:
    """The secrets of one process. Close it when nobody reads any more.

    Args:
        folder: the project folder, which relative paths start from.
        clock: for how long programs may take, and what they printed is kept.
        databases: where the URLs of the databases are that `ordinaut up` made; None if it made none.
    """

    def __init__(self, folder: Path, clock: Clock, databases: Path | None = None) -> None:
        self._folder = folder
        self._databases = databases
        self._clock = clock
        self.redact = Redactor()
        """Blots out every secret that was read here."""
        self._printed: dict[_Command, _Printed] = {}
        self._asking: dict[_Command, asyncio.Task[None]] = {}

    def read(self, name: str, source: Source) -> str:
        """A secret; one that a program prints as it was when it was last collected.

        Raises:
            SecretUnreadable: ORD410, its source does not hold it.
        """
        place: _Command
        if "command" in source:
            place = _command(source)
            secret = self._read_printed(name, place)
        elif "env" in source:
            place = (source["env"],)
            secret = _read_variable(name, source["env"])
        elif "database" in source:
            place = ("database", source["database"])
            secret = _read_database(name, source["database"], self._databases)
        else:
            place = (source["file"],)
            secret = _read_file(name, source["file"], self._folder)
        self.redact.learn(secret, place)
        return secret

    def knows(self, source: Source) -> bool:
        """Whether it has not to be collected, or was before, however long ago."""
        return "command" not in source or _command(source) in self._printed

    def has(self, sources: Iterable[Source]) -> bool:
        """Whether none of these has to be collected."""
        return all("command" not in source or self._is_fresh(source) for source in sources)

    async def collect(self, sources: Iterable[Source]) -> None:
        """Have at hand what these are: programs whose secret is none, or too old, are run, side by side and each once.

        Whoever asks for the same program meanwhile waits for the same. A failure is told by `read`.
        """
        stale = {_command(one) for one in sources if "command" in one and not self._is_fresh(one)}
        for command in stale:
            if command not in self._asking:
                task = self._asking[command] = asyncio.create_task(self._ask(command))
                task.add_done_callback(partial(self._asked, command))
        # Whoever is cancelled leaves the others what they wait for.
        await asyncio.gather(*(asyncio.shield(self._asking[command]) for command in stale))

    def _read_printed(self, name: str, command: _Command) -> str:
        printed = self._printed.get(command)
        if printed is None:
            raise SecretUnreadable(f"secret {name} was not collected")
        if isinstance(printed.secret, SecretUnreadable):
            raise SecretUnreadable(f"secret {name} {printed.secret.message}")
        return printed.secret

    async def close(self) -> None:
        """End the programs that still run."""
        await end_tasks(tuple(self._asking.values()))

    def _asked(self, command: _Command, _: asyncio.Task[None]) -> None:
        del self._asking[command]

    def _is_fresh(self, source: Source) -> bool:
        printed = self._printed.get(_command(source))
        if printed is None:
            return False
        cache = parse_duration(source["cache"]) if "cache" in source else SECRET_CACHE
        if isinstance(printed.secret, SecretUnreadable):
            cache = min(cache, _FAILURE_CACHE)
        return self._clock.monotonic() - printed.read_at < cache.total_seconds()

    async def _ask(self, command: _Command) -> None:
        secret = await self._tried(command)
        for wait in _TRY_AGAIN_SECONDS:
            if isinstance(secret, str):
                break
            await self._clock.sleep(wait)
            secret = await self._tried(command)
        self._printed[command] = _Printed(secret, self._clock.monotonic())

    async def _tried(self, command: _Command) -> str | SecretUnreadable:
        """What a program prints, without its last newline, or why that is no secret."""
        secret = ""
        try:
            answer = await self._run(command)
            why = _complaint(answer)
            secret = answer.printed.decode().removesuffix("\n")
        except TimeoutError:
            why = f"did not answer within {_SECONDS:g} s"
        except UnicodeDecodeError:
            why = "printed what is no UTF-8"
        except ToolServerError as error:
            why = f"cannot be started: {error.message}"
        except (OSError, ValueError) as error:
            why = f"cannot be started: {error}"
        return _unread(command, why) if why else secret

    async def _run(self, command: _Command) -> Answer:
        environment = own_environment()
        path = environment.get("PATH", "")
        program = resolve_command(command[0], project=self._folder, search_path=path)
        return await ask_program(
            [program, *command[1:]],
            cwd=self._folder,
            env=environment,
            clock=self._clock,
            seconds=_SECONDS,
            most=_BYTES,
        )


def _complaint(answer: Answer) -> str:
    """Why what a program printed is no secret; empty if it is one."""
    if len(answer.printed) > _BYTES:
        return f"printed more than {_BYTES:,} bytes"
    if answer.code != 0:
        return f"ended with {answer.code}{_last_words(answer.said)}"
    return "" if answer.printed.strip() else "printed nothing"


def _read_variable(name: str, variable: str) -> str:
    found = environment_variable(variable)
    if found is None:
        raise SecretUnreadable(
            f"secret {name} is read from the environment variable {variable}, which is not set"
        )
    return found


def _read_file(name: str, file: str, folder: Path) -> str:
    try:
        return (folder / file).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretUnreadable(f"secret {name} could not be read from {file}: {error}") from error


def _read_database(name: str, database: str, folder: Path | None) -> str:
    try:
        if folder is not None:
            return (folder / database).read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise SecretUnreadable(
            f"secret {name}, the URL of the database {database}, could not be read: {error}"
        ) from error
    raise SecretUnreadable(
        f"secret {name} is the URL of the database {database}, which there is not: "
        "`ordinaut up` makes it in its embedded PostgreSQL",
        hint="with a PostgreSQL of your own, give the secret an env, a file or a command in the overlay of an environment",
    )


def _command(source: Source) -> _Command:
    return tuple(source["command"])


def _unread(command: _Command, why: str) -> SecretUnreadable:
    shown = shlex.join(command)
    if len(shown) > _LONGEST_COMMAND:
        shown = f"{shown[:_LONGEST_COMMAND]}…"
    return SecretUnreadable(f"could not be read: `{shown}` {why}")


def _last_words(said: bytes) -> str:
    lines = [
        line for line in storable_text(said.decode(errors="replace")).splitlines() if line.strip()
    ]
    return f": {lines[-1].strip()[:_LONGEST_WORDS]}" if lines else ""
