"""A database that is away, refuses, or is not ours: every command says which it is, and ends without a traceback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from runtime.embedded import Urls
from tests.support.cli import Cli
from tests.support.databases import fresh_database, on_database

_SPECS = "apiVersion: ordinaut/v1\nkind: Project\nname: home\n"
COMMANDS = (
    ("plan",),
    ("apply", "--yes"),
    ("status",),
    ("runs",),
    ("show", "last"),
    ("run", "greeting"),
    ("runtime",),
)
every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with specs."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "ordinaut.yaml").write_text(_SPECS)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is ours and that nobody listens on."""
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        yield ours.getsockname()[1]


@pytest.fixture
def bare(servers: Urls) -> Iterator[str]:
    """A database without a schema."""
    with fresh_database(servers.database, template="template0") as url:
        yield url


def against(database: str, redis: str | None) -> Cli:
    return Cli({"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": str(redis)})


@every_command
def test_a_database_that_is_away(
    command: tuple[str, ...], closed_port: int, servers: Urls
) -> None:
    """Asserts: exit 5 (a connection), ORD301 with the address, and the setting to look at; nothing on stdout."""
    said = against(f"postgresql://ada:secret@127.0.0.1:{closed_port}/demo", servers.redis)(
        *command
    )

    assert (said.status, said.stdout) == (5, "")
    assert (
        f"error ORD301: the database demo at 127.0.0.1:{closed_port} cannot be reached"
        in said.stderr
    )
    assert "ORDINAUT_DATABASE_URL" in said.stderr
    assert "secret" not in said.stderr
    assert "Traceback" not in said.stderr


@every_command
def test_a_wrong_password(command: tuple[str, ...], servers: Urls) -> None:
    """Asserts: exit 5, ORD302, and neither the right nor the wrong password."""
    parts = urlsplit(servers.database)
    user = f"{parts.username}:wrong-one@"
    wrong = urlunsplit(
        parts._replace(netloc=parts.netloc.replace(parts.netloc.rpartition("@")[0] + "@", user))
    )
    said = against(wrong, servers.redis)(*command)

    assert (said.status, said.stdout) == (5, "")
    assert "error ORD302: " in said.stderr
    assert "wrong-one" not in said.stderr
    assert str(parts.password) not in said.stderr
    assert "Traceback" not in said.stderr


@every_command
def test_a_database_that_does_not_exist(command: tuple[str, ...], servers: Urls) -> None:
    """Asserts: exit 5, ORD302, and its name."""
    said = against(on_database(servers.database, "nowhere"), servers.redis)(*command)

    assert (said.status, said.stdout) == (5, "")
    assert "error ORD302: the database nowhere at " in said.stderr


@every_command
def test_a_database_that_was_not_migrated(
    command: tuple[str, ...], bare: str, servers: Urls
) -> None:
    """Asserts: exit 1, ORD303, and the command that helps."""
    said = against(bare, servers.redis)(*command)

    assert (said.status, said.stdout) == (1, "")
    assert "error ORD303: " in said.stderr
    assert "ordinaut migrate" in said.stderr
    assert "Traceback" not in said.stderr
