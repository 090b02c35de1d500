"""What git says of a folder, and that a repository cannot make it run anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.git import GitFacts, read_git_facts


def _git(folder: Path, *words: str) -> str:
    identity = (
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.com",
        "-c",
        "init.defaultBranch=main",
    )
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "platform"
    (folder / "specs").mkdir(parents=True)
    (folder / "specs" / "a.yaml").write_text("a: 1\n")
    _git(folder, "init", "--quiet")
    _git(folder, "add", ".")
    _git(folder, "commit", "--quiet", "--message", "First\n\nauthor Mallory <m@example.com>")
    return folder


def _facts(folder: Path) -> GitFacts:
    facts = read_git_facts(folder)
    assert facts is not None
    return facts


def test_the_facts_of_a_clean_checkout(repository: Path) -> None:
    assert _facts(repository / "specs") == GitFacts(
        commit=_git(repository, "rev-parse", "HEAD"),
        tree=_git(repository, "rev-parse", "HEAD:specs"),
        branch="main",
        dirty=False,
        author="Ada <ada@example.com>",
        repository="platform",
    )


def test_the_tree_is_that_of_the_folder_and_stays_when_something_else_changes(
    repository: Path,
) -> None:
    before = _facts(repository / "specs")
    (repository / "README.md").write_text("words")
    _git(repository, "add", ".")
    _git(repository, "commit", "--quiet", "--message", "Say more")

    after = _facts(repository / "specs")

    assert (after.tree, after.commit != before.commit) == (before.tree, True)


@pytest.mark.parametrize("name", ["a.yaml", "new.yaml"])
def test_a_changed_or_new_file_makes_the_folder_dirty(repository: Path, name: str) -> None:
    (repository / "specs" / name).write_text("a: 2\n")

    assert _facts(repository / "specs").dirty


def test_a_change_outside_of_the_folder_does_not_make_it_dirty(repository: Path) -> None:
    (repository / "README.md").write_text("words")

    assert not _facts(repository / "specs").dirty


def test_a_detached_head_is_on_no_branch(repository: Path) -> None:
    _git(repository, "checkout", "--quiet", "--detach")

    assert _facts(repository / "specs").branch is None


@pytest.mark.parametrize(
    "origin",
    ["git@example.com:acme/agents.git", "https://user:key@example.com/acme/agents/", "agents"],
)
def test_the_repository_is_called_as_its_origin_is(repository: Path, origin: str) -> None:
    _git(repository, "config", "remote.origin.url", origin)

    assert _facts(repository / "specs").repository == "agents"


def test_a_folder_that_no_commit_knows_has_no_tree_and_is_dirty(repository: Path) -> None:
    new = repository / "new"
    new.mkdir()
    (new / "a.yaml").touch()

    facts = _facts(new)

    assert (facts.tree, facts.dirty) == (None, True)


def test_without_a_repository_or_a_commit_there_are_no_facts(tmp_path: Path) -> None:
    assert read_git_facts(tmp_path) is None
    _git(tmp_path, "init", "--quiet")
    assert read_git_facts(tmp_path) is None


def test_without_git_there_are_no_facts(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.git.base_environment", lambda: {"PATH": "/nonexistent"})

    assert read_git_facts(repository) is None


def test_neither_hooks_nor_a_file_system_monitor_are_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    _git(repository, "config", "core.hooksPath", str(tmp_path))
    _git(repository, "config", "core.fsmonitor", str(trap))
    for hook in ("post-index-change", "fsmonitor-watchman", "query-watchman"):
        (tmp_path / hook).symlink_to(trap)

    _facts(repository / "specs")

    assert not (tmp_path / "sprung").exists()
    _git(repository, "status")
    assert (tmp_path / "sprung").exists(), "the trap works where git is asked without care"


def test_a_bare_repository_hidden_in_the_folder_is_not_believed(repository: Path) -> None:
    hidden = repository / "specs" / "hidden"
    _git(repository, "clone", "--quiet", "--bare", ".", str(hidden))
    _git(hidden, "config", "core.bare", "false")
    _git(hidden, "config", "core.worktree", str(repository))

    assert read_git_facts(hidden) is None
    assert _git(hidden, "rev-parse", "--show-toplevel"), (
        "git itself, asked without care, believes it"
    )
