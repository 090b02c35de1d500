"""What every test may ask for: a database, a Redis, a clock."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Generator, Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from redis import Redis

from runtime.embedded import Urls
from tests.support.clock import FakeClock
from tests.support.databases import fresh_database, make_template
from tests.support.servers import shared_servers

# Started in the background by a shell, we and our children would ignore Ctrl-C; and below `make`, a `make` of the tests
# would talk of directories.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(_name, None)  # noqa: TID251 - the tests own their environment

# How long an example takes says more of the machine than of us; for what hangs there is the timeout of its test.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long`: tests of random courses take their full measure."""
    parser.addoption("--long", action="store_true", help="take minutes where seconds say most")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes long first: it mostly waits, so one worker goes through it while the others compute."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if config.getoption("--long"):
        for item in items:
            # A bound of its own is for the ordinary measure; here it is `--timeout` that says.
            item.own_markers = [mark for mark in item.own_markers if mark.name != "timeout"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test marked `unmeasured` at full speed; what pytest-cov has for that does nothing in a worker."""
    if not item.get_closest_marker("unmeasured"):
        return (yield)
    measuring = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(measuring)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Urls]:
    """PostgreSQL and Valkey of this session."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    with shared_servers(shared / "servers", lambda urls: make_template(urls.database)) as urls:
        yield urls


@pytest.fixture
def database(servers: Urls) -> Iterator[str]:
    """The URL of a migrated database for this test alone."""
    with fresh_database(servers.database) as url:
        yield url


@pytest.fixture
async def connection(database: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """An autocommit connection to `database`."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def redis_url(servers: Urls, worker_id: str) -> str:
    """The URL of an empty Redis database for this test alone: every worker has one, emptied before each test."""
    assert servers.redis is not None
    number = 0 if worker_id == "master" else int(worker_id.removeprefix("gw"))
    url = f"{servers.redis}?db={number}"
    with Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
async def clock() -> AsyncIterator[FakeClock]:
    """A clock at `tests.support.clock.START`, detached from all databases at the end."""
    clock = FakeClock()
    yield clock
    await clock.close()
