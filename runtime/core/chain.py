"""The chain of the audit log: each entry's hash is that of the one before and of its own columns.

It is computed here as well as in the database (`ordinaut.audit_hash`), so that whoever changes the database changes only one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from schemas.audit import AuditVerification, BrokenChain

START: Final = sha256(b"ordinaut audit").digest()
"""What the first entry is chained to."""


def chained(previous: bytes, columns: Sequence[str | None]) -> bytes:
    """The hash of an entry: sha256 over the hash before it and each column as its length, a colon and its text; null is `-`.

    Args:
        previous: the hash of the entry before.
        columns: number, time, actor, origin, token, address, action, subject, reason and details.
    """
    text = "".join("-" if one is None else f"{len(one)}:{one}" for one in columns)
    return sha256(previous + text.encode()).digest()


@dataclass(slots=True)
class Chain:
    """Follows entries in their order, until one does not hold.

    Attributes:
        last: the last entry that holds; before any, the one that it begins after.
        hash: its hash.
        noted: an entry, and the hash that somebody noted of it elsewhere.
        verified: how many hold.
        first: the first of them.
        broken: what was found.
    """

    last: int = 0
    hash: bytes = START
    noted: tuple[int, bytes] | None = None
    verified: int = 0
    first: int | None = None
    broken: BrokenChain | None = None

    def follow(self, entry: int, columns: Sequence[str | None], stored: bytes) -> bool:
        """Look at the next entry; false, from then on, if it does not hold."""
        if self.broken is None and (what := self._wrong(entry, columns, stored)) is not None:
            self.broken = BrokenChain(entry=min(entry, self.last + 1), what=what)
        elif self.broken is None:
            self.last, self.hash = entry, stored
            self.verified += 1
            self.first = self.first or entry
        return self.broken is None

    def end(self, head: tuple[int, bytes] | None) -> None:
        """Compare with the head, which says what was written last; none if somebody deleted it."""
        if self.broken is not None:
            return
        if head is None:
            what = "the head of the chain, which says that it was written last, is missing"
            self.broken = BrokenChain(entry=self.last, what=what)
            return
        entry, stored = head
        newest = max(entry, self.noted[0] if self.noted else 0)
        if self.last < newest:
            what = "it is missing: entries were deleted from the end"
            self.broken = BrokenChain(entry=self.last + 1, what=what)
        elif (self.last, self.hash) != (entry, stored):
            what = "it is not what was written last, by the head of the chain"
            self.broken = BrokenChain(entry=self.last, what=what)

    def report(self) -> AuditVerification:
        """What was found so far."""
        return AuditVerification(
            verified=self.verified,
            first=self.first,
            last=self.last if self.verified else None,
            hash=self.hash.hex() if self.verified else None,
            broken=self.broken,
        )

    def _wrong(self, entry: int, columns: Sequence[str | None], stored: bytes) -> str | None:
        if entry > self.last + 1:
            return "it is missing"
        if entry <= self.last:
            return "it was added: what is written comes after every other"
        if chained(self.hash, columns) != stored:
            return "it is not what was written, or what came before it is not"
        if self.noted is not None and self.noted[0] == entry and self.noted[1] != stored:
            return "its hash is not the one that was noted"
        return None
