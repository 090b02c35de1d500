"""Cuts what a server writes to its stdout into lines, in bounded memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

EDGE_BYTES: Final = 400
_ID_FIRST: Final = re.compile(rb'^\s*\{(?:"jsonrpc":\s*"2\.0",\s*)?"id":\s*(\d{1,18})\s*,')
_ID_LAST: Final = re.compile(rb'"id":\s*(\d{1,18})\s*(?:,\s*"jsonrpc":\s*"2\.0"\s*)?\}?\s*$')


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        text: the line without its end; only both its edges if `oversize`.
        size: its real length in bytes.
        oversize: whether it was longer than accepted, and most of it dropped.
    """

    text: bytes
    size: int
    oversize: bool = False

    def answered_id(self) -> int | None:
        """The request that this line seems to answer, for lines that cannot be parsed.

        JSON-RPC writers put the id before the result or after it, so it stands near one of the ends.
        """
        found = _ID_FIRST.search(self.text[:EDGE_BYTES]) or _ID_LAST.search(
            self.text[-EDGE_BYTES:]
        )
        return int(found.group(1)) if found else None


class Framer:
    """Turns chunks into lines; of a line longer than `limit` bytes only the edges are kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Line]:
        """The lines that end in this chunk."""
        *ends, rest = chunk.split(b"\n")
        lines = []
        for end in ends:
            self._add(end)
            lines.append(Line(b"".join(self._parts), self._size, self._size > self._limit))
            self._parts, self._size = [], 0
        self._add(rest)
        return lines

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._limit:
            whole = b"".join(self._parts)
            self._parts = [whole[:EDGE_BYTES], whole[-EDGE_BYTES:]]
