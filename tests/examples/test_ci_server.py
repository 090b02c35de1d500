"""`examples/ci/server`: a bare repository that refuses what may not be pushed, by real pushes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.examples.ci import HELLO, KIT, cloned, edit, environment, new_origin
from tests.support.git import Clone

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A clone of a bare repository with the hook, which lets nobody retire a task by a push."""
    (tmp_path / "tmp").mkdir()
    bare = Clone(tmp_path / "bare.git")
    new_origin(tmp_path / "origin").git("clone", "--quiet", "--bare", ".", str(bare.folder))
    shutil.copy(KIT / "server" / "pre-receive", bare.folder / "hooks" / "pre-receive")
    bare.git("config", "ordinaut.failOn", "retire")
    return cloned(bare, tmp_path / "clone")


def push(clone: Clone, *words: str) -> tuple[bool, str]:
    """Push, and whether it was accepted, and what the server said."""
    ended = subprocess.run(
        ["git", "push", "--porcelain", "origin", *words],
        cwd=clone.folder,
        env=environment(clone.folder.parent, {"TMPDIR": str(clone.folder.parent / "tmp")}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line.partition("remote: ") for line in ended.stderr.splitlines()]
    return ended.returncode == 0, "\n".join(said.rstrip() for _, remote, said in lines if remote)


def test_a_push_is_accepted_with_one_line_and_leaves_nothing_behind(
    clone: Clone, tmp_path: Path
) -> None:
    edit(clone, "*/5", "*/10")
    clone.commit()

    assert push(clone, "main") == (True, "ordinaut: main: Plan: 1 to update, 2 unchanged.")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert push(clone, "main:refs/heads/feature") == (
        True,
        f"ordinaut: feature: No changes: 3 documents match {clone.git('rev-parse', 'HEAD')[:7]}.",
    )
    assert push(clone, "main:refs/tags/v1") == (True, "")


def test_what_is_broken_is_refused_with_its_line(clone: Clone) -> None:
    edit(clone, "pipeline:", "pipeline: [")
    clone.commit()

    accepted, said = push(clone, "main")

    assert not accepted
    assert said.startswith("ordinaut: main is refused: its specs have problems\nspecs/hello.yaml:")
    assert "error ORD002" in said
    assert clone.git("ls-remote", "origin", "main")[:40] == clone.git("rev-parse", "HEAD~1")


def test_what_a_plan_may_not_have_is_refused_also_where_a_forced_push_would_hide_it(
    clone: Clone,
) -> None:
    clone.git("checkout", "--quiet", "-b", "without")
    clone.write({HELLO: None})
    clone.commit()

    # A new branch is compared with where it left the branch that is applied.
    accepted, said = push(clone, "without")
    assert not accepted
    assert "ordinaut: without is refused: its plan may not be pushed" in said
    assert "--fail-on refuses this plan, retire: hello" in said

    clone.git("checkout", "--quiet", "main")
    clone.git("checkout", "--quiet", "-b", "more")
    text = (clone.folder / HELLO).read_text()
    clone.write({"specs/more.yaml": text.replace("name: hello", "name: more")})
    clone.commit()
    assert push(clone, "more:main") == (True, "ordinaut: main: Plan: 1 to create, 3 unchanged.")
    accepted, said = push(clone, "--force", "main")
    assert not accepted
    assert "retire: more" in said


def test_what_another_history_takes_away_is_refused_on_an_old_branch_and_on_a_new_one(
    clone: Clone,
) -> None:
    text = (clone.folder / HELLO).read_text()
    clone.git("checkout", "--quiet", "--orphan", "apart")
    clone.write({"specs/more.yaml": text.replace("name: hello", "name: more")})
    clone.commit()

    assert push(clone, "apart") == (True, "ordinaut: apart: Plan: 1 to create, 3 unchanged.")
    clone.git("checkout", "--quiet", "--orphan", "without")
    clone.write({HELLO: None})
    clone.commit()

    for words in (["without"], ["--force", "without:main"]):
        accepted, said = push(clone, *words)
        assert not accepted
        assert "is refused: its plan may not be pushed" in said
        assert "--fail-on refuses this plan, retire: hello" in said


def test_a_history_apart_is_compared_with_a_default_branch_that_has_no_specs(
    clone: Clone, tmp_path: Path
) -> None:
    bare = Clone(tmp_path / "bare.git")
    clone.git("checkout", "--quiet", "--orphan", "pages")
    clone.git("rm", "-r", "--quiet", "--force", "--cached", "specs")
    clone.git("commit", "--quiet", "--message", "Begin pages")
    assert push(clone, "pages") == (True, "")
    bare.git("symbolic-ref", "HEAD", "refs/heads/pages")

    assert push(clone, "main:refs/heads/copy") == (
        True,
        "ordinaut: copy: Plan: 3 to create.",
    )


def test_a_branch_with_specs_is_not_deleted_unless_a_setting_says_so(
    clone: Clone, tmp_path: Path
) -> None:
    bare = Clone(tmp_path / "bare.git")
    assert push(clone, "main:refs/heads/feature")[0]

    assert push(clone, "--delete", "feature") == (
        False,
        "ordinaut: feature is refused: it has specs, and ordinaut.allowDelete is not set",
    )
    assert clone.git("ls-remote", "origin", "feature")

    bare.git("config", "ordinaut.allowDelete", "yes")
    assert push(clone, "--delete", "feature") == (True, "")
    bare.git("config", "--unset", "ordinaut.allowDelete")
    bare.git("config", "--unset", "ordinaut.failOn")
    assert push(clone, "main:refs/heads/feature")[0]
    assert push(clone, "--delete", "feature") == (True, "")


def test_what_has_no_specs_is_nobodys_business_unless_it_had_them(clone: Clone) -> None:
    clone.git("checkout", "--quiet", "--orphan", "pages")
    clone.git("rm", "-r", "--quiet", "--force", ".")
    clone.write({"index.html": "hello"})
    clone.commit()

    assert push(clone, "pages") == (True, "")
    accepted, said = push(clone, "--force", "pages:main")
    assert (accepted, said.splitlines()[0]) == (
        False,
        "ordinaut: main is refused: it would leave no folder specs",
    )


def test_a_first_push_is_checked_without_anything_to_compare_with(
    clone: Clone, tmp_path: Path
) -> None:
    empty = Clone(tmp_path / "empty.git")
    clone.git("init", "--quiet", "--bare", str(empty.folder))
    shutil.copy(KIT / "server" / "pre-receive", empty.folder / "hooks" / "pre-receive")
    clone.git("remote", "set-url", "origin", str(empty.folder))

    assert push(clone, "main") == (True, "ordinaut: main: nothing to compare with")


def test_what_takes_too_long_is_refused(clone: Clone, tmp_path: Path) -> None:
    Clone(tmp_path / "bare.git").git("config", "ordinaut.seconds", "0")
    edit(clone, "*/5", "*/10")
    clone.commit()

    assert push(clone, "main") == (
        False,
        "ordinaut: main is refused: looking at it took too long",
    )
