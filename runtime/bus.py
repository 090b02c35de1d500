"""The one place that makes Redis clients: timeouts on everything, no hidden retries, and errors that say what to do.

A client connects on first use. Retrying is left to callers: a publication that is repeated behind their back would be
published twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from runtime.errors import BusError, ConfigError

CONNECT_TIMEOUT_SECONDS: Final = 5
# Longer than any blocking read that we ask for.
ANSWER_TIMEOUT_SECONDS: Final = 5


def open_bus(url: str) -> AsyncRedis:
    """A client for services; use it as an async context manager, or `aclose` it.

    Raises:
        ConfigError: ORD306, `url` is not an address.
    """
    with _readable(url):
        return AsyncRedis.from_url(url, retry=AsyncRetry(NoBackoff(), 0), **_settings())


def connect_bus(url: str) -> Redis:
    """A client for commands; use it as a context manager.

    Raises:
        ConfigError: ORD306, `url` is not an address.
    """
    with _readable(url):
        return Redis.from_url(url, retry=Retry(NoBackoff(), 0), **_settings())


@contextmanager
def bus_errors(url: str) -> Iterator[None]:
    """Turn what the client raises inside the block into ours.

    Raises:
        BusError: ORD305 not reachable, or it refused; the password is never part of it.
    """
    try:
        yield
    except AuthenticationError as error:
        raise BusError(
            f"{bus_address(url)} refused the credentials: {_reason(error)}",
            hint="check user and password in ORDINAUT_REDIS_URL",
        ) from error
    except RedisError as error:
        raise BusError(
            f"{bus_address(url)} cannot be used: {_reason(error)}",
            hint="check ORDINAUT_REDIS_URL and that the server runs; without it `ordinaut up` starts its own",
        ) from error


def is_away(error: BusError) -> bool:
    """Whether Redis did not answer, so that it may do so later."""
    cause = error.__cause__
    away = isinstance(cause, RedisConnectionError | RedisTimeoutError)
    return away and not isinstance(cause, AuthenticationError)


def bus_address(url: str) -> str:
    """The server a URL names, without user, password and options."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"Redis at {parts.path}"
    # Not `parts.hostname` and `parts.port`: the latter raises for a port that is none.
    return f"Redis at {parts.netloc.rpartition('@')[2] or 'localhost'}"


@contextmanager
def _readable(url: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"setting redis_url: {bus_address(url)}: {error}") from error


def _settings() -> dict[str, Any]:
    return {
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": ANSWER_TIMEOUT_SECONDS,
        "decode_responses": True,
        "client_name": "ordinaut",
    }


def _reason(error: RedisError) -> str:
    return " ".join(str(error).split()) or type(error).__name__
