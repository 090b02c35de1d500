"""Tools that destroy something, known by the verb in their name: what a server says of them is not known to a plan."""

from __future__ import annotations

import re
from typing import Final

_DESTROYS: Final = frozenset(
    {
        "clear",
        "delete",
        "destroy",
        "drop",
        "erase",
        "kill",
        "purge",
        "remove",
        "revoke",
        "terminate",
        "truncate",
        "uninstall",
        "wipe",
    }
)
# A tool whose name begins so tells of something, whatever that is.
_READS: Final = frozenset(
    {"check", "count", "describe", "find", "get", "has", "is", "list", "preview", "query", "read"}
    | {"search", "show", "status", "view"}
)
_WORD: Final = re.compile(r"[a-z]+|[A-Z][a-z]*")


def destroys(tool: str) -> bool:
    """Whether a tool, by its name, destroys something."""
    words = [word.lower() for word in _WORD.findall(tool.partition(".")[2])]
    return not _READS.intersection(words[:1]) and not _DESTROYS.isdisjoint(words)
