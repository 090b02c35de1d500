"""A look whose git, disk or end gets in its way changes nothing, judges nobody, and is tried again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.settling import Settlement
from reconciler.signatures import NO_TRUST, Trust
from reconciler.sync import Look
from reconciler.syncing import BranchSync
from runtime.errors import SourceUnavailable
from tests.reconciler.test_signatures import SshKey, allow, ssh_key
from tests.support.awkward_git import make_awkward
from tests.support.git import new_repository
from tests.support.probes import eventually, within
from tests.support.syncing import PROJECT, SERVER, Origin, origin, stands

__all__ = ["origin"]

_KILLED = "kill -9 $$"


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("ada"))


@pytest.fixture
def trust(tmp_path: Path, ada: SshKey) -> Trust:
    return Trust("ssh", allow(tmp_path, f"ada@example.com {ada.public}\n"))


@pytest.mark.parametrize(
    "question",
    ['*" rev-list "*', '*" rev-parse "*" "[0-9a-f]*"^{commit} "', '*" cat-file commit "*', '*" verify-commit "*'],
)  # fmt: skip
async def test_a_git_that_does_not_answer_condemns_and_passes_nobody(
    origin: Origin, ada: SshKey, trust: Trust, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    ada.commit(origin.clone)
    sync = origin.sync(trust)
    await sync.look()
    origin.write(three="")
    ada.commit(origin.clone)
    await sync._mirror.fetch()
    git = make_awkward(origin.state_dir.parent, monkeypatch, question, _KILLED)

    failed = await sync.look()

    assert isinstance(failed.error, SourceUnavailable)
    assert (stands(failed), git.asked.exists()) == ((None, None), True)
    assert origin.names == ["one", "two"]
    assert origin.events[-1] == "source.unreachable"
    git.failing.unlink()
    assert stands(await sync.look()) == ("Synced", "applied")
    assert origin.names == ["one", "three", "two"]


async def test_what_hides_below_a_merge_does_not_pass_when_git_does_not_list_it(
    origin: Origin, ada: SshKey, trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.commit(origin.clone)
    sync = origin.sync(trust)
    await sync.look()
    origin.push(hidden="")
    ada.commit(origin.clone)
    git = make_awkward(tmp_path, monkeypatch, '*" rev-list "*', "sleep 60")
    monkeypatch.setattr("reconciler.git._TIME_LIMIT_SECONDS", 2)

    assert isinstance((await sync.look()).error, SourceUnavailable)

    assert (origin.names, git.asked.exists()) == (["one", "two"], True)
    git.failing.unlink()
    assert stands(await sync.look()) == ("InvalidSource", "unsigned")


async def test_a_folder_that_git_could_not_look_up_is_not_missing_for_ever(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = make_awkward(tmp_path, monkeypatch, '*" rev-parse "*":specs "', _KILLED)
    sync = origin.sync()

    assert isinstance((await sync.look()).error, SourceUnavailable)

    git.failing.unlink()
    assert stands(await sync.look()) == ("Synced", "applied")


async def test_a_verifier_that_was_killed_says_nothing_about_a_signature(
    origin: Origin, ada: SshKey, trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.commit(origin.clone)
    keygen = make_awkward(tmp_path, monkeypatch, "*", _KILLED, program="ssh-keygen")
    sync = origin.sync(trust)

    assert isinstance((await sync.look()).error, SourceUnavailable)

    keygen.failing.unlink()
    assert stands(await sync.look()) == ("Synced", "applied")


async def test_what_belongs_to_another_project_is_asked_again_until_it_is_given_up(
    origin: Origin,
) -> None:
    disk = SERVER.replace("name: fs", "name: disk")
    origin.clone.write({"specs/disk.yaml": disk})
    origin.clone.commit()
    await origin.look()
    other = new_repository(origin.clone.folder.with_name("other"))
    other.write({"specs/ordinaut.yaml": PROJECT.replace("home", "shop"), "specs/disk.yaml": disk})
    other.commit()
    theirs = Origin(other, origin.bench, origin.state_dir.with_name("theirs")).sync()
    assert stands(await theirs.look()) == ("InvalidSource", "foreign")

    origin.clone.write({"specs/disk.yaml": None})
    origin.clone.commit()
    assert stands(await origin.look()) == ("Synced", "applied")

    assert stands(await theirs.look()) == ("Synced", "applied")


async def test_a_state_folder_that_cannot_be_used_is_told_and_tried_again(origin: Origin) -> None:
    origin.state_dir.mkdir(mode=0o700)
    (origin.state_dir / "sync").touch()
    sync = origin.sync()

    failed = await sync.look()

    assert isinstance(failed.error, SourceUnavailable)
    assert "the state folder cannot be used: " in failed.report.message
    (origin.state_dir / "sync").unlink()
    assert stands(await sync.look()) == ("Synced", "applied")


async def test_git_ends_with_the_look_that_asked_it(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = make_awkward(tmp_path, monkeypatch, '*" rev-parse "*":specs "', "sleep 60")
    looking = asyncio.create_task(origin.sync().look())
    await eventually(lambda: git.asked.exists() and git.asked.read_text().strip(), "git is asked")

    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)

    process = int(git.asked.read_text())
    await eventually(lambda: not _runs(process), "git is gone", seconds=5)
    assert origin.names == []


async def test_what_was_examined_before_the_end_is_not_applied_after_it(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = origin.sync()
    judge = sync._judge
    examine: Callable[..., Any] = judge._examiner.examine

    def ends(*asked: Any) -> Any:
        found = examine(*asked)
        judge._inquiry.stop()
        return found

    # To stand between what git says and what follows from it.
    monkeypatch.setattr(judge._examiner, "examine", ends)

    look = await within(sync.look(), "the look")

    assert isinstance(look.error, SourceUnavailable)
    assert origin.names == []


def stop_after_writing(sync: BranchSync, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the look stopped between two statements of one transaction."""
    write = Settlement.write

    def ends(*asked: Any) -> None:
        write(*asked)
        sync._judge._inquiry.stop()

    monkeypatch.setattr(Settlement, "write", ends)


async def test_a_stop_between_two_statements_undoes_them(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the statement that runs, and passes over a request that comes while none does."""
    sync = origin.sync()
    stop_after_writing(sync, monkeypatch)

    look = await within(sync.look(), "the look")

    assert isinstance(look.error, SourceUnavailable)
    assert origin.names == []
    assert origin.bench.rows("select from ordinaut.source_status") == []


async def test_a_stop_between_two_statements_keeps_a_commit_without_changes_from_the_floor(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await origin.look()
    origin.clone.write({"README.md": "more"})
    origin.clone.commit()
    floor = "select applied_commit, looked_at from ordinaut.source_status"
    before = origin.bench.rows(floor)
    sync = origin.sync()
    stop_after_writing(sync, monkeypatch)

    await within(sync.look(), "the look")

    assert origin.bench.rows(floor)[0][0] == before[0][0]


async def test_what_was_applied_before_the_end_is_told(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    told: list[Look] = []
    sync = origin.sync(tell=told.append)
    judge = sync._judge
    look: Callable[[str], Look] = judge.look

    async def stop() -> None:
        running.cancel()
        await eventually(lambda: judge._inquiry._stopped, "the stop reaches the look")

    def is_overtaken(head: str) -> Look:
        found = look(head)
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        return found

    # To stand between the commit and the telling.
    monkeypatch.setattr(judge, "look", is_overtaken)
    running = asyncio.create_task(sync.run())
    await asyncio.gather(running, return_exceptions=True)

    assert [one.report.report and one.report.report.revision for one in told] == [1]
    assert origin.names == ["one", "two"]


async def test_no_look_begins_after_the_end(origin: Origin) -> None:
    sync = origin.sync(NO_TRUST)
    sync._judge.interrupt()

    assert isinstance((await sync.look()).error, SourceUnavailable)
    assert origin.names == []


async def test_a_commit_s_author_cannot_paint_over_what_is_told(
    origin: Origin, trust: Trust
) -> None:
    evil = "Bob\x1b[2J\x1b[1;31mEVIL\x9b\u202e"
    origin.clone.git("commit", "--quiet", "--allow-empty", f"--author={evil} <b@c>", "-m", evil)

    refused = await origin.look(trust)
    applied = await origin.look()

    assert "by Bob\\u001b[2J\\u001b[1;31mEVIL\\u009b\\u202e <b@c>" in refused.report.message
    assert stands(applied) == ("Synced", "applied")
    written = origin.bench.rows(
        "select author from ordinaut.revision union all select data::text from ordinaut.event_log"
    )
    assert len(written) > 1
    assert all(text.isprintable() for (text,) in written)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
