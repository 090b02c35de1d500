"""Ingestion, and nothing else: files that clients uploaded become raw rows, whatever stands in them."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import json
import os
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from database import pool, rows, statement
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

UPLOADS = Path(os.environ["UPLOADS"])
# Of one file, unpacked.
MOST_BYTES = 200_000_000

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
    """Keep every row of an upload as it is, under the client that its name begins with. One that cannot be read is noted as such."""
    path = next((one for one in files() if one.name == file), None)
    if path is None:
        raise ToolError(f"there is no upload {file}")
    content = path.read_bytes()
    raw, problem = [], None
    try:
        raw = read(unpacked(content) if path.suffix == ".gz" else content)
    except (EOFError, ValueError, csv.Error, gzip.BadGzipFile, zlib.error) as error:
        problem = str(error)
    upload = {"client": client_of(path), "file": file, "rows": len(raw), "problem": problem}
    with pool().connection() as connection:
        given = {**upload, "digest": hashlib.sha256(content).hexdigest()}
        made = connection.execute(statement("stage_upload"), given).fetchone()
        if made is not None:
            given = {"upload_id": made["upload_id"], "rows": json.dumps(raw)}
            connection.execute(statement("stage_rows"), given)
    if problem is not None:
        raise ToolError(f"{file} cannot be read: {problem}")
    return {"client": upload["client"], "rows": len(raw), "is_new": made is not None}


def files() -> list[Path]:
    """Uploads, in the order of their names."""
    return sorted(path for path in UPLOADS.iterdir() if path.suffix in {".csv", ".gz"})


def client_of(path: Path) -> str:
    """Whose upload it is."""
    return path.name.partition("-")[0]


def digest_of(path: Path) -> str:
    """By what the same file is known again."""
    about = path.stat()
    return _digest(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=10_000)
def _digest(path: Path, *_: int) -> str:
    """That of a file as it was then, which is not read again until it changes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpacked(content: bytes) -> bytes:
    """What is in a gzip file, unless that is more than anybody uploads."""
    with gzip.open(io.BytesIO(content)) as file:
        found = file.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise ValueError(f"it holds more than {MOST_BYTES:,} bytes")
    return found


def read(content: bytes) -> list[dict[str, Any]]:
    """The rows of a file in whichever encoding and with whichever delimiter it came."""
    # NUL is the one thing that PostgreSQL cannot keep.
    text = decoded(content).replace("\0", "\ufffd")
    head = text.partition("\n")[0]
    delimiter = max(",;|\t", key=head.count)
    lines = io.StringIO(text, newline="")
    names: list[str] = []
    for name in next(csv.reader(lines, delimiter=delimiter), []):
        while name in names:
            name = f"{name} (2)"  # noqa: PLW2901 - until no other column is called so
        names.append(name)
    return list(csv.DictReader(lines, names, delimiter=delimiter, restkey="(rest)"))


def decoded(content: bytes) -> str:
    """A text, by its first bytes or by what it may be."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Every byte is a letter in it, if not always the right one.
        return content.decode("cp1252", errors="replace")


if __name__ == "__main__":
    server.run()
