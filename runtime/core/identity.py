"""Ids that follow from what they name, so that racing processes and repeated tries arrive at the same one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LONGEST_KEY: Final = 200
# The two highest bits say that it is a UUID of RFC 9562.
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

KEY_META: Final = "dev.ordinaut/idempotency-key"
"""Where a call's `_meta` carries its idempotency key."""
HEADER_META: Final = "dev.ordinaut/idempotency-header"
"""Where it names the HTTP header that carries the key as well."""


def derive_run_id(task_uid: int, trigger: str, trigger_key: str, occurrence_for: datetime) -> UUID:
    """The id of the run of one occurrence.

    48 bits of Unix milliseconds, then a digest of what is run: ids sort by occurrence and the same firing has the same
    id everywhere. The layout is UUID version 8 of RFC 9562, section 5.8.

    Args:
        task_uid: the task.
        trigger: `schedule`, `manual`, `event`, `condition`, `backfill`, `run` or `rerun`.
        trigger_key: tells apart several firings of one instant; empty for schedules.
        occurrence_for: the nominal instant, aware UTC.
    """
    milliseconds = max(0, (occurrence_for - _EPOCH) // _MILLISECOND)
    # The exact instant is hashed too: two instants within a millisecond are two occurrences.
    named = f"{task_uid}\0{trigger}\0{trigger_key}\0{occurrence_for.astimezone(UTC).isoformat()}"
    tail = hashlib.sha256(named.encode()).digest()[:10]
    return _uuid8(milliseconds.to_bytes(6, "big") + tail)


def short_key(text: str) -> str:
    """A key that an index can hold; a very long one is cut, and told from others by its digest."""
    if len(text) <= _LONGEST_KEY:
        return text
    return f"{text[:_LONGEST_KEY]}… {hashlib.sha256(text.encode()).hexdigest()}"


def first_id_of(run_id: UUID) -> UUID:
    """The smallest id of the millisecond that an id stands for: no run that came after it has a smaller one."""
    return UUID(int=run_id.int >> 80 << 80)


def derive_event_id(run_id: UUID | str, lease_epoch: int, position: int) -> str:
    """The id of the n-th event that one lease of a run tells: a report said twice gives the same events.

    A UUID as text, which is all that becomes of it.
    """
    named = hashlib.sha256(f"{run_id}\0{lease_epoch}\0{position}".encode()).hexdigest()
    variant = _VARIANT[named[16]]
    return f"{named[:8]}-{named[8:12]}-8{named[13:16]}-{variant}{named[17:20]}-{named[20:32]}"


def idempotency_key(run_id: UUID | str, step: str, iteration: int, replay_no: int = 0) -> str:
    """The key that is the same for every try of one step of one run.

    Args:
        run_id: the run; for one that is run again, the first of these runs.
        step: its id.
        iteration: which item of `foreach`.
        replay_no: how often somebody asked for it to be done anew.
    """
    anew = f"\0{replay_no}" if replay_no else ""
    return hashlib.sha256(f"{run_id}\0{step}\0{iteration}{anew}".encode()).hexdigest()[:32]


def _uuid8(content: bytes) -> UUID:
    # `UUID(version=8)` needs Python 3.14.
    raw = bytearray(content)
    raw[6] = 0x80 | (raw[6] & 0x0F)
    raw[8] = 0x80 | (raw[8] & 0x3F)
    return UUID(bytes=bytes(raw))
