"""Who applies, and from where."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from reconciler.origin import actor, plan_source
from schemas.plan import PlanSource

CI = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "CIRCLE_USERNAME")


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs these tests is not asked."""
    for name in (*CI, "GITHUB_REF", "CI_MERGE_REQUEST_IID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    for words in (
        ["init", "-q", "-b", "trunk"],
        [
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x",
        ],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def test_an_actor_is_a_user_on_a_host() -> None:
    user, _, host = actor().partition("@")

    assert user
    assert host == socket.gethostname()


def test_a_user_without_a_name_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)

    assert actor() == f"unknown@{socket.gethostname()}"


@pytest.mark.parametrize("name", CI)
def test_a_ci_system_names_its_user(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "ada")

    assert actor() == "ada@ci"


def test_a_folder_outside_of_git_has_no_commit(tmp_path: Path) -> None:
    assert plan_source("home", tmp_path) == PlanSource(project="home")


def test_a_repository_tells_commit_tree_branch_and_author(repository: Path) -> None:
    source = plan_source("home", repository)

    assert source.commit
    assert source.tree
    assert (source.branch, source.dirty, source.author) == ("trunk", False, "Ada <a@b>")
    assert source.pull_request is None


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("GITHUB_REF", "refs/pull/212/merge", "212"),
        ("GITHUB_REF", "refs/heads/main", None),
        ("CI_MERGE_REQUEST_IID", "7", "7"),
    ],
)
def test_a_ci_system_names_the_pull_request(
    repository: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, number: str | None
) -> None:
    monkeypatch.setenv(name, value)

    assert plan_source("home", repository).pull_request == number
