"""Servers have the secrets of today, and what a newer revision says, without anybody waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.following import Follower
from runtime.keyring import Keyring
from runtime.registry import Registry
from runtime.store.pool import Pool
from runtime.tools.definition import HttpTransport, ServerDefinition
from tests.support.clock import FakeClock
from tests.support.installed import HEAD, install
from tests.support.probes import eventually


class Servers:
    """Keeps what it was last told to run."""

    def __init__(self) -> None:
        self.told = 0
        self.definitions: tuple[ServerDefinition, ...] = ()

    def replace(self, definitions: tuple[ServerDefinition, ...]) -> None:
        self.told += 1
        self.definitions = definitions

    @property
    def tokens(self) -> list[str]:
        """What each would send as its token."""
        transports = [definition.transport for definition in self.definitions]
        return [one.headers["Token"] for one in transports if isinstance(one, HttpTransport)]


@dataclass(frozen=True, slots=True)
class Site:
    """A follower at work, and all that it follows."""

    follower: Follower
    registry: Registry
    running: Servers
    connection: psycopg.AsyncConnection
    clock: FakeClock
    folder: Path

    def keep(self, secret: str, file: str = "token") -> None:
        (self.folder / file).write_text(secret)

    async def install(self, **source: Any) -> int:
        """A server that sends a secret; the newest revision."""
        project = {**HEAD, "kind": "Project", "name": "home", "secrets": {"token": source}}
        await install(self.connection, project)
        http = {"url": "https://tools.example.com/mcp", "headers": {"Token": "${secrets.token}"}}
        server = {**HEAD, "kind": "ToolServer", "name": "crm", "http": http}
        return (await install(self.connection, server)).revision_id

    async def asleep(self) -> None:
        await eventually(lambda: self.clock.sleepers == 1, "it sleeps")


@pytest.fixture
async def site(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Site]:
    keyring, running = Keyring(tmp_path, clock), Servers()
    registry = Registry(pool, running, clock, keyring)
    follower = Follower(registry, clock)
    service = asyncio.create_task(follower.run())
    yield Site(follower, registry, running, connection, clock, tmp_path)
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)
    await keyring.close()


def printing(file: str) -> list[str]:
    return ["python", "-c", f"print(open('{file}').read(), end='')"]


async def test_a_newer_revision_is_read_when_it_is_told_of(site: Site) -> None:
    site.keep("one")

    site.follower.tell(await site.install(file="token"))

    await eventually(lambda: site.running.tokens == ["one"], "it is read")


async def test_what_is_known_is_not_read_again(site: Site) -> None:
    revision_id = await site.install(env="HOME")
    await site.registry.refresh()

    site.follower.tell(revision_id)

    assert not site.follower._bell.is_rung
    assert site.running.told == 1


@pytest.mark.parametrize(
    "source", [{"file": "token"}, {"command": printing("token"), "cache": "5s"}]
)
async def test_a_rotated_secret_reaches_its_server_within_a_minute(
    site: Site, source: dict[str, Any]
) -> None:
    site.keep("one")
    await site.install(**source)
    await site.registry.refresh()
    assert site.running.tokens == ["one"]
    await site.asleep()

    site.keep("two")
    await site.clock.advance(60)

    await eventually(lambda: site.running.tokens == ["two"], "it is renewed", seconds=30)


async def test_a_secret_that_was_not_there_yet_makes_its_server_work_once_it_is(
    site: Site,
) -> None:
    await site.install(file="token")
    await site.registry.refresh()
    assert list(site.registry.live.broken) == ["crm"]
    await site.asleep()

    site.keep("one")
    await site.clock.advance(60)

    await eventually(lambda: site.running.tokens == ["one"], "it can be used")
    assert site.registry.live.broken == {}


async def test_a_newer_revision_does_not_wait_for_a_program_that_was_asked_before(
    site: Site,
) -> None:
    site.keep("one")
    source = {"command": printing("token"), "cache": "1s"}
    await site.install(**source)
    await site.registry.refresh()
    await site.clock.advance(2)
    site.keep("two")
    newer = await site.install(**source)

    await site.registry.follow(newer)

    assert site.registry.live.revision_id == newer
    assert site.running.tokens == ["one"]
    await site.asleep()
    await site.clock.advance(60)
    await eventually(lambda: site.running.tokens == ["two"], "it is renewed", seconds=30)


async def test_secrets_of_the_environment_do_not_change_and_are_not_read_again(site: Site) -> None:
    await site.install(env="HOME")
    await site.registry.refresh()
    await site.asleep()

    await site.clock.advance(60)
    await site.asleep()

    assert (site.running.told, site.registry.live.rotates) == (1, False)


async def test_what_is_older_by_the_time_it_was_read_is_left(site: Site) -> None:
    site.keep("old")
    source = printing("token")
    slow = ["python", "-c", f"import time, pathlib; {source[2]}; time.sleep(0.3)"]
    older = await site.install(command=slow)
    reading = asyncio.create_task(site.registry.follow(older))
    await eventually(lambda: site.registry._keyring._asking, "it waits for the program")
    site.keep("new", "new")
    newer = await site.install(file="new")

    await site.registry.follow(newer)
    await reading

    assert site.registry.live.revision_id == newer
    assert site.running.tokens == ["new"]
