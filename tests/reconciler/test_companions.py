"""What `ordinaut up` has beside itself: the processes of a Project, and the databases that its secrets name."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from reconciler.companions import Companions, Home
from reconciler.load import compile_source
from reconciler.reconcile import Reconciled
from reconciler.source import read_source
from runtime.clock import SYSTEM_CLOCK
from runtime.embedded import Urls
from runtime.embedded.databases import make_databases
from runtime.errors import EmbeddedError, NotFound, SecretUnreadable
from runtime.keyring import Keyring
from runtime.service import ServiceGroup
from runtime.started import started
from tests.support.probes import eventually
from tests.support.processes import ordinaut
from tests.support.processes import started as running

_PROJECT = {"apiVersion": "ordinaut/v1", "kind": "Project", "name": "home"}
# Notes its number and its environment, and then listens at the port that it is given.
_SERVE = """\
import json, os, pathlib, socketserver, sys
with pathlib.Path("seen.jsonl").open("a") as file:
    print(json.dumps({"pid": os.getpid(), "url": os.environ.get("URL"), "args": sys.argv[1:]}), file=file)
print("I listen", flush=True)
class Hello(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
socketserver.TCPServer.allow_reuse_address = True
socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Hello).serve_forever()
"""


@pytest.fixture
def port() -> int:
    """One that is free."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "serve.py").write_text(_SERVE)
    (tmp_path / "specs").mkdir()
    return tmp_path


@pytest.fixture
async def companions(folder: Path) -> AsyncIterator[Companions]:
    home = Home(folder, folder / "state" / "processes", folder / "state" / "databases", None)
    found = Companions(home)
    yield found
    await found.close()


def serving(port: int, *more: str, scheme: str = "tcp") -> dict[str, Any]:
    ready = f"{scheme}://127.0.0.1:{port}/"
    return {"command": "python", "args": ["serve.py", str(port), *more], "ready": ready}


def look(folder: Path, **project: Any) -> Reconciled:
    """The specs of `folder` with such a Project, as a look finds them."""
    (folder / "specs" / "ordinaut.yaml").write_text(json.dumps({**_PROJECT, **project}))
    source = read_source(folder / "specs", folder)
    specs = compile_source(source, "default", None)
    assert not specs.errors, specs.problems
    return Reconciled(source, specs)


def seen(folder: Path) -> list[dict[str, Any]]:
    with suppress(FileNotFoundError):
        return [json.loads(line) for line in (folder / "seen.jsonl").read_text().splitlines()]
    return []


def runs(process: Mapping[str, Any]) -> bool:
    return started(process["pid"]) is not None


@asynccontextmanager
async def going(companions: Companions) -> AsyncIterator[None]:
    """As the service that it is, in a group."""
    group = ServiceGroup([companions])
    group.start()
    try:
        yield
    finally:
        await group.stop()


@pytest.mark.parametrize("scheme", ["tcp", "http"])
async def test_a_process_answers_before_anything_begins_and_ends_with_it(
    folder: Path, port: int, companions: Companions, scheme: str
) -> None:
    found = look(folder, processes={"shop": serving(port, scheme=scheme)})

    await companions.begin(found)

    with socket.create_connection(("127.0.0.1", port)):
        pass
    await companions.close()
    (process,) = seen(folder)
    assert not runs(process)


async def test_a_process_that_ends_is_started_again_and_its_last_words_are_told(
    folder: Path, port: int, companions: Companions, caplog: pytest.LogCaptureFixture
) -> None:
    await companions.begin(look(folder, processes={"shop": serving(port)}))

    os.kill(seen(folder)[0]["pid"], signal.SIGKILL)

    await eventually(lambda: len(seen(folder)) == 2, "a second one")
    assert "process shop ended by SIGKILL: I listen; started again in" in caplog.text


async def test_an_edit_replaces_what_it_changes_and_leaves_the_rest_alone(
    folder: Path, port: int, companions: Companions
) -> None:
    other = {"command": "python", "args": ["serve.py", "0", "other"]}
    await companions.begin(look(folder, processes={"shop": serving(port), "other": other}))
    await eventually(lambda: len(seen(folder)) == 2, "both")
    (shop,) = [one for one in seen(folder) if "other" not in one["args"]]
    (stays,) = [one for one in seen(folder) if "other" in one["args"]]

    async with going(companions):
        companions.look(look(folder, processes={"shop": serving(port, "new"), "other": other}))
        await eventually(lambda: len(seen(folder)) == 3, "the new one")
        assert (runs(shop), runs(stays)) == (False, True)
        companions.look(look(folder))
        await eventually(lambda: not any(map(runs, seen(folder))), "the end of all")


async def test_broken_specs_and_programs_that_there_are_not_stop_nobody(
    folder: Path, port: int, companions: Companions, caplog: pytest.LogCaptureFixture
) -> None:
    absent = {"command": "there-is-none", "ready": "tcp://127.0.0.1:1"}
    secret = {**serving(port), "env": {"URL": "${secrets.away}"}}

    await companions.begin(
        look(
            folder,
            secrets={"away": {"env": "THERE_IS_NONE"}},
            processes={"absent": absent, "secret": secret, "shop": serving(port)},
        )
    )
    companions.look(NotFound("the folder is gone"))

    assert (
        "process absent could not be started: ORD401: the program 'there-is-none'" in caplog.text
    )
    assert "process secret could not be started: ORD410: secret away" in caplog.text
    assert runs(seen(folder)[0])


async def test_one_that_never_answers_is_told_of_and_left_running(
    folder: Path, port: int, companions: Companions, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = {**serving(port), "ready": "tcp://127.0.0.1:1", "ready_timeout": "300ms"}

    await companions.begin(look(folder, processes={"shop": deaf}))

    assert "process shop does not answer at tcp://127.0.0.1:1" in caplog.text
    await eventually(lambda: seen(folder), "its start")
    assert runs(seen(folder)[0])


def test_a_database_is_made_once_with_a_role_that_owns_it_and_sees_no_other(
    servers: Urls, database: str, tmp_path: Path
) -> None:
    name, neighbour = f"shop_{uuid4().hex[:12]}", f"shop_{uuid4().hex[:12]}"

    make_databases(database, {name: ["vector"], neighbour: []}, tmp_path / "databases")
    url = (tmp_path / "databases" / name).read_text()
    make_databases(database, {name: ["vector"]}, tmp_path / "databases")

    assert (tmp_path / "databases" / name).read_text() == url
    assert (tmp_path / "databases" / name).stat().st_mode & 0o077 == 0
    with psycopg.connect(url) as own:
        own.execute("create schema raw")
        own.execute("create table raw.meaning (at vector(3))")
        row = own.execute(
            "select rolsuper or rolcreatedb from pg_roles where rolname = %s", [name]
        )
        assert row.fetchone() == (False,)
    strange = url.replace(f"/{name}?", f"/{neighbour}?")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(strange)
    with psycopg.connect(servers.database, autocommit=True) as admin:
        for one in (name, neighbour):
            admin.execute(f'drop database "{one}"')  # type: ignore[call-overload] - our own name
            admin.execute(f'drop role "{one}"')  # type: ignore[call-overload] - our own name


def test_a_lost_file_gives_a_database_another_password(
    servers: Urls, database: str, tmp_path: Path
) -> None:
    name = f"shop_{uuid4().hex[:12]}"
    make_databases(database, {name: ()}, tmp_path)
    (tmp_path / name).unlink()

    make_databases(database, {name: ()}, tmp_path)

    with psycopg.connect((tmp_path / name).read_text()):
        pass
    with psycopg.connect(servers.database, autocommit=True) as admin:
        admin.execute(f'drop database "{name}"')  # type: ignore[call-overload] - our own name
        admin.execute(f'drop role "{name}"')  # type: ignore[call-overload] - our own name


def test_a_server_that_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="a database of the specs could not be made"):
        make_databases("postgresql://me@127.0.0.1:1/x", {"shop": ()}, tmp_path)


def test_without_a_database_its_secret_says_who_makes_it(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        with pytest.raises(SecretUnreadable, match="`ordinaut up` makes it") as found:
            Keyring(tmp_path, SYSTEM_CLOCK, folder).read("shop", {"database": "shop"})
        assert "overlay" in (found.value.hint or "")


@pytest.mark.parametrize("name", ["ordinaut", "postgres", "template1", "pg_shop"])
async def test_a_database_of_others_cannot_be_asked_for(folder: Path, name: str) -> None:
    body = {**_PROJECT, "secrets": {"shop": {"database": name}}}
    (folder / "specs" / "ordinaut.yaml").write_text(json.dumps(body))

    found = await ordinaut("validate", "specs", cwd=folder)

    assert found.status == 1
    assert f"the database {name} is not this project's" in " ".join(found.stdout.split())


async def test_a_plan_says_what_up_would_run(folder: Path) -> None:
    look(folder, processes={"shop": {"command": "python", "args": ["serve.py", "8025"]}})

    plan = await ordinaut("plan", cwd=folder)

    assert "python serve.py 8025 as shop" in plan.stdout


@pytest.mark.slow
async def test_up_makes_databases_and_runs_processes_with_their_secrets(
    folder: Path, port: int
) -> None:
    shop = {**serving(port), "env": {"URL": "${secrets.shop}"}}
    look(folder, secrets={"shop": {"database": "shop"}}, processes={"shop": shop})

    async with running("up", cwd=folder) as up:
        await up.line("watching the specs")
        (process,) = seen(folder)
        with psycopg.connect(process["url"]) as own:
            assert own.execute("select current_user, current_database()").fetchone() == (
                "shop",
                "shop",
            )
        password = process["url"].split(":")[2].split("@")[0]
        assert password not in up.stdout + up.stderr
        up.kill()
        await up.ended()
    async with running("up", cwd=folder) as again:
        await again.line("watching the specs")
        assert not runs(process)
        assert seen(folder)[1]["url"] == process["url"]
        again.terminate()
        assert (await again.ended()).status == 0
    assert not runs(seen(folder)[1])
