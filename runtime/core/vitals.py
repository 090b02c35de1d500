"""What `ordinaut doctor` measures, as it was measured; `diagnosis` says what of it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """PostgreSQL itself.

    Attributes:
        settings: by name, as `pg_settings` has them for a session of ours.
        sees_all: whether our role may see what sessions of others do.
        notifications: the part of the queue of notifications that is full, from 0 to 1.
    """

    version_number: int
    role: str
    in_recovery: bool
    sees_all: bool
    notifications: float
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who keeps rows that were deleted from being removed, in all tables.

    Attributes:
        kind: session, prepared or slot.
        name: the process, the name of the transaction, or of the slot.
        seconds: how long; none where the server does not know.
        doing: its last statement, or what it is for.
    """

    kind: str
    name: str
    owner: str | None
    application: str | None
    state: str | None
    seconds: float | None
    doing: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """How many rows of a table live, and how many are dead and not yet removed."""

    name: str
    live: int
    dead: int
    size: int


@dataclass(frozen=True, slots=True)
class Lags:
    """What waits, and for how many seconds the oldest does; and how many entries of streams were set aside in the last week, of
    which source the last by name."""

    ready: int
    ready_seconds: float | None
    schedules: int
    schedule_seconds: float | None
    events: int
    event_seconds: float | None
    poison: int = 0
    poisoned: str | None = None


@dataclass(frozen=True, slots=True)
class RuntimeSign:
    """A runtime that did not say goodbye.

    Attributes:
        silent_seconds: since it last said that it is alive.
        leases: how many runs it holds.
        lease_seconds: until the last of these leases ends.
    """

    runtime_id: int
    host: str
    pid: int
    version: str
    draining: bool
    duties: tuple[str, ...]
    silent_seconds: float
    leases: int
    lease_seconds: float | None


@dataclass(frozen=True, slots=True)
class Door:
    """The function through which steps execute statements.

    Attributes:
        is_owned: whether it belongs to the role that is made for it.
        may_call: whether our role may call it.
        is_wide: whether that role may do what it must not: it is a superuser, or may use our schema.
    """

    is_owned: bool
    may_call: bool
    is_wide: bool


@dataclass(frozen=True, slots=True)
class Rights:
    """What our role may not do with a table.

    Attributes:
        missing: privileges, as SQL names them.
        is_owned: whether it may change the table itself, or need not: only what has partitions must be changed.
    """

    name: str
    missing: tuple[str, ...]
    is_owned: bool


@dataclass(frozen=True, slots=True)
class Partitions:
    """Where a partitioned table lacks a part.

    Attributes:
        name: the table.
        missing: months of the near future without a partition, as `2026-11`.
        strays: how many rows of this month or later are where those without a partition go; counting stops at 1,000.
    """

    name: str
    missing: tuple[str, ...]
    strays: int


@dataclass(frozen=True, slots=True)
class Bus:
    """Redis or Valkey.

    Attributes:
        flavour: Redis or Valkey, with its version.
        saves: when it writes its data to disk; none where it does not say, empty where it never does.
        stream_type: of the key that events go to; `none` where there is none yet.
        memory_part: the part of its memory that is used, from 0 to 1; none where it has no limit.
    """

    flavour: str
    version: tuple[int, ...]
    role: str
    policy: str
    appends: bool
    saves: str | None
    is_saved: bool
    stream: str
    stream_type: str
    memory_part: float | None
