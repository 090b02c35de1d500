"""PostgreSQL: settings that lose data, clocks that differ, and what keeps dead rows from being removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from runtime.core.spans import rough_span
from runtime.core.vitals import Holder, Server, Table
from schemas.doctor import Finding
from schemas.problem import Severity

OLDEST_SERVER: Final = 150_000
_PRUNING_CRASHES: Final = range(180_000, 190_000)
_OFFSET: Final = timedelta(seconds=2)
_FULL_QUEUE: Final = 0.5
_DEAD_ROWS: Final = 10_000
# What a session of ours asks for when it begins; a pooler between may drop it.
_OPTIONS: Final = {
    "statement_timeout": "60s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}
_UNSAFE: Final[dict[str, tuple[str, Severity, str]]] = {
    "fsync": ("off", "error", "a crash of the machine can destroy the whole database"),
    "full_page_writes": ("off", "error", "a crash of the machine can destroy the whole database"),
    "synchronous_commit": (
        "off",
        "error",
        "a crash can undo what was acknowledged: a step that was recorded is called again",
    ),
    "autovacuum": ("off", "error", "nothing removes dead rows, and the queue grows slower every hour"),
    "track_counts": ("off", "error", "autovacuum does not know where there is something to do"),
}  # fmt: skip
READ_SETTINGS: Final = (*_UNSAFE, *_OPTIONS, "enable_partition_pruning")


def settings_found(server: Server) -> Iterator[Finding]:
    """Settings with which acknowledged work can be lost, and ones that a pooler dropped."""
    if server.version_number < OLDEST_SERVER:
        yield Finding(
            check="settings",
            severity="error",
            what=f"PostgreSQL is of version {server.version_number // 10_000}",
            why="Ordinaut is tested with 15 and newer, and uses what older ones do not have",
            remedy="upgrade PostgreSQL",
        )
    if server.in_recovery:
        yield Finding(
            check="settings",
            severity="error",
            what="this server is a standby, which takes no writes",
            why="runtimes and applies must write",
            remedy="point ORDINAUT_DATABASE_URL at the primary, or add target_session_attrs=read-write to it",
        )
    for name, (unsafe, severity, why) in _UNSAFE.items():
        if server.settings.get(name) == unsafe:
            yield Finding(
                check="settings",
                severity=severity,
                what=f"{name} is {unsafe}",
                why=why,
                remedy=f"alter system reset {name}; select pg_reload_conf(); and look for it at the role and the database",
            )
    yield from options_found(server)


def options_found(server: Server, check: str = "settings") -> Iterator[Finding]:
    """What sessions ask for when they begin, and do not get."""
    crashes = server.version_number in _PRUNING_CRASHES
    if missing := missing_settings(server.version_number, server.settings):
        yield Finding(
            check=check,
            severity="error",
            what=f"sessions begin without {', '.join(each.partition(' ')[0] for each in missing)}",
            why="a pooler between drops what Ordinaut asks for: a session that hangs keeps its locks"
            + (
                ", and PostgreSQL 18 can crash as a whole when runtimes compete" if crashes else ""
            ),
            remedy=setting_of(server.role, missing),
        )


def missing_settings(version_number: int, settings: Mapping[str, str]) -> list[str]:
    """What sessions of ours ask for and did not get, each as it is set for a role."""
    missing = [
        f"{name} = '{span}'" for name, span in _OPTIONS.items() if settings.get(name) == "0"
    ]
    crashes = version_number in _PRUNING_CRASHES
    if crashes and settings.get("enable_partition_pruning") == "on":
        missing.append("enable_partition_pruning = off")
    return missing


def setting_of(role: str, missing: Iterable[str]) -> str:
    """How a role gets these settings."""
    return "set them for the role" + "".join(f"; alter role {role} set {each}" for each in missing)


def clock_found(offset: timedelta, round_trip: timedelta) -> Iterator[Finding]:
    """The clock of this machine against the database's.

    Args:
        offset: the database's clock less ours.
        round_trip: how long asking took; half of it is not known.
    """
    if abs(offset) - round_trip / 2 > _OFFSET:
        direction = "ahead of" if offset > timedelta(0) else "behind"
        yield Finding(
            check="clock",
            severity="warning",
            what=f"the database's clock is {rough_span(abs(offset))} {direction} this machine's",
            why="work is due by the database's clock; plans, logs, signatures and certificates go by this machine's",
            remedy="run a time service, such as chrony, on both machines",
        )


def horizon_found(
    holders: Iterable[Holder], patience: timedelta, *, sees_all: bool, role: str
) -> Iterator[Finding]:
    """Who keeps dead rows from being removed for longer than `patience`."""
    for holder in holders:
        if holder.seconds is None or holder.seconds > patience.total_seconds():
            yield _held(holder)
    if not sees_all:
        yield Finding(
            check="horizon",
            severity="note",
            what=f"role {role} cannot see what sessions of other roles hold",
            why="one of them could keep dead rows from being removed, and would not be named here",
            remedy=f"grant pg_read_all_stats to {role};",
        )


def _held(holder: Holder) -> Finding:
    span = (
        "" if holder.seconds is None else f" for {rough_span(timedelta(seconds=holder.seconds))}"
    )
    by = f" of {holder.owner}" if holder.owner else ""
    match holder.kind:
        case "session":
            through = f" ({holder.application})" if holder.application else ""
            doing = " ".join((holder.doing or "").split())
            what = f"process {holder.name}{by}{through} has kept a snapshot{span}, {holder.state}: {doing}"
            remedy = f"end it if nobody needs it: select pg_terminate_backend({holder.name});"
        case "prepared":
            what = f"the prepared transaction {holder.name!r}{by} has been open{span}"
            remedy = f"end it: rollback prepared '{holder.name}'; or commit prepared"
        case _:
            what = f"nobody reads the {holder.doing} replication slot {holder.name!r}"
            remedy = f"drop it if nobody will: select pg_drop_replication_slot('{holder.name}');"
    why = (
        "what it has not read is kept on disk until that is full, and deleted rows with it"
        if holder.kind == "slot"
        else "no deleted row of any table can be removed meanwhile, so the queue grows and slows down"
    )
    return Finding(check="horizon", severity="warning", what=what, why=why, remedy=remedy)


def bloat_found(tables: Iterable[Table]) -> Iterator[Finding]:
    """Tables with more dead rows than living ones, and many of them."""
    for table in tables:
        if table.dead > max(_DEAD_ROWS, table.live):
            yield Finding(
                check="bloat",
                severity="warning",
                what=f"ordinaut.{table.name} holds {table.dead:,} dead rows beside {table.live:,}, in {table.size >> 20:,} MiB",
                why="every look at it reads the dead ones too",
                remedy=f"end what keeps them (check horizon), then: vacuum ordinaut.{table.name};",
            )


def notifications_found(server: Server) -> Iterator[Finding]:
    """Whether somebody listens without reading."""
    if server.notifications > _FULL_QUEUE:
        yield Finding(
            check="notifications",
            severity="warning",
            what=f"the queue of notifications is {server.notifications:.0%} full",
            why="when it is full, every commit that notifies fails; somebody listens in a transaction that does not end",
            remedy="end the oldest transaction of a session that listens",
        )
