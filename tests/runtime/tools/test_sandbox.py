"""What a confined server may do, and that it does not start where the system cannot confine it."""

from __future__ import annotations

import ctypes
import inspect
import os
import platform
import pwd
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.tools import launch
from runtime.tools.definition import Sandbox, ServerDefinition, StdioTransport
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import is_alive, raw
from tests.support.probes import eventually
from tests.support.processes import ROOT
from tests.support.processes import started as program_started

SOURCE = Path(launch.__file__).read_text()
WAYS_BACK = 1 << 19 | 1 << 21  # CAP_SYS_PTRACE, CAP_SYS_ADMIN
NOBODY = pwd.getpwnam("nobody")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes networks away")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


# Who is not root may not be able to read the interpreter: everything is imported before.
IMPORTS = """
import __future__, collections.abc, ctypes, os, pathlib, platform, pwd, resource, signal, struct, sys, typing
"""


def become(user: str) -> str:
    """What makes a process somebody else's, as a program."""
    entry = pwd.getpwnam(user)
    return f"os.setgroups([]), os.setgid({entry.pw_gid}), os.setuid({entry.pw_uid})\n"


def launched(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """The launcher, run by itself, after a program that prepares for it, with one that tells its rights."""
    how = ["-m", launch.__name__]
    if before:
        how = ["-I", "-S", "-c", f"{IMPORTS}{before}\nexec({SOURCE!r})"]
    launcher = [sys.executable, *how, str(os.getpid()), *arguments]
    program = ["/bin/cat", "/proc/self/status"]
    return subprocess.run(
        [*launcher, "--", *program], capture_output=True, text=True, check=False, cwd="/"
    )


def rights(status: str) -> dict[str, list[str]]:
    lines = (line.split() for line in status.splitlines())
    return {name.rstrip(":"): values for name, *values in lines}


def confined(**limits: Any) -> ServerDefinition:
    definition = raw()
    assert isinstance(definition.transport, StdioTransport)
    object.__setattr__(definition.transport, "sandbox", Sandbox(**limits))
    return definition


def can_be_alone() -> bool:
    return launched("network=none").returncode == 0


LEFT = """
import asyncio, os, sys
from pathlib import Path
from runtime.clock import SYSTEM_CLOCK
from runtime.tools.child import Child
from runtime.tools.definition import Sandbox
from runtime.tools.orphans import ServerRecords
from runtime.tools.redact import Redactor

async def main():
    user = "nobody" if os.geteuid() == 0 else None
    child = await Child.start(
        ["/bin/sleep", "600"], cwd=Path("/"), env={}, sandbox=Sandbox(user, open_files=64),
        records=ServerRecords(Path(sys.argv[1])), redact=Redactor(), clock=SYSTEM_CLOCK,
    )
    print("pid", child.pid, flush=True)
    await child.exited.wait()

asyncio.run(main())
"""


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody who listens on the loopback of this machine."""
    with socket.create_server(("127.0.0.1", 0), backlog=9) as listener:
        yield listener.getsockname()[1]


@only_linux
async def test_a_server_without_network_reaches_itself_and_nobody_else_and_cannot_go_back(
    open_toolbox: OpenToolbox, port: int
) -> None:
    if not can_be_alone():
        pytest.skip("this system lets nobody take the network away")
    box = await open_toolbox(confined(network=False), raw(key="free"))

    found = (await box.call("raw.confinement", {"port": port})).value
    free = (await box.call("free.confinement", {"port": port})).value

    assert (found["reaches"], found["itself"], found["rejoined"]) == (False, True, False)
    assert (free["reaches"], free["itself"]) == (True, True)
    own, other = rights(found["status"]), rights(free["status"])
    assert (own["NoNewPrivs"], other["NoNewPrivs"]) == (["1"], ["0"])
    assert int(own["CapEff"][0], 16) & WAYS_BACK == 0


@only_linux
async def test_a_server_may_not_have_more_files_open_than_it_was_given(
    open_toolbox: OpenToolbox, port: int
) -> None:
    box = await open_toolbox(confined(open_files=64))

    found = (await box.call("raw.confinement", {"port": port})).value

    assert (found["files"], found["reaches"]) == (64, True)
    assert found["user"] == os.geteuid()


@only_linux
@only_root
def test_a_server_of_another_user_has_nothing_of_ours_with_and_without_network() -> None:
    uid, gid = str(NOBODY.pw_uid), str(NOBODY.pw_gid)
    for options in (("user=nobody",), ("user=nobody", "network=none")):
        done = launched(*options)

        assert done.stderr == ""
        found = rights(done.stdout)
        assert (found["Uid"], found["Gid"], found["Groups"]) == ([uid] * 4, [gid] * 4, [gid])
        assert found["CapEff"] == ["0" * 16]
        assert found["NoNewPrivs"] == ["1"]


@only_linux
@only_root
def test_nobody_but_root_can_choose_a_user_and_everybody_may_choose_their_own() -> None:
    refused = launched("user=daemon", before=become("nobody"))
    own = launched("user=nobody", before=become("nobody"))

    assert refused.returncode == 1
    assert refused.stderr == (
        "sandbox: only root can run a server as 'daemon': Operation not permitted\n"
    )
    assert (own.returncode, own.stderr) == (0, "")


@only_linux
@only_root
def test_without_rights_the_network_is_taken_away_in_a_user_namespace() -> None:
    done = launched("network=none", before=become("nobody"))

    if "lets nobody but root" in done.stderr:
        pytest.skip("this system lets nobody but root take the network away")
    assert (done.returncode, done.stderr) == (0, "")
    assert rights(done.stdout)["Uid"][0] == str(NOBODY.pw_uid)
    assert rights(done.stdout)["CapEff"] == ["0" * 16]


@only_linux
async def test_a_killed_runtime_takes_a_confined_server_along(tmp_path: Path) -> None:
    async with program_started(
        cwd=tmp_path,
        program=(sys.executable, "-c", LEFT, str(tmp_path)),
        env={"PYTHONPATH": str(ROOT)},
    ) as runtime:
        server = int((await runtime.line("pid")).split()[1])
        name = Path(f"/proc/{server}/comm")
        await eventually(lambda: name.read_text() == "sleep\n", "the launcher has done its work")
        runtime.kill()

        await eventually(lambda: not is_alive(server), "the server went with the runtime")


async def test_a_server_finds_the_home_of_its_user_and_what_was_declared_wins(
    open_toolbox: OpenToolbox, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = pwd.getpwuid(os.geteuid())
    monkeypatch.setenv("HOME", "/elsewhere")
    declared = confined(user=me.pw_name)
    object.__setattr__(declared.transport, "env", {"HOME": "/declared"})
    object.__setattr__(declared, "key", "declared")
    box = await open_toolbox(confined(user=me.pw_name), declared)

    homes = [
        (await box.call(f"{key}.environment", {})).value["env"]["HOME"]
        for key in ("raw", "declared")
    ]

    assert homes == [me.pw_dir, "/declared"]


async def test_a_user_that_does_not_exist_is_told_and_the_server_not_started(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(confined(user="no-such-user"))

    outcome = await box.call("raw.echo", {})

    assert outcome.kind == "not_sent"
    assert outcome.error is not None
    assert outcome.error.detail == (
        "sandbox: there is no user 'no-such-user' on this system\n[exit code 1]"
    )


@only_linux
def test_where_the_network_cannot_be_taken_away_nothing_is_run() -> None:
    done = launched("network=none", before=f"{inspect.getsource(refuse_unshare)}refuse_unshare()")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "sandbox: this system lets nobody but root take the network away: Operation not permitted\n"
    )


def test_more_files_than_the_system_allows_are_refused() -> None:
    done = launched(f"open_files={2**62}")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"sandbox: {2**62} open files cannot be the limit here: ")


def refuse_unshare() -> None:
    """From now on the kernel refuses namespaces to this process, as containers have it refuse them."""
    number = {"x86_64": 272, "aarch64": 97}[platform.machine()]
    load, jump, give = 0x20, 0x15, 0x06
    program = b"".join(
        struct.pack("HBBI", *line)
        for line in (
            (load, 0, 0, 0),  # the number of the system call
            (jump, 0, 1, number),
            (give, 0, 0, 0x00050001),  # EPERM
            (give, 0, 0, 0x7FFF0000),  # whatever else is let through
        )
    )
    kept = ctypes.create_string_buffer(program)
    filters = struct.pack("HxxxxxxP", 4, ctypes.addressof(kept))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.c_char_p(filters), 0, 0) == 0
