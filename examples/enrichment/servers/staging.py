"""Ingestion, and nothing else: files that clients uploaded become raw rows, whatever stands in them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

from database import pool, rows, statement
from mcp.server.mcpserver import MCPServer

UPLOADS = Path(os.environ["UPLOADS"])

server = MCPServer("staging")


@server.tool()
def list_new() -> dict[str, Any]:
    """Files in the uploads folder that are not staged."""
    known = {(one["client"], one["digest"]) for one in rows("list_staged")}
    return {
        "files": [file.name for file in files() if (client_of(file), digest_of(file)) not in known]
    }


@server.tool()
def stage(file: str) -> dict[str, Any]:
    """Keep every row of an upload as it is, under the client that its name begins with."""
    path = next(one for one in files() if one.name == file)
    raw = read(path)
    upload = {
        "client": client_of(path),
        "file": file,
        "digest": digest_of(path),
        "rows": len(raw),
    }
    with pool().connection() as connection:
        made = connection.execute(statement("stage_upload"), upload).fetchone()
        if made is not None:
            given = {"upload_id": made["upload_id"], "rows": json.dumps(raw)}
            connection.execute(statement("stage_rows"), given)
    return {"client": upload["client"], "rows": len(raw), "is_new": made is not None}


def files() -> list[Path]:
    """Uploads, in the order of their names."""
    return sorted(path for path in UPLOADS.iterdir() if path.suffix in {".csv", ".gz"})


def client_of(path: Path) -> str:
    """Whose upload it is."""
    return path.name.partition("-")[0]


def digest_of(path: Path) -> str:
    """By what the same file is known again."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(path: Path) -> list[dict[str, str | None]]:
    """The rows of a file in whichever encoding and with whichever delimiter it came."""
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")
    head = text.partition("\n")[0]
    delimiter = max(",;|\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="(rest)")
    # NUL is the one thing that PostgreSQL cannot keep.
    return json.loads(json.dumps(list(reader)).replace("\\u0000", "\\ufffd"))  # type: ignore[no-any-return] # as it was


if __name__ == "__main__":
    server.run()
