"""What measurements mean that no test can make real on servers that it shares."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.core.diagnosis.bus import bus_found
from runtime.core.diagnosis.schema import partitions_found
from runtime.core.diagnosis.server import notifications_found, settings_found
from runtime.core.vitals import Bus, Partitions, Server

SERVER = Server(
    version_number=170_002,
    role="ordinaut",
    in_recovery=False,
    sees_all=True,
    notifications=0.0,
    settings={"fsync": "on", "statement_timeout": "60000", "enable_partition_pruning": "on"},
)
BUS = Bus(
    flavour="Redis 7.4.1",
    version=(7, 4, 1),
    role="master",
    policy="noeviction",
    appends=True,
    saves="",
    is_saved=True,
    stream="ordinaut:events",
    stream_type="none",
    memory_part=0.5,
)


def test_sound_servers_have_no_finding() -> None:
    assert list(settings_found(SERVER)) == []
    assert list(bus_found(BUS)) == []
    assert list(bus_found(replace(BUS, appends=False, saves=None, memory_part=None))) == []


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (replace(SERVER, version_number=140_011), "PostgreSQL is of version 14"),
        (replace(SERVER, in_recovery=True), "this server is a standby"),
        (replace(SERVER, settings={"autovacuum": "off"}), "autovacuum is off"),
        (
            replace(SERVER, settings={"statement_timeout": "0", "lock_timeout": "0"}),
            "sessions begin without statement_timeout, lock_timeout",
        ),
        (
            replace(SERVER, version_number=180_001),
            "sessions begin without enable_partition_pruning",
        ),
    ],
)
def test_a_server_that_would_lose_or_hold_up_work_is_told(server: Server, words: str) -> None:
    [finding] = settings_found(server)

    assert finding.what.startswith(words)


def test_what_a_pooler_drops_is_set_for_the_role() -> None:
    [finding] = settings_found(replace(SERVER, version_number=180_001))

    assert finding.severity == "error"
    assert finding.remedy == (
        "set them for the role; alter role ordinaut set enable_partition_pruning = off"
    )


def test_listeners_that_do_not_read_are_told() -> None:
    [finding] = notifications_found(replace(SERVER, notifications=0.75))

    assert finding.what == "the queue of notifications is 75% full"


@pytest.mark.parametrize(
    ("bus", "words"),
    [
        (replace(BUS, version=(6, 2), flavour="Redis 6.2"), "it is Redis 6.2"),
        (replace(BUS, role="slave"), "it is a slave, which takes no writes"),
        (replace(BUS, stream_type="list"), "the key ordinaut:events holds a list"),
        (replace(BUS, policy="allkeys-lfu"), "maxmemory-policy is allkeys-lfu"),
        (replace(BUS, memory_part=0.95), "95% of its memory is used"),
        (replace(BUS, appends=False), "it keeps nothing on disk"),
        (replace(BUS, is_saved=False), "its last write to disk failed"),
    ],
)
def test_a_bus_that_would_lose_events_is_told(bus: Bus, words: str) -> None:
    [finding] = bus_found(bus)

    assert finding.what.startswith(words)


@pytest.mark.parametrize(("strays", "words"), [(1000, "1,000 or more rows"), (12, "12 rows")])
def test_rows_in_the_wrong_place_are_counted_to_a_bound(strays: int, words: str) -> None:
    [finding] = partitions_found([Partitions("run", (), strays)])

    assert finding.what == f"ordinaut.run_default holds {words} of this month or later"


def test_a_month_that_no_runtime_can_make_a_partition_for_is_no_warning() -> None:
    [finding] = partitions_found([Partitions("event_log", ("2026-11",), 13)])

    assert (finding.severity, "event_log_default" in finding.what) == ("note", True)
    severities = [
        one.severity for one in partitions_found([Partitions("run", ("2026-11", "2026-12"), 13)])
    ]
    assert severities == ["warning", "note"]
