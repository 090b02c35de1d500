"""Redis clients fail early, in words of ours, and never with the password in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as NoConnection

from runtime.bus import bus_address, bus_errors, connect_bus, open_bus
from runtime.config import Config
from runtime.errors import BusError, ConfigError
from runtime.health import bus_status


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://user:hidden@example.com:6379/3", "Redis at example.com:6379"),
        ("rediss://example.com", "Redis at example.com"),
        ("redis://:hidden@[::1]:6379", "Redis at [::1]:6379"),
        ("redis://", "Redis at localhost"),
        ("unix://:hidden@/run/valkey.sock?db=1", "Redis at /run/valkey.sock"),
        ("redis://user:hidden@host:port", "Redis at host:port"),
    ],
)
def test_an_address_has_no_credentials(url: str, address: str) -> None:
    assert bus_address(url) == address


def test_both_clients_reach_the_server_and_speak_text(redis_url: str) -> None:
    with bus_errors(redis_url), connect_bus(redis_url) as bus:
        bus.set("key", "värde")
        assert bus.get("key") == "värde"


async def test_the_client_of_services_reaches_it_too(redis_url: str) -> None:
    async with open_bus(redis_url) as bus:
        await bus.set("key", "värde")
        assert await bus.get("key") == "värde"


@pytest.mark.parametrize("connect", [connect_bus, open_bus])
def test_an_address_that_is_none_is_a_wrong_setting(connect: object) -> None:
    assert callable(connect)
    with pytest.raises(ConfigError, match="setting redis_url: Redis at host:port") as found:
        connect("redis://user:hidden@host:port")

    assert "hidden" not in str(found.value)


def test_wrong_credentials_are_told_from_an_absent_server(redis_url: str) -> None:
    wrong = redis_url.replace("unix://:", "unix://:wrong")

    with (
        pytest.raises(BusError, match="refused the credentials") as found,
        bus_errors(wrong),
        connect_bus(wrong) as bus,
    ):
        bus.ping()

    assert found.value.code == "ORD305"
    assert "check user and password" in found.value.hint
    with (
        pytest.raises(BusError, match="cannot be used") as found,
        bus_errors(redis_url),
    ):
        raise NoConnection


async def test_a_client_does_not_try_again_by_itself(redis_url: str) -> None:
    async with open_bus(redis_url) as bus:
        retries = bus.get_retry()
    with connect_bus(redis_url) as other:
        assert (retries and retries.get_retries(), other.get_retry().get_retries()) == (0, 0)


def test_the_status_counts_the_events_of_the_stream(redis_url: str) -> None:
    config = Config(redis_url=redis_url)
    with connect_bus(redis_url) as bus:
        bus.xadd(config.stream, {"a": "b"})

    assert (bus_status(config).reachable, bus_status(config).events) == (True, 1)


def test_no_redis_at_all_has_no_address(tmp_path: Path) -> None:
    status = bus_status(Config(state_dir=tmp_path))

    assert (status.address, status.reachable, status.problem) == (None, False, None)
