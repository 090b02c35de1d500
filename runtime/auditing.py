"""Whether the chain of the audit log holds: every entry is read once, in order, a page at a time."""

from __future__ import annotations

from collections.abc import Callable

from runtime.core.chain import START, Chain
from runtime.errors import OrdinautError
from runtime.store.audit import OLDEST, Link, read_audit, read_audit_head
from runtime.store.rows import Connection
from runtime.store.statements import statement
from schemas.audit import AuditVerification, BrokenChain

_TOLD_EVERY = 10_000


class BrokenAudit(OrdinautError):
    """The audit log is not what was written."""

    default_code = "ORD324"


def verify_audit(
    connection: Connection,
    noted: tuple[int, bytes] | None = None,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> AuditVerification:
    """Compute every hash again, and compare the end with the head.

    Args:
        connection: the database, in autocommit mode, with or without the right to write.
        noted: an entry with the hash that was noted of it elsewhere; then the chain is followed from there. Nobody who rewrote
            an entry up to that one could give it this hash.
        tell: called now and then with how many were looked at, and how many there are about.
    """
    with connection.transaction():
        connection.execute(statement("read_as_of_now"))
        head = read_audit_head(connection)
        newest = 0 if head is None else head[0]
        begin = 1 if noted is None else noted[0]
        chain = Chain(last=begin - 1, hash=_hash_before(connection, begin), noted=noted)
        if head is not None and noted is not None and noted[0] > newest:
            chain.broken = BrokenChain(
                entry=newest + 1, what="it is missing: entries were deleted from the end"
            )
        # Nobody but whoever adds entries past the program gives them numbers before the first.
        for link in read_audit(connection, OLDEST if noted is None else begin):
            if not chain.follow(link.entry, link.columns, link.hash):
                break
            if chain.verified % _TOLD_EVERY == 0:
                tell(chain.verified, newest - begin + 1)
        chain.end(head)
    return chain.report()


def _hash_before(connection: Connection, entry: int) -> bytes:
    """What this entry is chained to, as it is stored; nobody can change that and keep the entry's own hash."""
    before: Link | None = None
    if entry > 1:
        before = next(iter(read_audit(connection, entry - 1)), None)
    return START if before is None else before.hash
