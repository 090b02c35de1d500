"""The one place that makes Redis clients: timeouts on everything, no hidden retries, and errors that say what to do.

A client connects on first use. Retrying is left to callers: a publication that is repeated behind their back would be
published twice.

What a URL names is one server (`redis`, `rediss` with TLS, `unix`), the primary that sentinels know
(`redis+sentinel://HOST,HOST/SERVICE`), or a Redis Cluster (`redis+cluster://HOST,HOST`). Clients of all three are used alike:
whatever we ask for concerns the keys of one slot.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self, cast
from urllib.parse import SplitResult, urlsplit

from redis import Redis, RedisCluster
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import RedisCluster as AsyncRedisCluster
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.connection import parse_url
from redis.exceptions import AuthenticationError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel

from runtime.errors import BusError, ConfigError

CONNECT_TIMEOUT_SECONDS: Final = 5
# Longer than any blocking read that we ask for.
ANSWER_TIMEOUT_SECONDS: Final = 5


# Parts of the library have no types.
_ASYNC_SENTINEL: Final[Any] = AsyncSentinel
_SENTINEL: Final[Any] = Sentinel
_NODE: Final[Any] = ClusterNode
_PARSE: Final[Any] = parse_url
BUS_ERRORS: Final = (RedisError, RedisClusterException)
"""What a client raises; a cluster that cannot be reached is no `RedisError` to it."""


def open_bus(url: str) -> AsyncRedis:
    """A client for services; use it as an async context manager, or `aclose` it.

    Raises:
        ConfigError: ORD306, `url` is not an address.
    """
    way = _read(url)
    settings = way.settings | _SETTINGS | {"retry": AsyncRetry(NoBackoff(), 0)}
    match way.kind:
        case "cluster":
            nodes = [AsyncClusterNode(*place) for place in way.places]
            # It answers as one server does to all that we ask.
            return cast("AsyncRedis", _AsyncCluster(startup_nodes=nodes, **settings))
        case "sentinel":
            own = way.sentinel_settings | _SETTINGS | {"retry": AsyncRetry(NoBackoff(), 0)}
            sentinel: Any = _ASYNC_SENTINEL(way.places, sentinel_kwargs=own, **settings)
            return cast("AsyncRedis", sentinel.master_for(way.service, redis_class=_AsyncPrimary))
        case _:
            return AsyncRedis.from_url(url, **_SETTINGS, retry=AsyncRetry(NoBackoff(), 0))


def connect_bus(url: str) -> Redis:
    """A client for commands; use it as a context manager.

    Raises:
        ConfigError: ORD306, `url` is not an address.
    """
    way = _read(url)
    settings = way.settings | _SETTINGS | {"retry": Retry(NoBackoff(), 0)}
    match way.kind:
        case "cluster":
            nodes = [_NODE(*place) for place in way.places]
            with bus_errors(url):
                # This one connects at once.
                return cast("Redis", RedisCluster(startup_nodes=nodes, **settings))
        case "sentinel":
            own = way.sentinel_settings | _SETTINGS | {"retry": Retry(NoBackoff(), 0)}
            sentinel: Any = _SENTINEL(way.places, sentinel_kwargs=own, **settings)
            return cast("Redis", sentinel.master_for(way.service, redis_class=_Primary))
        case _:
            return Redis.from_url(url, **_SETTINGS, retry=Retry(NoBackoff(), 0))


class _AsyncCluster(AsyncRedisCluster):
    """A cluster that is connected to on first use, as a server is, so that it may be away when a runtime starts."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _AsyncPrimary(AsyncRedis):
    """The primary that sentinels know of; they go with it."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        for sentinel in _sentinels(self):
            await sentinel.aclose()


class _Primary(Redis):
    """The primary that sentinels know of, for commands."""

    def close(self) -> None:
        super().close()
        for sentinel in _sentinels(self):
            sentinel.close()


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
    except BUS_ERRORS as error:
        raise BusError(
            f"{bus_address(url)} cannot be used: {_reason(error)}",
            hint="check ORDINAUT_REDIS_URL and that the server runs; without it `ordinaut up` starts its own",
        ) from error


def is_away(error: BusError) -> bool:
    """Whether Redis did not answer, so that it may do so later."""
    cause = error.__cause__
    away = isinstance(cause, RedisConnectionError | RedisTimeoutError | RedisClusterException)
    return away and not isinstance(cause, AuthenticationError)


def bus_address(url: str) -> str:
    """The server a URL names, without user, password and options."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"Redis at {parts.path}"
    # Not `parts.hostname` and `parts.port`: the latter raises for a port that is none.
    place = parts.netloc.rpartition("@")[2] or "localhost"
    if parts.scheme.endswith("+sentinel"):
        return f"Redis {parts.path.strip('/').partition('/')[0]} of {place}"
    return f"Redis at {place}"


def _sentinels(client: Any) -> Any:
    return client.connection_pool.sentinel_manager.sentinels


_SETTINGS: Final[dict[str, Any]] = {
    "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "socket_timeout": ANSWER_TIMEOUT_SECONDS,
    "decode_responses": True,
    # Streams of others may hold anything: what is no text is read with marks in its place.
    "encoding_errors": "replace",
    "client_name": "ordinaut",
}
_PORTS: Final = {"cluster": 6379, "sentinel": 26379}
# Options of a URL that are the sentinels' own; who they are to us need not be who we are to the servers they watch.
_OF_SENTINELS: Final = {"sentinel_username": "username", "sentinel_password": "password"}


@dataclass(frozen=True, slots=True)
class _Way:
    """What a URL says.

    Attributes:
        kind: `server`, `cluster` or `sentinel`; of a server nothing else is read here.
        places: hosts and ports where to begin.
        service: what the sentinels call the primary and its replicas.
        settings: of connections, such as credentials and TLS.
        sentinel_settings: of those to sentinels.
    """

    kind: str
    places: list[tuple[str, int]]
    service: str
    settings: dict[str, Any]
    sentinel_settings: dict[str, Any]


def _read(url: str) -> _Way:
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    try:
        if not kind:
            _PARSE(url)
            return _Way("server", [], "", {}, {})
        user, at, hosts = parts.netloc.rpartition("@")
        places = [_place(host, _PORTS[kind]) for host in hosts.split(",")]
        service, path = "", parts.path
        if kind == "sentinel":
            service, _, database = parts.path.removeprefix("/").partition("/")
            path = f"/{database}"
        settings: dict[str, Any] = dict(
            _PARSE(SplitResult(scheme, f"{user}{at}host", path, parts.query, "").geturl())
        )
    except ValueError as error:
        raise ConfigError(f"setting redis_url: {bus_address(url)}: {error}") from error
    del settings["host"]
    if settings.pop("connection_class", None) is not None:
        settings["ssl"] = True
    tls = {name: value for name, value in settings.items() if name.startswith("ssl")}
    theirs = {
        name: settings.pop(option) for option, name in _OF_SENTINELS.items() if option in settings
    }
    return _Way(kind, places, service, settings, tls | theirs)


def _place(text: str, port: int) -> tuple[str, int]:
    """Host and port.

    Raises:
        ValueError: there is no host, or what is no port.
    """
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a host is missing")
    return parts.hostname, parts.port or port


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
