"""What a change of the Project has the runtime run, or run anew, to read its secrets."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from schemas.plan import FieldChange


def commands_in(body: Mapping[str, Any]) -> dict[str, str]:
    """The programs that print a Project's secrets, as one would type them, by the name of the secret."""
    sources = body.get("secrets") or {}
    return {
        name: shlex.join(map(str, source["command"]))
        for name, source in sources.items()
        if "command" in source
    }


def commands_gained(ops: Collection[FieldChange]) -> Iterator[str]:
    """The names of the secrets for which something else is run."""
    for op in ops:
        match op.path.split("/")[1:]:
            case ["secrets"]:
                before, after = (
                    commands_in({"secrets": value}) for value in (op.before, op.after)
                )
                yield from (name for name in after if before.get(name) != after[name])
            case ["secrets", name]:
                before, after = (
                    commands_in({"secrets": {name: value or {}}})
                    for value in (op.before, op.after)
                )
                yield from (name for name in after if before.get(name) != after[name])
            case ["secrets", name, "command", *_] if op.after is not None:
                yield name
            case _:
                pass
