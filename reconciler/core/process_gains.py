"""What a change of the Project has `ordinaut up` run beside itself."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from schemas.plan import FieldChange


def processes_in(body: Mapping[str, Any]) -> dict[str, str]:
    """The processes of a Project, as one would type them, by name."""
    return {
        name: shlex.join([process["command"], *map(str, process.get("args", ()))])
        for name, process in sorted((body.get("processes") or {}).items())
    }


def processes_gained(ops: Collection[FieldChange]) -> Iterator[str]:
    """The names of processes that are new, or for which something else is run."""
    for op in ops:
        match op.path.split("/")[1:]:
            case ["processes"]:
                before, after = op.before or {}, op.after or {}
                yield from (name for name in after if before.get(name) != after[name])
            case ["processes", name] if op.after is not None:
                yield name
            case ["processes", name, "command" | "args" | "cwd" | "env", *_]:
                yield name
            case _:
                pass
