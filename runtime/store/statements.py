"""Named SQL: every statement lives in `sql/*.sql` under a line `-- name: verb_object`, and is asked for by that name.

Statements are bytes, which psycopg accepts as a query without a cast; nothing is ever interpolated into them.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_MARK = re.compile(rb"^-- name: ([a-z_]+)\n", re.MULTILINE)


@cache
def statement(name: str) -> bytes:
    """The text of the statement with this name.

    Raises:
        KeyError: there is none; a mistake in the program.
    """
    return _all_statements()[name]


@cache
def _all_statements() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in (resources.files(__package__) / "sql").iterdir():
        if not entry.name.endswith(".sql"):
            continue
        _, *parts = _MARK.split(entry.read_bytes())
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            key = name.decode()
            if key in found:
                raise KeyError(f"statement {key} is defined twice")
            found[key] = text.strip()
    return found
