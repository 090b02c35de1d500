"""Tools that destroy something: known by the verb in their name, or by what their server said of them when it was locked.

What a server says is a claim, and so counts only where it makes a tool weigh more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from reconciler.core.desired import Desired, Key

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


def destroys_in(documents: Mapping[Key, Desired]) -> Callable[[str], bool]:
    """Whether a tool, by its absolute address, destroys something: by its name, or by what these specs lock it to.

    A server's body is looked at when one of its tools is asked about, which few plans do.
    """

    def answer(address: str) -> bool:
        server, _, tool = address.partition(".")
        found = documents.get(Key.of("ToolServer", server, "default"))
        locked = found.body.get("locked", {}) if found is not None else {}
        return destroys(address) or (tool in locked and locked[tool]["destructive"])

    return answer


def destroys(tool: str) -> bool:
    """Whether a tool, by its name, destroys something."""
    words = [word.lower() for word in _WORD.findall(tool.partition(".")[2])]
    return not _READS.intersection(words[:1]) and not _DESTROYS.isdisjoint(words)
