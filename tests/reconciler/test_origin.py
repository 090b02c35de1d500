"""Where a plan comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.origin import plan_source
from schemas.plan import PlanSource


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs these tests is not asked."""
    for name in ("GITHUB_REF", "CI_MERGE_REQUEST_IID"):
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
