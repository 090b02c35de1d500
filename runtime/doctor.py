"""Examines an installation: asks the database and Redis everything that could be wrong, and says what it means.

Nothing here raises because something is wrong: that is a finding. What cannot be looked at is one, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final

import psycopg
from redis import Redis
from redis.exceptions import ResponseError

from migrations import migrations
from runtime.bus import bus_address, bus_errors, connect_bus
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import Config
from runtime.core.diagnosis.bus import bus_found
from runtime.core.diagnosis.schema import (
    door_found,
    expired_found,
    migrations_found,
    partitions_found,
    rights_found,
)
from runtime.core.diagnosis.server import (
    READ_SETTINGS,
    bloat_found,
    clock_found,
    horizon_found,
    notifications_found,
    options_found,
    settings_found,
)
from runtime.core.diagnosis.work import outbox_found, poison_found, runtimes_found, work_found
from runtime.core.vitals import Bus, Lags, RuntimeSign, Server
from runtime.database import database, redis_url
from runtime.errors import OrdinautError
from runtime.store.connect import connect
from runtime.store.doctor import (
    list_expired_months,
    list_horizon_holders,
    list_partition_gaps,
    list_rights,
    list_runtime_signs,
    list_table_health,
    read_clock,
    read_door,
    read_lags,
    read_server,
)
from runtime.store.migrate import has_ledger, read_ledger
from runtime.store.rows import Connection
from schemas.doctor import Examination, Finding

_WORST_FIRST: Final = ("error", "warning", "note")
# Nobody can keep the two clocks apart in the first call of a connection: it warms both sides up.
_CLOCK_READINGS: Final = 3
# Dropping a month may take some tries.
_OVERDUE: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What is measured against."""

    config: Config
    patience: timedelta
    clock: Clock


@dataclass(slots=True)
class _Chart:
    """What is found, as it is found."""

    checks: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    database: str | None = None
    redis: str | None = None

    def note(self, check: str, findings: Iterable[Finding] = ()) -> None:
        if check not in self.checks:
            self.checks.append(check)
        self.findings.extend(findings)


def examine(config: Config, patience: timedelta, *, clock: Clock = SYSTEM_CLOCK) -> Examination:
    """Look at everything once; writes nothing.

    Args:
        config: names the servers.
        patience: how long a transaction, due work or an event may last before it is told.
        clock: this machine's.
    """
    chart = _Chart()
    _examine_bus(config, chart)
    try:
        with (
            database(config, create=False) as conninfo,
            connect(conninfo, read_only=True, name="ordinaut doctor") as connection,
        ):
            _examine_database(connection, chart, _Terms(config, patience, clock))
    except OrdinautError as error:
        chart.note(
            "database", [_unanswered("database", error, "nothing runs and nothing can be applied")]
        )
    if config.direct_url is not None and config.database_url is not None:
        _examine_pooler(config.database_url, chart)
    return Examination(
        examined_at=clock.now(),
        version=version("ordinaut"),
        database=chart.database,
        redis=chart.redis,
        checks=tuple(chart.checks),
        findings=tuple(
            sorted(chart.findings, key=lambda found: _WORST_FIRST.index(found.severity))
        ),
    )


def _examine_database(
    connection: Connection,
    chart: _Chart,
    terms: _Terms,
) -> None:
    info = connection.info
    server = read_server(connection, READ_SETTINGS)
    number = connection.info.parameter_status("server_version") or ""
    chart.database = (
        f"PostgreSQL {number}, {info.dbname} at {info.host}:{info.port}, as {server.role}"
    )
    chart.note("database")
    chart.note("settings", settings_found(server))
    chart.note("notifications", notifications_found(server))
    holders = list_horizon_holders(connection)
    horizon = horizon_found(holders, terms.patience, sees_all=server.sees_all, role=server.role)
    chart.note("horizon", horizon)
    chart.note("bloat", bloat_found(list_table_health(connection)))
    with _permitted(chart, "migrations", server):
        ledger, breaking = read_ledger(connection) if has_ledger(connection) else ({}, ())
        altered = [m.name for m in migrations() if ledger.get(m.number, m.checksum) != m.checksum]
        found = list(migrations_found(migrations()[-1].number, tuple(ledger), breaking, altered))
        chart.note("migrations", found)
        if all(one.severity != "error" for one in found):
            _examine_schema(connection, chart, server, terms)


def _examine_schema(
    connection: Connection,
    chart: _Chart,
    server: Server,
    terms: _Terms,
) -> None:
    def asked(check: str, look: Callable[[], Iterable[Finding]]) -> None:
        with _permitted(chart, check, server):
            chart.note(check, look())

    asked("clock", lambda: _clock_found(connection, terms.clock))
    asked("privileges", lambda: rights_found(server.role, list_rights(connection)))
    asked("privileges", lambda: door_found(server.role, read_door(connection)))
    asked("partitions", lambda: partitions_found(list_partition_gaps(connection)))
    kept = {
        "runs": terms.config.keep_runs + _OVERDUE,
        "events": terms.config.keep_events + _OVERDUE,
    }
    asked("partitions", lambda: expired_found(list_expired_months(connection, **kept)))
    lags, signs = Lags(0, None, 0, None, 0, None), list[RuntimeSign]()
    with _permitted(chart, "work", server):
        lags, signs = read_lags(connection), list_runtime_signs(connection)
    chart.note("work", work_found(lags, signs, terms.patience))
    chart.note("streams", poison_found(lags))
    chart.note(
        "outbox", outbox_found(lags, signs, terms.patience, has_bus=chart.redis is not None)
    )
    chart.note("leases")
    chart.note("versions", runtimes_found(signs, version("ordinaut")))


def _examine_pooler(url: str, chart: _Chart) -> None:
    """Runtimes work through it, so their sessions begin as it lets them."""
    try:
        with connect(url, read_only=True, name="ordinaut doctor") as connection:
            server = read_server(connection, READ_SETTINGS)
            chart.note("pooler", options_found(server, "pooler"))
    except OrdinautError as error:
        chart.note("pooler", [_unanswered("pooler", error, "runtimes work through it")])


def _clock_found(connection: Connection, clock: Clock) -> Iterator[Finding]:
    readings = []
    for _ in range(_CLOCK_READINGS):
        before, started = clock.now(), clock.monotonic()
        theirs = read_clock(connection)
        round_trip = timedelta(seconds=clock.monotonic() - started)
        readings.append((round_trip, theirs - before - round_trip / 2))
    round_trip, offset = min(readings)
    return clock_found(offset, round_trip)


@contextmanager
def _permitted(chart: _Chart, check: str, server: Server) -> Iterator[None]:
    """What our role may not look at is told, and the rest is looked at."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        refused = str(error.diag.message_primary)
        finding = Finding(
            check=check,
            severity="error",
            what=f"role {server.role} may not even look: {refused}",
            why="a runtime with this role cannot work, and no plan can be made",
            remedy=f"as its owner: grant usage on schema ordinaut to {server.role}; grant select, insert, update, delete"
            f" on all tables in schema ordinaut to {server.role};",
        )
        chart.note(check, [finding])


def _examine_bus(config: Config, chart: _Chart) -> None:
    url = redis_url(config)
    if url is None:
        finding = Finding(
            check="redis",
            severity="note",
            what="no Redis is named, and no embedded one runs",
            why="events wait in the outbox meanwhile",
            remedy="set ORDINAUT_REDIS_URL, or run `ordinaut up`, which brings its own",
        )
        chart.note("redis", [finding])
        return
    try:
        with bus_errors(url), connect_bus(url) as client:
            bus = _read_bus(client, config.stream)
    except OrdinautError as error:
        chart.note("redis", [_unanswered("redis", error, "events wait in the outbox; runs go on")])
        return
    chart.redis = f"{bus.flavour}, {bus_address(url).removeprefix('Redis at ')}"
    chart.note("redis", bus_found(bus))


def _read_bus(client: Redis, stream: str) -> Bus:
    info: dict[str, Any] = client.info()
    try:
        saves = client.config_get("save").get("save")
    except ResponseError:
        saves = None  # managed servers keep their settings to themselves
    number = info.get("valkey_version") or info["redis_version"]
    limit = int(info.get("maxmemory", 0))
    return Bus(
        flavour=f"{'Valkey' if 'valkey_version' in info else 'Redis'} {number}",
        version=tuple(int(part) for part in str(number).split(".") if part.isdigit()),
        role=str(info.get("role", "master")),
        policy=str(info.get("maxmemory_policy", "")),
        appends=bool(info.get("aof_enabled")),
        saves=saves,
        is_saved="err"
        not in (info.get("rdb_last_bgsave_status"), info.get("aof_last_write_status")),
        stream=stream,
        stream_type=str(client.type(stream)),
        memory_part=int(info["used_memory"]) / limit if limit else None,
    )


def _unanswered(check: str, error: OrdinautError, why: str) -> Finding:
    return Finding(
        check=check,
        severity="error",
        what=error.message,
        why=why,
        remedy=error.hint or "see the message",
    )
