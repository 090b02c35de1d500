"""A branch is fetched into a mirror: only that branch, by nobody's configuration, whatever happened to the mirror before."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.mirror import Mirror, find_branch
from reconciler.remote import Remote, find_remote
from runtime.clock import SYSTEM_CLOCK
from runtime.errors import ConfigError, SourceUnavailable
from tests.support.clock import FakeClock
from tests.support.git import Clone, new_repository
from tests.support.probes import within


@pytest.fixture
def origin(tmp_path: Path) -> Clone:
    clone = new_repository(tmp_path / "origin")
    clone.write({"a": "1"})
    clone.commit()
    return clone


@pytest.fixture
def remote(origin: Clone) -> Remote:
    return find_remote(str(origin.folder), is_verified=False)


@pytest.fixture
def mirror(remote: Remote, tmp_path: Path) -> Mirror:
    return Mirror(remote, "main", tmp_path / "state")


def git(mirror: Mirror, *words: str) -> str:
    command = ["git", *words]
    return subprocess.run(
        command, cwd=mirror.place, check=True, capture_output=True, text=True
    ).stdout.strip()


async def test_the_branch_is_fetched_and_nothing_else(origin: Clone, mirror: Mirror) -> None:
    origin.git("tag", "v1")
    origin.git("branch", "other")
    head = origin.git("rev-parse", "HEAD")

    assert await mirror.fetch() == head

    assert git(mirror, "for-each-ref", "--format=%(objectname)") == head
    assert git(mirror, "cat-file", "-t", head) == "commit"
    assert mirror.place.stat().st_mode & 0o077 == 0
    assert list((mirror.place / ".git").glob("hooks/*")) == []


async def test_nothing_is_written_while_nothing_changes(origin: Clone, mirror: Mirror) -> None:
    await mirror.fetch()
    before = {path: path.stat().st_mtime_ns for path in mirror.place.rglob("*")}

    await mirror.fetch()

    assert {path: path.stat().st_mtime_ns for path in mirror.place.rglob("*")} == before


async def test_a_branch_that_was_rewritten_is_followed(origin: Clone, mirror: Mirror) -> None:
    await mirror.fetch()
    origin.git("commit", "--quiet", "--amend", "--message", "Other")

    assert await mirror.fetch() == origin.git("rev-parse", "HEAD")


async def test_a_branch_that_moved_below_its_own_name_is_followed(
    origin: Clone, remote: Remote, tmp_path: Path
) -> None:
    head = origin.git("rev-parse", "HEAD")
    origin.git("branch", "-m", "rel")
    assert await Mirror(remote, "rel", tmp_path / "state").fetch() == head
    origin.git("branch", "-m", "rel", "rel/1")

    assert await Mirror(remote, "rel/1", tmp_path / "state").fetch() == head


async def test_the_branch_of_a_repository_is_the_one_it_is_on(
    origin: Clone, remote: Remote
) -> None:
    origin.git("checkout", "--quiet", "-b", "work")
    assert await find_branch(remote) == "work"

    origin.git("checkout", "--quiet", "--detach")
    with pytest.raises(SourceUnavailable, match="name one with --branch"):
        await find_branch(remote)


async def test_locks_that_a_killed_git_left_behind_do_not_last(
    origin: Clone, mirror: Mirror
) -> None:
    await mirror.fetch()
    head = origin.commit()
    ref = git(mirror, "for-each-ref", "--format=%(refname)")
    for name in (f"{ref}.lock", "packed-refs.lock", "shallow.lock", "config.lock"):
        (mirror.place / ".git" / name).touch()

    assert await mirror.fetch() == head


async def test_a_mirror_that_was_half_made_or_deleted_is_made_anew(
    origin: Clone, mirror: Mirror
) -> None:
    (mirror.place / "new").mkdir(parents=True)
    (mirror.place / "new" / "HEAD").touch()

    assert await mirror.fetch() == origin.git("rev-parse", "HEAD")


async def test_a_mirror_that_came_from_elsewhere_leads_nowhere_else(
    origin: Clone, mirror: Mirror, tmp_path: Path
) -> None:
    await mirror.fetch()
    other = new_repository(tmp_path / "other")
    other.commit("Elsewhere")
    git(mirror, "config", f"url.{other.folder}.insteadOf", str(origin.folder))
    head = origin.commit()

    assert await mirror.fetch() == head


async def test_a_repository_of_longer_hashes_is_mirrored(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "longer")
    clone.folder.mkdir()
    clone.git("init", "--quiet", "--object-format=sha256")
    first = clone.commit()
    mirror = Mirror(find_remote(str(clone.folder), is_verified=False), "main", tmp_path)

    assert (len(first), await mirror.fetch()) == (64, first)
    assert await mirror.fetch() == first


async def test_a_shallow_clone_is_told_how_to_become_whole(origin: Clone, tmp_path: Path) -> None:
    origin.commit()
    shallow = str(tmp_path / "shallow")
    origin.git("clone", "--quiet", "--depth=1", f"file://{origin.folder}", shallow)
    remote = find_remote(shallow, is_verified=False)

    with pytest.raises(SourceUnavailable, match="git fetch --unshallow"):
        await Mirror(remote, "main", tmp_path / "state").fetch()


async def test_one_process_fetches_at_a_time(
    origin: Clone, remote: Remote, mirror: Mirror, tmp_path: Path
) -> None:
    await mirror.fetch()
    head = origin.commit()
    lock = os.open(mirror.place / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)

    fetching = asyncio.create_task(Mirror(remote, "main", tmp_path / "state").fetch())
    done, _ = await asyncio.wait([fetching], timeout=0.5)
    assert not done
    os.close(lock)

    assert await within(fetching, "the fetch") == head


async def test_many_that_fetch_at_once_do_no_harm(
    origin: Clone, remote: Remote, tmp_path: Path
) -> None:
    mirrors = [Mirror(remote, "main", tmp_path / "state") for _ in range(4)]

    assert set(await asyncio.gather(*(one.fetch() for one in mirrors))) == {
        origin.git("rev-parse", "HEAD")
    }


async def test_no_configuration_and_no_hook_has_a_say(
    origin: Clone, remote: Remote, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> {ran}\nexit 1\n')
    program.chmod(0o755)
    here = new_repository(tmp_path / "here")
    for clone in (origin, here):
        for name in ("core.fsmonitor", "core.sshCommand", "core.askPass", "credential.helper", "uploadpack.packObjectsHook", "core.alternateRefsCommand", "core.pager"):  # fmt: skip
            clone.git("config", name, str(program))
        clone.git("config", "core.hooksPath", str(tmp_path / "hooks"))
        clone.git("config", "url.ext::sh.insteadOf", remote.address)
        clone.git("config", "alias.fetch", f"!{program}")
    (tmp_path / "hooks").mkdir()
    for hook in ("reference-transaction", "post-checkout", "pre-auto-gc"):
        (tmp_path / "hooks" / hook).symlink_to(program)
    head = origin.git("rev-parse", "HEAD")
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[core]\n\tsshCommand = {program}\n\thooksPath = {tmp_path}/hooks\n"
    )
    monkeypatch.chdir(here.folder)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
    monkeypatch.setenv("GIT_DIR", str(here.folder / ".git"))
    ran.unlink(missing_ok=True)

    assert await mirror.fetch() == head
    assert not ran.exists()


async def test_what_is_no_repository_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("gone", "empty"):
        mirror = Mirror(find_remote(str(tmp_path / place), is_verified=False), "main", tmp_path)
        with pytest.raises(
            SourceUnavailable, match="not appear to be a git repository"
        ) as refusal:
            await mirror.fetch()
        assert "\n" not in refusal.value.message


async def test_a_branch_that_is_not_there_is_told(remote: Remote, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="it has no branch prod"):
        await Mirror(remote, "prod", tmp_path).fetch()


async def test_more_than_a_fetch_may_bring_is_refused_and_the_next_one_goes_on(
    origin: Clone, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirror.fetch()
    (origin.folder / "large").write_bytes(os.urandom(400_000))
    head = origin.commit()
    with monkeypatch.context() as patch:
        patch.setattr(
            "reconciler.mirror._LIMITED", ("sh", "-c", 'ulimit -f 100 && exec git "$@"', "git")
        )
        with pytest.raises(SourceUnavailable):
            await mirror.fetch()

    assert await mirror.fetch() == head


@dataclass(frozen=True)
class Silence:
    """A server that says nothing.

    Attributes:
        remote: where it is.
        heard: set once somebody asks it.
        ended: set once they are gone.
    """

    remote: Remote
    heard: asyncio.Event
    ended: asyncio.Event


@pytest.fixture
async def silence() -> AsyncIterator[Silence]:
    heard, ended = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set()
        await reader.read()
        writer.close()
        ended.set()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        remote = find_remote(f"http://127.0.0.1:{port}/agents.git", is_verified=True)
        yield Silence(remote, heard, ended)


async def test_a_server_that_says_nothing_is_given_up_and_git_is_ended(
    silence: Silence, tmp_path: Path, clock: FakeClock
) -> None:
    fetching = asyncio.create_task(Mirror(silence.remote, "main", tmp_path, clock).fetch())
    await within(silence.heard.wait(), "git asks")
    await clock.advance(60)

    with pytest.raises(SourceUnavailable, match="did not answer within 60 s"):
        await within(fetching, "it is given up")
    await within(silence.ended.wait(), "git is gone")


async def test_a_fetch_that_is_cancelled_leaves_no_git_behind(
    silence: Silence, tmp_path: Path
) -> None:
    fetching = asyncio.create_task(Mirror(silence.remote, "main", tmp_path, SYSTEM_CLOCK).fetch())
    await within(silence.heard.wait(), "git asks")
    fetching.cancel()

    await asyncio.gather(fetching, return_exceptions=True)
    await within(silence.ended.wait(), "git is gone")


@pytest.mark.parametrize("name", ["a..b", "a b", "", "a~1", "refs/../x", "@{u}"])
def test_what_is_no_name_of_a_branch_is_refused(remote: Remote, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no branch can be called"):
        Mirror(remote, name, tmp_path)


@pytest.mark.parametrize(
    ("text", "protocol"),
    [
        ("https://git.example/team/agents.git", "https"),
        ("ssh://git@git.example/team/agents.git", "ssh"),
        ("git@git.example:team/agents.git", "ssh"),
        ("git.example:agents", "ssh"),
        ("file:///srv/agents.git", "file"),
        ("/srv/agents.git", "file"),
        ("../agents", "file"),
        ("./a:b", "file"),
    ],
)
def test_a_repository_is_a_folder_or_an_address(text: str, protocol: str) -> None:
    found = find_remote(text, is_verified=False)

    assert found.protocol == protocol
    assert (found.local is not None) is (protocol == "file")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ext::sh -c touch% x", "is no repository"),
        ("fd::17", "is no repository"),
        ("--upload-pack=touch", "is no repository"),
        ("ftp://git.example/agents", "not pulled by ftp"),
        ("ext://git.example/agents", "not pulled by ext"),
        ("http://git.example/agents", "tells nobody whose the answer is"),
        ("git://git.example/agents", "tells nobody whose the answer is"),
        ("https://ada:hunter2@git.example/agents", "holds a password"),
        ("https://[git.example/agents", "cannot be read"),
    ],
)
def test_an_address_that_may_not_be_used_is_refused_without_its_password(
    text: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as refusal:
        find_remote(text, is_verified=False)

    assert "hunter2" not in str(refusal.value)


def test_signatures_make_up_for_what_an_address_does_not_promise() -> None:
    assert find_remote("http://git.example/agents", is_verified=True).protocol == "http"


def test_left_out_it_is_the_repository_around_the_working_folder(
    origin: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (origin.folder / "below").mkdir()
    monkeypatch.chdir(origin.folder / "below")
    assert find_remote(None, is_verified=False).local == origin.folder

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="is in no git repository"):
        find_remote(None, is_verified=False)


async def test_a_repository_is_fetched_over_http(origin: Clone, tmp_path: Path) -> None:
    """As a dumb server has it: files, without any program of git's."""
    origin.git("update-server-info")
    git_folder = origin.folder / ".git"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := (await reader.readuntil(b"\r\n\r\n")).decode():
            path = git_folder / request.split()[1].partition("?")[0].removeprefix("/agents.git/")
            found = path.is_file()
            body = path.read_bytes() if found else b""
            status = "200 OK" if found else "404 Not Found"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(served, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        remote = find_remote(f"http://127.0.0.1:{port}/agents.git", is_verified=True)

        assert await Mirror(remote, "main", tmp_path).fetch() == origin.git("rev-parse", "HEAD")
